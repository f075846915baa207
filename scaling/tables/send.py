"""A store's trials as runs of a tracker: W&B, MLflow or TensorBoard. One way, and after the fact.

The files of the store stay the truth. A trial never hears of a tracker, so a tracker that is down, slow or full touches
none. Everything is written to a folder, without a network: W&B in its offline mode (``wandb sync`` uploads it), MLflow
into a local store, TensorBoard as event files. Each tracker is imported only when it is asked for.
"""

import importlib.util
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scaling.errors import MachineError
from scaling.store.load import Store

if TYPE_CHECKING:
    import pandas as pd

Metrics = Mapping[str, float]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """One trial as a tracker sees it.

    Attributes:
        id: trial id.
        name: its label.
        sweep: name of the sweep.
        config: what was asked and where it ran: plain values.
        steps: (step, metrics) ascending: training loss and the rest of the curve; validation, probes, the family's
            metrics and what tuning gained at its horizons.
        summary: figures of the whole run; what was not measured is absent.
    """

    id: str
    name: str
    sweep: str
    config: Mapping[str, Any]
    steps: tuple[tuple[int, Metrics], ...]
    summary: Metrics


def tracked_runs(store: Store) -> list[TrackedRun]:
    """Return the trials of every stage that have anything to show, in the order of the plan."""
    curves = _by_trial(store.curves(stage=None))
    horizons: dict[str, list[tuple[Row, Metrics]]] = {}
    for frame in (store.points(stage=None), store.abilities(stage=None), store.metrics(), store.tuned()):
        for row in _rows(frame):
            horizons.setdefault(row["trial"], []).append((row, _renamed(row, _names(row))))
    runs = []
    for row in _rows(store.trials(stage=None)):
        steps = _steps(curves.get(row["trial"], ()), horizons.get(row["trial"], ()))
        if steps:
            runs.append(
                TrackedRun(
                    id=row["trial"],
                    name=row["label"],
                    sweep=str(store.sweep.get("name")),
                    config={k: v for k, v in row.items() if isinstance(v, str) or (k in _CONFIG and _told(v))},
                    steps=steps,
                    summary={k: float(v) for k, v in row.items() if k not in _CONFIG and _is_number(v)},
                )
            )
    return runs


_CONFIG = ("seed", "params_total", "params_non_embedding", "params_matmul", "lr_hidden", "lr_embedding", "attempts")
_CURVE = {"tokens": "tokens", "flops_train": "flops", "loss_nats": "train/loss", "lr_scale": "train/lr_scale"}
_CURVE |= {"grad_norm": "train/grad_norm", "train_s": "train/seconds"}
_POINT = {"loss_nats": "val/loss", "bpb": "val/bpb", "tokens": "tokens", "flops_train": "flops"}
_POINT |= {"energy_gpu_j": "energy_gpu_j", "train_s": "train/seconds"}
_TUNED = {name: f"tune/{name}" for name in ("answer_loss_nats", "exact_match", "gold", "proxy", "kl_nats")}


def _names(row: Row) -> Mapping[str, str]:
    """What a tracker calls the figures of a point, a probe, a metric or a tuned model."""
    if "metric" in row:
        return {"value": f"metric/{row['metric']}"}
    if "method" in row:
        return _TUNED
    if "probe" in row:
        return {name: f"probe/{row['probe']}/{name}" for name in ("score", "logprob", "brier")}
    return _POINT


def _told(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _steps(curve: Sequence[Row], horizons: Iterable[tuple[Row, Metrics]]) -> tuple[tuple[int, Metrics], ...]:
    merged: dict[int, dict[str, float]] = {}
    for row in curve:
        merged.setdefault(int(row["step"]), {}).update(_renamed(row, _CURVE))
    for row, metrics in horizons:
        merged.setdefault(_step_of(row, curve), {}).update(metrics)
    return tuple(sorted(merged.items()))


def _rows(frame: "pd.DataFrame") -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _by_trial(frame: "pd.DataFrame") -> dict[str, list[Row]]:
    return {str(name): _rows(rows) for name, rows in frame.groupby("trial", sort=False)}


def _step_of(point: Row, curve: Sequence[Row]) -> int:
    """The step of a point: that of the curve at its tokens; else the tokens themselves."""
    return max((int(row["step"]) for row in curve if row["tokens"] <= point["tokens"]), default=int(point["tokens"]))


def _renamed(row: Row, names: Mapping[str, str]) -> dict[str, float]:
    return {new: float(row[old]) for old, new in names.items() if old in row and _is_number(row[old])}


def _to_wandb(runs: list[TrackedRun], folder: Path) -> Iterator[str]:
    import wandb

    for run in runs:
        settings = wandb.Settings(
            mode="offline", root_dir=str(folder), console="off", silent=True, x_disable_stats=True, disable_git=True
        )
        made = wandb.init(
            project=run.sweep, id=run.id, name=run.name, config=dict(run.config), settings=settings, reinit="create_new"
        )
        for step, metrics in run.steps:
            made.log(dict(metrics), step=step)
        made.summary.update(dict(run.summary))
        made.finish()
        yield run.name


def _to_mlflow(runs: list[TrackedRun], folder: Path) -> Iterator[str]:
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a folder of files, rather than a data base server
    client = MlflowClient(tracking_uri=(folder / "mlruns").resolve().as_uri())
    for run in runs:
        found = client.get_experiment_by_name(run.sweep)
        experiment = client.create_experiment(run.sweep) if found is None else found.experiment_id
        made = client.create_run(experiment, run_name=run.name, tags={"trial": run.id})
        params = [Param(key, str(value)[:500]) for key, value in run.config.items()]
        client.log_batch(made.info.run_id, params=params, tags=[RunTag("source", "scaling")])
        metrics = [Metric(k, v, 0, step) for step, told in run.steps for k, v in told.items()]
        metrics += [Metric(f"summary/{k}", v, 0, 0) for k, v in run.summary.items()]
        for start in range(0, len(metrics), 1000):  # the most that one call takes
            client.log_batch(made.info.run_id, metrics=metrics[start : start + 1000])
        client.set_terminated(made.info.run_id)
        yield run.name


def _to_tensorboard(runs: list[TrackedRun], folder: Path) -> Iterator[str]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for run in runs:
        writer = EventFileWriter(str(folder / "tensorboard" / run.id))
        for step, metrics in run.steps:
            values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
            writer.add_event(Event(step=step, summary=Summary(value=values)))
        writer.close()
        yield run.name


Sender = Callable[[list[TrackedRun], Path], Iterator[str]]
TRACKERS: Mapping[str, tuple[str, Sender]] = MappingProxyType(
    {
        "wandb": ("wandb", _to_wandb),
        "mlflow": ("mlflow", _to_mlflow),
        "tensorboard": ("tensorboard", _to_tensorboard),
    }
)


def send(store: Store, tracker: str, folder: Path) -> list[str]:
    """Write a store's trials as runs of a tracker under ``folder``; returns their names.

    Raises:
        MachineError: the tracker is not installed, or it failed; the store is as it was.
    """
    module, sender = TRACKERS[tracker]
    if importlib.util.find_spec(module) is None:
        raise MachineError(
            "export.no_tracker",
            f"{tracker} is not installed",
            why="trackers are an extra: nothing else needs them",
            hint="pip install 'scaling-bench[track]'",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return list(sender(tracked_runs(store), folder))
    except Exception as error:  # a tracker may raise anything
        raise MachineError(
            "export.tracker_failed",
            f"{tracker} failed: {type(error).__name__}: {error}",
            where=str(folder),
            why="the store is not touched by it",
            hint="scaling export --format csv writes the same figures as plain tables",
        ) from error
