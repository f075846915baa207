"""Speed from one logged step to the next, and how far it spreads over the steps of a trial."""

import pandas as pd

MIN_STEPS = 10  # logged intervals below which a tenth of them says nothing
_WARM_UP = 0.1  # share of the logged steps left out at the beginning: they compile and warm up


def with_speed(curves: pd.DataFrame) -> pd.DataFrame:
    """Return logged steps in order with ``tokens_per_s`` since the one before, missing for the first of a trial.

    Args:
        curves: one row per logged step: trial, step, tokens, train_s.
    """
    ordered = curves.sort_values(["trial", "step"], ignore_index=True)
    by_trial = ordered.assign(t=ordered["train_s"].astype(float), d=ordered["tokens"].astype(float)).groupby("trial")
    seconds = by_trial["t"].diff()
    return ordered.assign(tokens_per_s=by_trial["d"].diff() / seconds.where(seconds > 0))


def spreads(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the slowest and the fastest tenth of the speeds of each trial: columns low and high, by trial.

    Trials with fewer than ten intervals after their first tenth are left out.
    """
    timed = with_speed(curves)
    place = timed.groupby("trial").cumcount()
    count = timed.groupby("trial")["step"].transform("size")
    kept = timed[(place >= _WARM_UP * count) & timed["tokens_per_s"].notna()]
    speeds = kept.groupby("trial")["tokens_per_s"]
    enough = speeds.size() >= MIN_STEPS
    found = pd.DataFrame({"low": speeds.quantile(0.1), "high": speeds.quantile(0.9)})
    return found[enough.reindex(found.index, fill_value=False)]
