"""Trials, those that did not end as planned, points left out, and where the time of the slots went."""

from scaling.laws.analysis import Dropped
from scaling.report.material import Material
from scaling.report.panel import Column, Table
from scaling.units import format_duration

PHASES: dict[str, str] = {
    "start": "starting the process, building the model, loading data",
    "train": "optimizer steps",
    "data_wait": "waiting for data between them",
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
        Column("data_wait_share", "Waiting for data", "percent"),
        Column("lr_hidden", "LR hidden", "learning_rate"),
        Column("lr_embedding", "LR embedding", "learning_rate"),
        Column("device", "Device"),
    )
    frame = material.trials.sort_values(["params_total", "label", "trial"])
    return Table.of("trials", "Trials", columns, frame, empty="The sweep has no trials.", filterable=True)


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
    if "train" in spent:
        spent["train"] -= spent.get("data_wait", 0.0)  # which the time of training steps includes
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
