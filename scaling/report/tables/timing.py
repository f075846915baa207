"""Where the time of the slots went, and how long trials took beside what was predicted."""

from collections.abc import Iterator
from typing import Any

from scaling.report.material import Material
from scaling.report.panel import Column, Table
from scaling.units import format_duration

PHASES: dict[str, str] = {
    "train": "optimizer steps",
    "start": "starting the process, building the model, loading data",
    "compile": "compiling kernels",
    "data_wait": "waiting for data",
    "evaluate": "evaluation at the horizons",
    "replay": "one step again and again, to meter its energy",
    "samples": "generating samples",
    "save": "writing checkpoints and weights",
}
_AROUND: dict[str, str] = {
    "plan": "reading the sweep and its corpus; no trial runs",
    "calibrate": "measuring this machine, once per device; no trial runs",
    "fit": "fitting the laws; no trial runs",
    "report": "writing the report; no trial runs",
}
_Row = dict[str, Any]


def seconds(material: Material) -> Table:
    """Return where the slot-seconds went: in trials by phase, and around them where the runs recorded it."""
    columns = (
        Column("phase", "Phase"),
        Column("what", "What happens in it"),
        Column("seconds", "Slot time", "seconds"),
        Column("share", "Share", "percent"),
    )
    inside = _inside(material)
    wall_s = float(material.every_trial["wall_s"].sum()) if "wall_s" in material.every_trial else 0.0
    around = list(_around(material, wall_s)) if wall_s else []
    rows = [*inside, *around] if wall_s else []
    total = sum(row["seconds"] or 0.0 for row in rows)
    for row in rows:
        row["share"] = None if row["seconds"] is None else row["seconds"] / total
    return Table.of("seconds", _caption(rows, total), columns, rows, empty="No trial has recorded its time.")


def _inside(material: Material) -> list[_Row]:
    """The phases of all trials; waiting for data is a part of the steps in the records, and stands apart here."""
    frame = material.every_trial
    spent = {p: float(frame[f"seconds_{p}"].sum()) for p in PHASES if f"seconds_{p}" in frame}
    spent["train"] = spent.get("train", 0.0) - spent.get("data_wait", 0.0)
    rest = float(frame["wall_s"].sum()) - sum(spent.values()) if "wall_s" in frame else 0.0
    rows = [{"phase": p.replace("_", " "), "what": PHASES[p], "seconds": s} for p, s in spent.items()]
    return [*rows, {"phase": "other", "what": "between the phases of a trial", "seconds": rest}]


def _around(material: Material, wall_s: float) -> Iterator[_Row]:
    """What the slots did while no trial ran in them, over all runs."""
    runs = material.timings
    if not runs:
        return
    for phase, what in _AROUND.items():
        known = [run.slots * run.phases_s[phase] for run in runs if phase in run.phases_s]
        if known or phase == "report":  # the page cannot know its own seconds; written again, it does
            yield {"phase": phase, "what": what, "seconds": sum(known) if known else None}
    training = sum(run.slots * run.phases_s.get("train", 0.0) for run in runs)
    idle = max(0.0, training - wall_s)
    yield {"phase": "idle", "what": "slots without a trial while others still ran", "seconds": idle}


def _caption(rows: list[_Row], total: float) -> str:
    steps = next((row["seconds"] for row in rows if row["phase"] == "train"), 0.0)
    share = f": {steps / total:.0%} in training steps" if total else ""
    time = f"{format_duration(total)} of slot time" if total else "the slot time"
    return f"Where {time} went, in trials and around them{share}"


def wall_time(material: Material) -> Table | None:
    """Return predicted against actual wall time; ``None`` when nothing was predicted."""
    frame = material.every_trial
    if "wall_predicted_s" not in frame or frame["wall_predicted_s"].isna().all():
        return None
    columns = (
        Column("label", "Trial"),
        Column("wall_predicted_s", "Predicted", "seconds"),
        Column("wall_s", "Actual", "seconds"),
        Column("ratio", "Actual over predicted", "number"),
    )
    both = frame[frame["wall_predicted_s"].notna() & frame["wall_s"].notna()].sort_values(["params_total", "label"])
    both = both.assign(ratio=both["wall_s"] / both["wall_predicted_s"])
    trials = [{str(k): v for k, v in row.items()} for row in both.to_dict("records")]
    rows = [*trials, *_whole_runs(material)]
    return Table.of("walltime", "Wall time, predicted and actual", columns, rows)


def _whole_runs(material: Material) -> Iterator[_Row]:
    for run in material.timings:
        actual = run.phases_s.get("train")
        if run.predicted_train_s and actual:
            yield {
                "label": f"all {len(run.trials)} trials of the run of {run.began}, {run.slots} at a time",
                "wall_predicted_s": run.predicted_train_s,
                "wall_s": actual,
                "ratio": actual / run.predicted_train_s,
            }
