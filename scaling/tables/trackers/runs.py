"""What trackers have in common: settings that hold for a run, and metrics logged at steps."""

from collections.abc import Iterable, Mapping
from typing import Any

Row = dict[str, Any]


def rows_of(run: str, settings: Mapping[str, Any], logged: Iterable[tuple[int, str, float]]) -> list[Row]:
    """Return one row per logged step of a run; a metric logged twice at a step keeps its last value.

    Args:
        run: name of the run.
        settings: what holds for all of it.
        logged: (step, metric, value), in the order they were written.
    """
    by_step: dict[int, Row] = {}
    for step, metric, value in logged:
        by_step.setdefault(step, {})[metric] = value
    metrics = {name for row in by_step.values() for name in row}
    kept = {name: value for name, value in settings.items() if name not in metrics and name not in ("run", "step")}
    return [{"run": run, "step": step, **kept, **by_step[step]} for step in sorted(by_step)]
