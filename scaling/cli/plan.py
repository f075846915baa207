"""``scaling plan``: what a sweep would run and cost, before anything runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.cli.planning import Resolved
    from scaling.cli.timing import Expected
    from scaling.cost.forecast import Forecast
    from scaling.spec import PlannedTrial
    from scaling.spec.schema import DataIdentity

FORMAT = 1  # version of the JSON document
_SHOWN = 200  # rows of the table; --json has all


def command(
    sweep: Annotated[
        str,
        typer.Argument(metavar="SPEC", help="A sweep file, a study of several, or a shipped one such as quickstart."),
    ] = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one value of the file.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--executor", metavar="KIND", help="local, slurm, ray or debug, instead of the file's.")
    ] = "",
    lr_check: Annotated[
        bool, typer.Option("--lr-check", help="Add half and twice the learning rate at the smallest and largest size.")
    ] = False,
    cluster: Annotated[
        str, typer.Option(metavar="NxCARD", help="Also simulate the sweep on a cluster that is not there: 64xH100.")
    ] = "",
    failures: Annotated[
        float | None, typer.Option(metavar="RATE", help="With --cluster: failures per GPU-hour. Default: as published.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of the sweep file, for editors.")
    ] = False,
    design: Annotated[
        bool, typer.Option("--design", help="Propose the ladder that learns most for --budget; needs no SPEC.")
    ] = False,
    budget: Annotated[str, typer.Option(metavar="FLOPS", help="With --design: training FLOPs to spend.")] = "",
    target: Annotated[str, typer.Option(metavar="FLOPS", help="With --design: compute to predict the loss at.")] = "",
    noise: Annotated[
        float, typer.Option(help="With --design: spread of the loss between seeds, as a share of it.")
    ] = 0.003,
) -> None:
    """List every trial of a sweep with its size, tokens, compute and memory; writes nothing in a store.

    Example:  scaling plan quickstart --set data.path=my.txt

    Example:  scaling plan gpu --cluster 64xH100

    Example:  scaling plan --design --budget 1e17 --target 1e19
    """
    from scaling.cli.output import print_json
    from scaling.cli.run import settings
    from scaling.errors import UsageError

    if schema:
        print_json(sweep_schema())
    elif design:
        _print_design(budget, target, noise, as_json)
    elif sweep:
        _print_plan(sweep, [*(sets or []), *settings(engine, lr_check)], cluster, failures, as_json)
    else:
        raise UsageError("plan.no_sweep", "which sweep? SPEC is missing", hint="try: scaling plan quickstart")


def _print_plan(sweep: str, sets: list[str], cluster: str, failures: float | None, as_json: bool) -> None:
    """Print the plan of a sweep, or of every sweep of a study in turn."""
    from scaling.cli.output import print_json, print_text
    from scaling.spec.study import load_study

    study = load_study(sweep, sets)
    plans = []
    for name, file in {sweep: sweep}.items() if study is None else study.sweeps.items():
        if study is not None and not as_json:
            print_text(f"== {name}")
        plans.append(_plan(file, sets, cluster, failures, as_json))
    if as_json:
        about = {} if study is None else {"format": FORMAT, "name": study.spec.name, "title": study.spec.title}
        print_json({**about, "sweeps": plans} if study is not None else plans[0])


def _plan(sweep: str, sets: list[str], cluster: str, failures: float | None, as_json: bool) -> dict[str, Any]:
    """Return the plan of one sweep as a document, printed for people where no JSON is asked for."""
    from scaling.cli import foreign
    from scaling.cli.calibration import planned_slots
    from scaling.cli.cluster import lines
    from scaling.cli.output import print_text
    from scaling.cli.planning import resolve_any
    from scaling.cli.timing import expect
    from scaling.executor.grouping import left_alone
    from scaling.executor.open import batch_script, check
    from scaling.spec.advice import design_warnings

    resolved = resolve_any(sweep, sets)
    if isinstance(resolved, foreign.CommandSweep):
        if not as_json:
            foreign.show(resolved)
        return foreign.document(resolved)
    specs, executor = [trial.spec for trial in resolved.trials], resolved.spec.executor
    expected = expect(resolved.trials, executor, planned_slots(executor), calibrate=False)
    asides = (check(executor, specs), left_alone(specs, executor))
    warnings = [*design_warnings(resolved.spec, resolved.trials), *filter(None, asides)]
    script = batch_script(resolved.spec, len(resolved.trials))
    simulated = _simulated(resolved, cluster, failures)
    told = {**document(resolved, expected, warnings), "batch_script": script, "simulated": simulated}
    if as_json:
        return told
    _print(resolved, expected, warnings)
    if simulated is not None:
        print_text("\n".join(lines(simulated)))
    if script is not None:
        print_text(f"\nbatch script:\n{script}")
    return told


def _simulated(resolved: "Resolved", cluster: str, failures: float | None) -> dict[str, Any] | None:
    from scaling.cli import cluster as simulation

    if not cluster:
        return None
    return simulation.document(resolved.trials, cluster, resolved.spec.executor.gpus_per_trial, failures)


def _print_design(budget: str, target: str, noise: float, as_json: bool) -> None:
    import sys

    from scaling.cli import proposal
    from scaling.cli.output import print_json, say

    found = proposal.find(budget, target, noise)
    if as_json:
        print_json(proposal.document(found, noise))
        return
    sys.stdout.write("\n".join([*proposal.lines(found, noise), found.yaml]))
    for warning in found.precision.warnings:
        say(f"warning: {warning}")


def sweep_schema() -> dict[str, Any]:
    """Return the JSON Schema of the sweep file, the keys of the model families included."""
    from scaling.families import FAMILIES
    from scaling.spec.schema import SweepSpec

    schema = SweepSpec.model_json_schema(by_alias=True)
    model = schema["properties"]["model"]
    fields = {key: {"description": text} for family in FAMILIES.values() for key, text in family.fields.items()}
    model["properties"] = {"family": {"enum": list(FAMILIES)}, **fields}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A sweep of scaling"}


def document(resolved: "Resolved", expected: "Expected", warnings: Sequence[str]) -> dict[str, object]:
    """Return the plan as one JSON document; figures that are unknown are null with their reason beside them."""
    from scaling.cost.forecast import total

    trials = [_trial_json(t, expected.forecasts[t.id]) for t in resolved.trials]
    totals = {
        "trials": len(trials),
        "points": sum(len(t.spec.horizons) for t in resolved.trials),
        "tokens": sum(t.tokens for t in resolved.trials),
        "flops_train": sum(t.flops_total for t in resolved.trials),
        **_forecast_json(total(expected.forecasts.values())),
        "slots": expected.slots,
        "predicted_wall_s": expected.train_s,
        "calibrated": None if expected.calibration is None else expected.calibration.measured,
    }
    return {
        "format": FORMAT,
        "name": resolved.spec.name,
        "source": resolved.source,
        "spec": resolved.spec.model_dump(mode="json", by_alias=True),
        "origins": dict(resolved.origins),
        "data": {**resolved.identity.model_dump(mode="json"), "location": dict(resolved.location)},
        "trials": trials,
        "totals": totals,
        "warnings": list(warnings),
    }


def _trial_json(trial: "PlannedTrial", predicted: "Forecast") -> dict[str, object]:
    flops = trial.flops_per_token
    return {
        "id": trial.id,
        "sha256": trial.sha256,
        "label": trial.spec.label,
        "stage": trial.spec.stage,
        "tune": None if trial.spec.tune is None else trial.spec.tune.model_dump(mode="json"),
        "seed": trial.spec.seed,
        "model": {"family": trial.spec.family, **trial.spec.model},
        "train": trial.spec.train.model_dump(mode="json"),
        "params_total": trial.params.total,
        "params_active": trial.params.active,
        "params_non_embedding": trial.params.non_embedding,
        "params_matmul": trial.params.matmul,
        "param_groups": dict(trial.params.groups),
        "horizons_tokens": list(trial.spec.horizons),
        "tokens": trial.tokens,
        "tokens_per_param": trial.tokens / trial.params.total,
        "steps": trial.steps,
        "epochs": trial.epochs,
        "flops_train": trial.flops_total,
        "flops_train_full_attention": flops.train_full_attention * trial.tokens,
        "flops_6nd": flops.rough_6n * trial.tokens,
        "memory_bytes": dict(trial.memory_bytes),
        "memory_total_bytes": sum(trial.memory_bytes.values()),
        **_forecast_json(predicted),
        "notes": list(trial.notes),
    }


def _forecast_json(predicted: "Forecast") -> dict[str, object]:
    return {
        "predicted_s": predicted.seconds,
        "predicted_train_s": predicted.train_s,
        "predicted_s_reason": predicted.seconds_reason,
        "predicted_energy_j": predicted.energy_j,
        "predicted_energy_j_reason": predicted.energy_reason,
    }


def _print(resolved: "Resolved", expected: "Expected", warnings: Sequence[str]) -> None:
    from scaling.cli.output import say, stdout

    console = stdout()
    forecasts = [expected.forecasts[trial.id] for trial in resolved.trials]
    rows = table(resolved.trials, forecasts)
    console.width = max(console.width, _full_width(rows))
    console.print(rows)
    for line in summary(resolved, expected):
        console.print(line, markup=False, soft_wrap=True)
    if len(resolved.trials) > _SHOWN:
        say(f"showing {_SHOWN} of {len(resolved.trials):,} trials; --json lists all")
    for note in dict.fromkeys(note for trial in resolved.trials for note in trial.notes if "rounded" not in note):
        say(f"note: {note}")
    for warning in warnings:
        say(f"warning: {warning}")
    if expected.calibration is None:
        say("hint: minutes need a calibration of this machine: `scaling doctor --calibrate`, about 15 s, kept;")
        say("      a longer sweep's `scaling run` makes it by itself")


def table(trials: "Sequence[PlannedTrial]", forecasts: "Sequence[Forecast]") -> "Table":
    """Return the table of trials, in the order they will run."""
    from rich.table import Table

    unknown = {predicted.seconds_reason for predicted in forecasts}
    one_reason = unknown == {predicted.energy_reason for predicted in forecasts} and len(unknown) == 1
    last = ("time, energy",) if one_reason and None not in unknown else ("time", "energy")
    result = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    result.add_column("trial", no_wrap=True)
    parted = any((t.params.active or t.params.total) < t.params.total for t in trials)  # a mixture of experts
    sizes = ("N", "N active") if parted else ("N",)
    for name in (*sizes, "D", "C", "D/N", "points", "steps", "LR", "memory", *last):
        result.add_column(name, justify="right", no_wrap=True)
    for trial, predicted in list(zip(trials, forecasts, strict=True))[:_SHOWN]:
        result.add_row(*_cells(trial, parted), *_time_and_energy(predicted)[: len(last)])
    return result


def _full_width(rows: "Table") -> int:
    """Return the width at which nothing is cut: figures are never shortened, a narrow terminal wraps."""
    from rich.console import Console
    from rich.measure import Measurement

    wide = Console(width=1000)
    return Measurement.get(wide, wide.options, rows).maximum


def _cells(trial: "PlannedTrial", parted: bool) -> list[str]:
    from scaling.units import format_bytes, format_flops, format_si

    rates = trial.spec.train.lr
    return [
        trial.spec.label,
        format_si(float(trial.params.total)),
        *([format_si(float(trial.params.active or trial.params.total))] if parted else []),
        format_si(float(trial.tokens)),
        format_flops(trial.flops_total).removesuffix(" FLOPs"),
        f"{trial.tokens / trial.params.total:.3g}",
        str(len(trial.spec.horizons)),
        f"{trial.steps:,}",
        f"{rates.hidden:g}/{rates.embedding:g}",
        format_bytes(sum(trial.memory_bytes.values())),
    ]


def _time_and_energy(predicted: "Forecast") -> tuple[str, str]:
    from scaling.cost.forecast import UNCALIBRATED
    from scaling.units import format_duration, format_energy

    unknown = UNCALIBRATED if predicted.energy_reason == UNCALIBRATED else "not measured"
    return (
        predicted.seconds_reason or format_duration(predicted.seconds),
        unknown if predicted.energy_j is None else format_energy(predicted.energy_j),
    )


def _entropy(identity: "DataIdentity") -> str:
    known = identity.entropy_nats
    if known is None:
        return ""
    if identity.entropy_se_nats is None:
        return f", exact entropy {known:.4g} {identity.entropy_unit}"
    return f", best possible loss {known:.4g} ± {identity.entropy_se_nats:.2g} {identity.entropy_unit}"


def _by_stage(trials: "Sequence[PlannedTrial]") -> str:
    """Return how many trials each stage has, where there is more than pre-training."""
    stages = [trial.spec.stage for trial in trials]
    counts = ", ".join(f"{stages.count(stage)} {stage}" for stage in dict.fromkeys(stages))
    return f" ({counts})" if len(set(stages)) > 1 else ""


def summary(resolved: "Resolved", expected: "Expected") -> list[str]:
    """Return the totals as lines for people."""
    from scaling.cost.forecast import total
    from scaling.units import format_bytes, format_duration, format_flops, format_si

    trials, identity = resolved.trials, resolved.identity
    flops = sum(trial.flops_total for trial in trials)
    points = sum(len(trial.spec.horizons) for trial in trials)
    time, energy = _time_and_energy(total(expected.forecasts.values()))
    if expected.train_s is not None:
        time = f"{format_duration(expected.train_s)} with {expected.slots} trials at a time ({time} one after another)"
    corpus = f"{identity.source}, {format_si(float(identity.train_tokens))} training tokens"
    return [
        "",
        f"{resolved.spec.name}: {len(trials):,} trials{_by_stage(trials)}, {points:,} points, {format_flops(flops)}, "
        f"largest memory {format_bytes(max(sum(t.memory_bytes.values()) for t in trials))}",
        f"time {time}, energy {energy}",
        f"corpus: {corpus}, {format_si(float(identity.validation_tokens))} validation tokens, "
        f"vocabulary {identity.vocab_size:,}" + _entropy(identity),
        f"LR: hidden/embedding; N: all parameters; C: training FLOPs{_halved(trials)}; horizons rounded to whole steps",
    ]


def _halved(trials: "Sequence[PlannedTrial]") -> str:
    causal = any(trial.flops_per_token.causal for trial in trials)
    return ", causal attention counted as half" if causal else ""
