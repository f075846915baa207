"""Runs logged step by step: which of their rows become points."""

import pandas as pd

STEPS = ("last", "all")
_CARRIED = ("params_total", "params_non_embedding", "params_matmul", "tokens", "flops_train", "tokens_unique", "epochs")


def choose_steps(points: pd.DataFrame, steps: str) -> tuple[pd.DataFrame, list[str]]:
    """Keep the rows of each run that are points.

    Trackers log each quantity at steps of its own, so a row with a loss takes the run's last known counts; a loss is
    never carried.

    Args:
        points: ``trial``, ``step``, ``loss_nats`` and counts, one row per logged step.
        steps: ``last`` for the last loss of each run, ``all`` for every one.

    Returns:
        The rows kept, in their first order, and notes.
    """
    if not points["trial"].duplicated().any():
        return points, []
    ordered = points.sort_values(["trial", "step"], kind="stable")
    carried = [c for c in _CARRIED if c in points]
    ordered[carried] = ordered.groupby("trial", sort=False)[carried].ffill()
    # A size logged once, at any step, holds for the whole run.
    sizes = [c for c in carried if c.startswith("params")]
    ordered[sizes] = ordered.groupby("trial", sort=False)[sizes].bfill()
    seen = ordered[ordered["loss_nats"].notna()]
    runs = seen["trial"].nunique()
    if steps == "all":
        note = (
            f"{len(seen)} logged steps of {runs} runs, all of them: most are from before the learning rate came down."
        )
        return seen.sort_index(), [note]
    kept = seen.drop_duplicates("trial", keep="last").sort_index()
    note = f"The last loss of each of {runs} runs, of {len(seen)} logged (--steps all takes every one)."
    return kept, [note]
