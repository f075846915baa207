"""Trackers for real, offline: what was written is read back by the trackers' own readers."""

import json
import math
from pathlib import Path

import pytest
from support.fake_sweep import wait_for
from support.stored import make_end, make_line, make_point, make_spec

from scaling.errors import MachineError
from scaling.store import load
from scaling.store.files import append_line
from scaling.store.layout import StoreFolder
from scaling.tables import send as module
from scaling.tables.send import send, tracked_runs


@pytest.fixture
def store(tmp_path):
    folder = StoreFolder(tmp_path / "store")
    rows = [{"id": f"t{i}", "label": f"d{i} s0", "horizons": [1000, 2000]} for i in range(3)]
    folder.write_sweep({"name": "demo", "trials": rows})
    for row in rows:
        folder.trial(row["id"]).write_spec(make_spec(row["label"]))
    for name in ("t0", "t1"):  # the third was not run
        trial = folder.trial(name)
        attempt = trial.new_attempt()
        for step in (5, 10, 20):
            append_line(attempt.curve_path, make_line(step))
        for tokens in (1000, 2000):
            trial.publish_point(make_point(name, tokens, 2.5))
        trial.publish_end(make_end(name))
    return load(folder.root)


def test_a_run_has_its_curve_its_points_and_only_what_was_measured(store):
    first, second = tracked_runs(store)
    assert (first.name, first.sweep, second.id) == ("d0 s0", "demo", "t1")
    assert [step for step, _ in first.steps] == [5, 10, 20]
    told = dict(first.steps)
    assert told[5] == {
        "tokens": 500.0, "flops": told[5]["flops"], "train/loss": 0.6, "train/lr_scale": 1.0,
        "train/grad_norm": 0.5, "train/seconds": 0.5,
    }  # fmt: skip
    assert (told[10]["val/loss"], told[20]["val/loss"]) == (2.5, 2.5)
    assert first.config["params_total"] > 0
    assert "energy_cpu_j" not in first.summary  # it was not measured: no zero stands for it
    assert all(math.isfinite(value) for value in first.summary.values())


def test_probes_are_sent_with_the_trial_they_belong_to():
    folder = Path(__file__).parents[3] / "reports" / "abilities"
    run = tracked_runs(load(folder))[0]
    last = dict(run.steps)[max(step for step, _ in run.steps)]
    assert {"val/loss", "probe/copy-6/score", "probe/copy-6/logprob"} <= set(last)


@pytest.mark.slow
def test_tensorboard_reads_what_was_written(store, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert send(store, "tensorboard", tmp_path / "out") == ["d0 s0", "d1 s0"]
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard" / "t0")).Reload()
    assert [(s.step, s.value) for s in events.Scalars("val/loss")] == [(10, 2.5), (20, 2.5)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_what_was_written(store, tmp_path):
    tracking = pytest.importorskip("mlflow.tracking")
    send(store, "mlflow", tmp_path / "out")
    client = tracking.MlflowClient(tracking_uri=(tmp_path / "out" / "mlruns").resolve().as_uri())
    experiment = client.get_experiment_by_name("demo")
    runs = {run.data.tags["trial"]: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"t0", "t1"}
    history = client.get_metric_history(runs["t0"].info.run_id, "train/loss")
    assert [(m.step, m.value) for m in history] == [(5, 0.6), (10, 0.3), (20, 0.15)]
    assert runs["t1"].data.params["label"] == "d1 s0"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_wandb_keeps_runs_to_be_uploaded_later(store, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    send(store, "wandb", tmp_path / "out")
    kept = sorted((tmp_path / "out" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert [path.name for path in kept] == ["run-t0.wandb", "run-t1.wandb"]
    wait_for(lambda: all(b"val/loss" in path.read_bytes() for path in kept), 20)  # its service writes behind it


def test_a_tracker_that_fails_or_is_not_there_is_an_error_and_the_store_is_untouched(store, tmp_path, monkeypatch):
    before = {path: path.read_bytes() for path in store.root.rglob("*.json")}
    monkeypatch.setattr(module, "TRACKERS", {"wandb": ("json", broken), "mlflow": ("no_such_module", broken)})
    with pytest.raises(MachineError, match="ConnectionError: no route"):
        send(store, "wandb", tmp_path / "out")
    with pytest.raises(MachineError, match=r"scaling-bench\[track\]"):
        send(store, "mlflow", tmp_path / "out")
    assert {path: path.read_bytes() for path in store.root.rglob("*.json")} == before
    assert json.loads((store.root / "sweep.json").read_text())["name"] == "demo"


def broken(runs, folder):
    raise ConnectionError("no route")
    yield
