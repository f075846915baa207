"""The tables at the end of the report: trials, what was left out, provenance, environment, fits, seconds."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from scaling.laws.analysis import Dropped, Fit
from scaling.report.figures.laws import pretty
from scaling.report.material import Material
from scaling.report.panel import Column, Table
from scaling.units import format_duration, format_energy, format_interval, format_si

_FIT_SCALARS = (
    "form", "n_points", "n_trials", "residual_rms", "objective", "objective_value", "gradient_norm", "converged",
    "starts", "starts_agreed", "interval_method",
)  # fmt: skip
_HOST = {"energy_cpu_j": "CPU energy", "energy_ram_j": "RAM energy"}
PHASES: dict[str, str] = {
    "start": "starting the process, building the model, loading data",
    "train": "optimizer steps",
    "data_wait": "waiting for data",
    "evaluate": "evaluation at the horizons",
    "samples": "generating samples",
    "save": "writing checkpoints and weights",
}


def trials(material: Material) -> Table:
    """Return one row per trial: what it was, how it ended, what it cost."""
    columns = (
        Column("label", "Trial"),
        Column("trial", "Id"),
        Column("family", "Family"),
        Column("seed", "Seed"),
        Column("state", "State"),
        Column("attempts", "Attempts", "whole"),
        Column("params_total", "Parameters", "count"),
        Column("params_non_embedding", "Non-embedding", "count"),
        Column("tokens", "Tokens", "count"),
        Column("loss_nats", "Loss (nats)", "loss"),
        Column("bpb", "Bits per byte", "loss"),
        Column("tokens_per_s", "Throughput", "per_s"),
        Column("mfu", "MFU", "percent"),
        Column("energy_gpu_j", "GPU energy", "energy"),
        Column("wall_s", "Wall time", "seconds"),
        Column("lr_hidden", "LR hidden", "learning_rate"),
        Column("lr_embedding", "LR embedding", "learning_rate"),
        Column("device", "Device"),
    )
    frame = material.trials.sort_values(["params_total", "label", "trial"])
    return Table.of("trials", "Trials", columns, frame, empty="The sweep has no trials.")


def failures(material: Material) -> Table:
    """Return trials that did not end as planned, each with its reason."""
    columns = (
        Column("label", "Trial"),
        Column("trial", "Id"),
        Column("state", "State"),
        Column("reason", "Reason"),
        Column("attempts", "Attempts", "whole"),
        Column("tokens", "Tokens reached", "count"),
    )
    bad = material.trials[material.trials["state"].isin(["failed", "diverged", "interrupted", "orphaned"])]
    return Table.of(
        "failures", "Failed, diverged, interrupted and orphaned trials", columns, bad.sort_values(["label", "trial"]),
        empty="No trial failed, diverged or was interrupted.",
    )  # fmt: skip


def exclusions(material: Material) -> Table:
    """Return points that were measured but left out of fits, with the rule that did it and the fits it concerns."""
    labels = dict(zip(material.trials["trial"], material.trials["label"], strict=True))
    columns = (
        Column("label", "Trial"),
        Column("params", "Parameters", "count"),
        Column("tokens", "Tokens", "count"),
        Column("loss", "Loss (nats)", "loss"),
        Column("reason", "Left out because"),
        Column("fits", "Of"),
    )
    fits: dict[Dropped, list[str]] = {}
    for name, fit in material.analysis.fits.items():
        for dropped in fit.dropped:
            fits.setdefault(dropped, []).append(name)
    rows = [
        {
            "label": labels.get(point.trial, point.trial),
            "params": point.params,
            "tokens": point.tokens,
            "loss": point.loss,
            "reason": point.reason,
            "fits": "all fits" if len(names) == len(material.analysis.fits) else ", ".join(names),
        }
        for point, names in fits.items()
    ]
    return Table.of("exclusions", "Points left out of fits", columns, rows, empty="No point was left out of any fit.")


def provenance(material: Material) -> Table:
    """Return where every energy and throughput figure comes from: measured, modelled or missing, and why."""
    columns = (
        Column("quantity", "Quantity"),
        Column("kind", "Kind"),
        Column("provenance", "How"),
        Column("trials", "Trials", "whole"),
        Column("total", "Total or range"),
        Column("reason", "Note"),
    )
    rows = [
        row
        for name, label in (("gpu", "GPU"), ("cpu", "CPU"), ("ram", "RAM"))
        for row in _energy_rows(material.trials, name, label)
    ]
    rows += [
        r
        for n, label in (("tokens_per_s", "Throughput"), ("mfu", "MFU"))
        for r in _rate_rows(material.trials, n, label)
    ]
    return Table.of("provenance", "Provenance of energy and throughput", columns, rows + _host_rows(material.host))


def _kind(how: str) -> str:
    return "missing" if how == "unavailable" else "modelled" if how.startswith("modelled") else "measured"


def _energy_rows(frame: pd.DataFrame, name: str, label: str) -> Iterable[dict[str, Any]]:
    how, why, joules = f"energy_{name}_provenance", f"energy_{name}_reason", f"energy_{name}_j"
    ended = frame[frame[how].notna()].fillna({why: ""})
    for (provenance_, reason), part in ended.groupby([how, why], sort=True):
        missing = str(provenance_) == "unavailable"
        yield {
            "quantity": f"{label} energy of the trials",
            "kind": _kind(str(provenance_)),
            "provenance": str(provenance_).replace("_", " "),
            "trials": len(part),
            "total": None if missing else format_energy(float(part[joules].sum())),
            "reason": reason or None,
        }


def _rate_rows(frame: pd.DataFrame, name: str, label: str) -> Iterable[dict[str, Any]]:
    ended = frame[frame["state"].isin(["done", "diverged"])]
    known = ended[ended[name].notna()]
    if len(known):
        low, high = float(known[name].min()), float(known[name].max())
        text = (
            f"{100 * low:.3g} % to {100 * high:.3g} %"
            if name == "mfu"
            else f"{format_si(low)} to {format_si(high)} tok/s"
        )
        how = "own FLOPs and clock over the peak" if name == "mfu" else "own clock, steady window"
        yield {"quantity": label, "kind": "measured", "provenance": how, "trials": len(known), "total": text}
    for reason, part in (
        ended[ended[name].isna()].fillna({f"{name}_reason": "no reason recorded"}).groupby(f"{name}_reason")
    ):
        yield {"quantity": label, "kind": "missing", "provenance": "unavailable", "trials": len(part), "reason": reason}


def _host_rows(host: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    readings = {
        name: reading
        for name, reading in (host or {}).items()
        if isinstance(reading, Mapping) and "provenance" in reading
    }
    return [
        {
            "quantity": f"{_HOST.get(name, name)} of the whole machine, all runs",
            "kind": _kind(str(reading["provenance"])),
            "provenance": str(reading["provenance"]).replace("_", " "),
            "total": None if reading["value"] is None else format_energy(float(reading["value"])),
            "reason": reading.get("reason"),
        }
        for name, reading in sorted(readings.items())
    ]


def environment(material: Material) -> Table:
    """Return the environments, flattened to dotted keys, one column each."""
    flat = [dict(_flatten(e)) for e in material.environments]
    keys = sorted({k for e in flat for k in e})
    columns = (
        Column("key", "What"),
        *(Column(f"e{i}", f"Environment {i + 1}" if len(flat) > 1 else "Value") for i in range(len(flat))),
    )
    rows = [{"key": k, **{f"e{i}": e.get(k) for i, e in enumerate(flat)}} for k in keys]
    return Table.of("environment", "Environment", columns, rows, empty="No trial has recorded its environment yet.")


def _flatten(value: object, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key in value:
            yield from _flatten(value[key], f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(v) for v in value)
    else:
        yield prefix, "missing" if value is None else str(value)


def fits(material: Material) -> Table:
    """Return the fits side by side for reading, and in long form with full precision for the CSV."""
    found = material.analysis.fits
    long = (
        Column("fit", "Law"),
        Column("quantity", "Quantity"),
        Column("value", "Value"),
        Column("low", "2.5 %", "number"),
        Column("high", "97.5 %", "number"),
    )
    rows = [{"fit": name, **row} for name, fit in found.items() for row in _fit_long(fit)]
    columns = (Column("quantity", ""), *(Column(name, name) for name in found))
    shown = {name: _fit_words(material, fit) for name, fit in found.items()}
    quantities = dict.fromkeys(q for words in shown.values() for q in words)
    side = [{"quantity": q, **{name: words.get(q) for name, words in shown.items()}} for q in quantities]
    summary = Table.of("fits", "Fits", columns, side)
    return Table.of("fits", "Fits", long, rows, summary=summary, empty="No law was fitted.")


def _fit_long(fit: Fit) -> Iterable[dict[str, Any]]:
    for name, interval in fit.params.items():
        yield {"quantity": name, "value": interval.value, "low": interval.low, "high": interval.high}
    for name in _FIT_SCALARS:
        yield {"quantity": name, "value": getattr(fit, name)}
    for name, text in sorted(fit.conventions.items()):
        yield {"quantity": f"convention_{name}", "value": text}


def _fit_words(material: Material, fit: Fit) -> dict[str, str]:
    held = material.analysis.heldout if fit.name == "L(N,D)" else None
    return {
        "Form": pretty(fit.form),
        **{pretty(k): format_interval(v.value, v.low, v.high) for k, v in fit.params.items()},
        "Points": f"{fit.n_points} of {fit.n_trials} trials",
        "Residual rms": f"{100 * fit.residual_rms:.3g} %",
        **(
            {}
            if held is None
            else {"Held-out error": f"{100 * held.mean_abs_error:.2g} % mean, {100 * held.max_abs_error:.2g} % at most"}
        ),
        "Objective": f"{fit.objective} = {fit.objective_value:.6g}",
        "Gradient norm": f"{fit.gradient_norm:.2g} ({'converged' if fit.converged else 'not converged'})",
        "Starts agreeing": f"{fit.starts_agreed} of {fit.starts}",
        "Intervals by": fit.interval_method,
        **{f"Convention: {name.replace('_', ' ')}": text for name, text in sorted(fit.conventions.items())},
        **({"Warnings": " ".join(fit.warnings)} if fit.warnings else {}),
    }


def rules(material: Material) -> Table:
    """Return how each grade is decided: the test, the threshold, the least points."""
    keys = list(dict.fromkeys(k for rule in material.rules for k in rule))
    columns = tuple(Column(k, k.replace("_", " ").capitalize()) for k in keys)
    return Table.of("rules", "How each grade is decided", columns, material.rules, empty="No finding has a rule yet.")


def seconds(material: Material) -> Table:
    """Return where the slot-seconds of all trials went, by phase."""
    columns = (
        Column("phase", "Phase"),
        Column("what", "What happens in it"),
        Column("seconds", "Slot time", "seconds"),
        Column("share", "Share", "percent"),
    )
    frame = material.trials
    spent = {p: float(frame[f"seconds_{p}"].sum()) for p in PHASES if f"seconds_{p}" in frame}
    total = float(frame["wall_s"].sum()) if "wall_s" in frame else 0.0
    rest = total - sum(spent.values())
    rows = [
        {"phase": p.replace("_", " "), "what": PHASES[p], "seconds": s, "share": s / total if total else None}
        for p, s in spent.items()
    ]
    if total:
        rows.append({"phase": "other", "what": "between the phases above", "seconds": rest, "share": rest / total})
    caption = f"Where {format_duration(total)} of slot time went"
    return Table.of("seconds", caption, columns, rows if total else [], empty="No trial has finished yet.")


def wall_time(material: Material) -> Table | None:
    """Return predicted against actual wall time; ``None`` when nothing was predicted."""
    frame = material.trials
    if "wall_predicted_s" not in frame or frame["wall_predicted_s"].isna().all():
        return None
    columns = (
        Column("label", "Trial"),
        Column("wall_predicted_s", "Predicted", "seconds"),
        Column("wall_s", "Actual", "seconds"),
        Column("ratio", "Actual over predicted", "number"),
    )
    both = frame[frame["wall_predicted_s"].notna() & frame["wall_s"].notna()].sort_values(["params_total", "label"])
    return Table.of(
        "walltime",
        "Wall time, predicted and actual",
        columns,
        both.assign(ratio=both["wall_s"] / both["wall_predicted_s"]),
    )


def everything(material: Material) -> list[Table]:
    """Return all tables of the last section, in order."""
    tables = [
        rules(material), fits(material), trials(material), failures(material), exclusions(material),
        provenance(material), seconds(material), wall_time(material), environment(material),
    ]  # fmt: skip
    return [t for t in tables if t is not None]
