"""Frames from the records of a store: one row per point, trial, logged step or sample.

Orphaned trials appear among the trials, so that nothing is hidden, and nowhere else, so that nothing is mixed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from scaling.families import get_family
from scaling.provenance import Reading
from scaling.spec.command import CommandTrialSpec
from scaling.spec.resolve import recipe_of
from scaling.spec.tuning import STAGES, Finetune, Preference
from scaling.store.columns import ABILITIES, ATTEMPTS, BEST_OF, CURVES, METRICS, PLACES, POINTS, SAMPLES, TRIALS, TUNED
from scaling.store.files import BadRecord, read_json
from scaling.store.load import TrialRecord
from scaling.store.records import BEST_OF_N, EndRecord, Point, SteadyEnergy
from scaling.store.timing import RunTiming

Row = dict[str, Any]


def _frame(rows: Iterable[Row], columns: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Build a frame with exactly the documented columns, in their order."""
    return pd.DataFrame(list(rows), columns=list(columns))


def _planned(records: Sequence[TrialRecord], stage: str | None = "pretrain") -> list[TrialRecord]:
    """Return what the sweep asks for, of one stage (``None``: of all)."""
    return [r for r in records if not r.orphaned and (stage is None or r.spec.stage == stage)]


def _identity(record: TrialRecord) -> Row:
    spec = record.spec
    return {
        "trial": record.folder.id,
        "label": spec.label,
        "stage": spec.stage,
        "family": spec.family,
        "seed": spec.seed,
    }


def _params(record: TrialRecord) -> Row:
    params = record.params
    return {
        "params_total": params.total,
        "params_active": params.active,
        "params_non_embedding": params.non_embedding,
        "params_matmul": params.matmul,
    }


def points(records: Sequence[TrialRecord], stage: str | None = "pretrain") -> pd.DataFrame:
    """Return one row per point of the planned trials of a stage, in the order of the plan, then of tokens."""
    return _frame((_point(record, point) for record in _planned(records, stage) for point in record.points), POINTS)


def _point(record: TrialRecord, point: Point) -> Row:
    copied = (
        "tokens",
        "tokens_unique",
        "epochs",
        "flops_train",
        "flops_train_full_attention",
        "flops_6nd",
        "loss_nats",
        "loss_se_nats",
        "objective",
        "loss_unit",
        "bpb",
        "anneal",
        "train_s",
        "validation_fingerprint",
    )
    return {
        **_identity(record),
        **_params(record),
        **{name: getattr(point, name) for name in copied},
        "accuracy": point.metrics.get("accuracy"),
        "batch_rows": _batch_rows(record),
        "tokens_per_param": point.tokens / record.params.total,
        "energy_gpu_j": point.energy_gpu_j.value,
        "energy_gpu_provenance": point.energy_gpu_j.provenance.value,
        "energy_gpu_shared": point.energy_gpu_j.shared,
        "state": record.state.state.value,
        "data_fingerprint": _data_fingerprint(record),
    }


def _batch_rows(record: TrialRecord) -> int | None:
    """Return the rows of a step where the loss compares them with each other."""
    spec = record.spec
    if isinstance(spec, CommandTrialSpec) or get_family(spec.family).contrast is None:
        return None
    return spec.train.batch_tokens // spec.data.context


def metrics(records: Sequence[TrialRecord], stage: str | None = "pretrain") -> pd.DataFrame:
    """Return one row per point and number measured beside the loss; those by place in a window are left out."""
    rows = (
        {**_identity(record), **_params(record), **_of_point(record, point), "metric": name, "value": value}
        for record in _planned(records, stage)
        for point in record.points
        for name, value in point.metrics.items()
        if isinstance(value, float | int)
    )
    return _frame(rows, METRICS)


def places(records: Sequence[TrialRecord], stage: str | None = "pretrain") -> pd.DataFrame:
    """Return one row per point and stretch of places in a window, of families that predict the next token."""
    rows = (
        {**_identity(record), **_params(record), **_of_point(record, point), **stretch}
        for record in _planned(records, stage)
        for point in record.points
        for stretch in _stretches(record, point)
    )
    return _frame(rows, PLACES)


def _stretches(record: TrialRecord, point: Point) -> Iterator[Row]:
    """Yield places 1, 2, 3 to 4, 5 to 8, … of the window, each with its loss."""
    losses = point.metrics.get("loss_by_position")
    if isinstance(losses, Sequence) and not isinstance(record.spec, CommandTrialSpec):
        for k, loss in enumerate(losses):
            last = min(2**k, record.spec.data.context)
            yield {"first": 1 if k == 0 else 2 ** (k - 1) + 1, "last": last, "loss_nats": loss}


def _of_point(record: TrialRecord, point: Point) -> Row:
    return {"tokens": point.tokens, "flops_train": point.flops_train, "batch_rows": _batch_rows(record)}


def _data_fingerprint(record: TrialRecord) -> str:
    """Return what tells corpora apart: of a command, its declared inputs."""
    spec = record.spec
    return spec.inputs_fingerprint if isinstance(spec, CommandTrialSpec) else spec.data.fingerprint


def abilities(records: Sequence[TrialRecord], stage: str | None = "pretrain") -> pd.DataFrame:
    """Return one row per point and probe of the planned trials of a stage."""
    rows = (
        _ability(record, point, name, probe)
        for record in _planned(records, stage)
        for point in record.points
        for name, probe in point.probes.items()
        if "exact_match" in probe  # other measurements may stand beside abilities
    )
    return _frame(rows, ABILITIES)


def _ability(record: TrialRecord, point: Point, name: str, probe: Mapping[str, Any]) -> Row:
    copied = (
        "ability",
        "items",
        "token_accuracy",
        "logprob",
        "brier",
        "floor",
        "chance",
        "majority",
        "format_only",
        "hint_only",
        "format_logprob",
    )
    return {
        **_identity(record),
        "params_total": record.params.total,
        "tokens": point.tokens,
        "flops_train": point.flops_train,
        "loss_nats": point.loss_nats,
        "energy_gpu_j": point.energy_gpu_j.value,
        "probe": name,
        "score": probe["exact_match"],
        **{key: probe.get(key) for key in copied},
    }


def tuned(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row per point of what was tuned after pre-training."""
    return _frame((_tuned(r, p, r.spec.tune) for r, p in _after_pretraining(records) if r.spec.tune), TUNED)


def best_of(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row per n of best-of-n sampling from a policy before it was tuned, by each learnt reward."""
    rows = (row for record, point in _after_pretraining(records) for row in _best_of(record, point))
    return _frame(rows, BEST_OF).drop_duplicates(["trial", "n"], ignore_index=True)


def _after_pretraining(records: Sequence[TrialRecord]) -> "Iterable[tuple[TrialRecord, Point]]":
    return ((r, point) for stage in STAGES[1:] for r in _planned(records, stage) for point in r.points)


def _tuned(record: TrialRecord, point: Point, tune: Finetune | Preference) -> Row:
    answers, preference = point.probes.get(tune.probe, {}), point.probes.get("preference", {})
    start = preference.get("start", {})
    measured = ("gold", "gold_se", "gold_even", "gold_odd", "proxy", "proxy_se", "kl_nats", "kl_per_token_nats")
    return {
        **_identity(record),
        "method": tune.method,
        "base": None if tune.base is None else tune.base.trial,
        "params_total": record.params.total,
        "probe": tune.probe,
        "items": tune.items,
        "comparisons": getattr(tune, "comparisons", None),
        "kl_weight": getattr(tune, "kl_weight", None),
        "step": point.step,
        "tokens": point.tokens,
        "flops_train": point.flops_train,
        "energy_gpu_j": point.energy_gpu_j.value,
        "loss_nats": point.loss_nats,
        "answer_loss_nats": -answers["logprob"] if "logprob" in answers else None,
        "answer_loss_se_nats": answers.get("logprob_se"),
        "exact_match": answers.get("exact_match"),
        "floor": answers.get("floor"),
        **{name: preference.get(name) for name in measured},
        "kl_se_nats": preference.get("kl_nats_se"),
        "gold_start": start.get("gold"),
        "proxy_start": start.get("proxy"),
        "reward_accuracy": preference.get("reward_accuracy"),
    }


def _best_of(record: TrialRecord, point: Point) -> Iterable[Row]:
    found = point.probes.get("preference", {}).get("best_of", {})
    for values in zip(*(found.get(name, ()) for name in BEST_OF_N), strict=True):
        comparisons = getattr(record.spec.tune, "comparisons", None) if record.spec.stage == "rlhf" else None
        row = dict(zip(BEST_OF_N, values, strict=True))
        yield {**_identity(record), "params_total": record.params.total, "comparisons": comparisons, **row}


def trials(
    records: Sequence[TrialRecord], timings: Sequence[RunTiming] = (), stage: str | None = "pretrain"
) -> pd.DataFrame:
    """Return one row per trial of a stage, orphaned ones last; predictions are of the run that ended the trial."""
    predicted = {name: run.predicted_trial_s.get(name) for run in timings for name in run.trials}
    of_stage = [record for record in records if stage is None or record.spec.stage == stage]
    rows = ({**_trial(record), "wall_predicted_s": predicted.get(record.folder.id)} for record in of_stage)
    return _frame(rows, TRIALS)


def _trial(record: TrialRecord) -> Row:
    last = record.points[-1] if record.points else None
    return {
        **_identity(record),
        "state": "orphaned" if record.orphaned else record.state.state.value,
        "reason": "no longer in the sweep's spec" if record.orphaned else record.state.reason,
        "attempts": record.state.attempts,
        **_params(record),
        "horizons": " ".join(str(h) for h in record.spec.horizons),
        "loss_nats": None if last is None else last.loss_nats,
        "bpb": None if last is None else last.bpb,
        **_rates(record),
        "memory_predicted_bytes": _memory_predicted_bytes(record),
        **({} if record.end is None else _end(record.end)),
    }


def _rates(record: TrialRecord) -> Row:
    """Return the learning rates; a command's are among its values, under names of its own."""
    if isinstance(record.spec, CommandTrialSpec):
        return {}
    rates = record.spec.train.lr
    return {"lr_hidden": rates.hidden, "lr_embedding": rates.embedding}


def _memory_predicted_bytes(record: TrialRecord) -> float | None:
    """Return what was predicted, or before the end what is; nothing is predicted of a command."""
    spec = record.spec
    if record.end is not None:
        return sum(record.end.memory_predicted_bytes.values()) or None
    if isinstance(spec, CommandTrialSpec):
        return None
    family = get_family(spec.family)
    config = family.build_config(spec.model, spec.data.vocab_size, spec.data.context)
    return sum(family.memory_bytes(config, recipe_of(spec.train)).values())


def _end(end: EndRecord) -> Row:
    phases = ("start", "compile", "train", "data_wait", "evaluate", "replay", "samples", "save")
    return {
        "tokens": end.tokens,
        "tokens_per_s": end.steady.tokens_per_s,
        "tokens_per_s_reason": end.steady.reason,
        "steady_s": end.steady.seconds,
        "mfu": end.utilisation.mfu,
        "mfu_reason": end.utilisation.reason,
        "mfu_measured": end.utilisation.mfu_measured,
        "mfu_measured_reason": end.utilisation.reason_measured,
        "memory_host_bytes": end.memory_peak_bytes.get("host_rss"),
        "memory_host_before_bytes": end.memory_peak_bytes.get("host_rss_before"),
        "memory_device_bytes": end.memory_peak_bytes.get("device"),
        **_energy("gpu", end.energy_gpu_j),
        **_energy("cpu", end.energy_cpu_j),
        **_energy("ram", end.energy_ram_j),
        "micro_batches": end.micro_batches,
        "power_idle_w": end.power_idle_w.value,
        **_steady_energy(end.energy_steady),
        "wall_s": end.seconds.get("total"),
        **{f"seconds_{name}": end.seconds.get(name) for name in phases},
        "data_wait_share": _share(end.seconds.get("data_wait"), end.seconds.get("train")),
        "device": end.environment.get("device"),
    }


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _steady_energy(steady: SteadyEnergy | None) -> Row:
    if steady is None:
        return {}
    return {
        "energy_per_token_j": steady.energy_per_token_j.value,
        "energy_per_token_provenance": steady.energy_per_token_j.provenance.value,
        "energy_notes": "; ".join(steady.notes) or None,
    }


def _energy(part: str, reading: Reading) -> Row:
    return {
        f"energy_{part}_j": reading.value,
        f"energy_{part}_provenance": reading.provenance.value,
        f"energy_{part}_reason": reading.reason,
    }


def attempts(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row per attempt that its supervisor booked; one killed together with it booked nothing."""
    return _frame((row for record in records for row in _attempts(record)), ATTEMPTS)


def _attempts(record: TrialRecord) -> Iterable[Row]:
    for number in record.folder.attempts():
        try:
            booked = read_json(record.folder.attempt(number).exit_path)
        except (FileNotFoundError, BadRecord):
            continue
        energy = booked.get("energy_gpu_j") or {}
        yield {
            "trial": record.folder.id,
            "attempt": number,
            "exit_code": booked.get("exit_code"),
            "seconds": booked.get("seconds"),
            "gpus": booked.get("gpus", 0),
            "energy_gpu_j": energy.get("value"),
        }


def curves(records: Sequence[TrialRecord], stage: str | None = "pretrain") -> pd.DataFrame:
    """Return one row per logged step of the planned trials of a stage."""
    return _frame((row for record in _planned(records, stage) for row in _curve(record)), CURVES)


def _curve(record: TrialRecord) -> Iterable[Row]:
    per_token = _flops_per_token(record)
    copied = ("step", "tokens", "loss_nats", "lr_scale", "grad_norm", "train_s")
    for line in record.curve:
        row = {name: line.get(name) for name in copied}
        yield {"trial": record.folder.id, **row, "flops_train": per_token * float(line.get("tokens", 0))}


def _flops_per_token(record: TrialRecord) -> float:
    spec = record.spec
    if isinstance(spec, CommandTrialSpec):
        return spec.flops_per_token
    family = get_family(spec.family)
    return family.flops_per_token(family.build_config(spec.model, spec.data.vocab_size, spec.data.context)).train


def samples(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row per generated text of the planned trials, of any stage but what others stand on: it is no size."""
    return _frame(
        (
            {
                "trial": record.folder.id,
                "label": record.spec.label,
                "params_total": record.params.total,
                "prompt": sample.prompt,
                "text": sample.text,
                "picture": sample.picture,
            }
            for record in _planned(records, stage=None)
            if record.spec.stage != "before" and record.end is not None
            for sample in record.end.samples
        ),
        SAMPLES,
    )
