"""Roll-outs: fit what is below a compute, predict what is above it, and see whether the intervals held.

The only evidence a sweep has about its own extrapolation. Whole trials are cut, as two horizons of one trunk share
their noise. What the intervals lacked in these roll-outs stretches the intervals beyond the data.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws.analysis import Fit, RollOut
from scaling.laws.fit import fit_sample
from scaling.laws.forms import SURFACE, Array, PowerLaw
from scaling.laws.objectives import Objective
from scaling.laws.prediction import predict_loss
from scaling.laws.surface import MIN_HORIZONS, MIN_SIZES, surface_sample

LEVEL = 0.9
_MAX_CUTS = 4
RESAMPLES = 120


def roll_out(
    used: pd.DataFrame,
    *,
    law: PowerLaw = SURFACE,
    goal: Objective | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[RollOut, ...]:
    """Refit at growing compute cuts and predict the points of all trials beyond.

    Args:
        used: the fitted points: ``trial``, ``params``, ``tokens``, ``flops_train``, ``loss_nats``.
        law: a form in N and D.
        goal: the objective; Huber by default.
        level: of the prediction intervals.
        resamples: bootstrap resamples of each refit.
        seed: of the resampling.

    Returns:
        A row per cut, smallest first.

    Raises:
        NotEnoughData: no cut leaves enough trials below it.
    """
    reach = used.groupby("trial")["flops_train"].max()
    own_reach = used["trial"].map(reach)
    rows = []
    for cut in _cuts(used, own_reach):
        below = own_reach <= cut
        try:
            fit = fit_sample(law, surface_sample(used[below]), goal=goal, resamples=resamples, seed=seed)
        except NotEnoughData:
            continue
        rows.append(_row(fit, used[below], used[~below], level))
    if not rows:
        raise NotEnoughData(
            "laws.no_cut",
            f"no compute cut leaves {MIN_SIZES} sizes and {MIN_HORIZONS} horizons below it",
            hint="add small sizes to the sweep",
        )
    return tuple(rows)


def _cuts(used: pd.DataFrame, reach: "pd.Series[float]") -> list[float]:
    """Return reaches of trials that leave a law to fit below and a trial above, at most four, evenly chosen."""
    good = []
    for cut in sorted(reach.unique())[:-1]:
        below = used[reach <= cut]
        if below["params"].nunique() >= MIN_SIZES and below["tokens"].nunique() >= MIN_HORIZONS:
            good.append(float(cut))
    chosen = np.unique(np.linspace(0, len(good) - 1, min(len(good), _MAX_CUTS)).round().astype(int))
    return [good[i] for i in chosen] if good else []


def _row(fit: Fit, below: pd.DataFrame, beyond: pd.DataFrame, level: float) -> RollOut:
    seen = beyond["loss_nats"].to_numpy(dtype=float)
    found = predict_loss(fit, beyond["params"].to_numpy(), beyond["tokens"].to_numpy(), level=level)
    value = np.array([p.value for p in found])
    low = np.array([p.value if p.low is None else p.low for p in found])
    high = np.array([p.value if p.high is None else p.high for p in found])
    needed = _needed(np.log(seen), np.log(value), np.log(low), np.log(high))
    error = np.abs(value / seen - 1)
    return RollOut(
        cut_flops=float(below["flops_train"].max()),
        extrapolation_factor=float(beyond["flops_train"].max() / below["flops_train"].max()),
        n_fitted=len(below),
        n_predicted=len(beyond),
        n_trials=below["trial"].nunique(),
        mean_abs_error=float(error.mean()),
        max_abs_error=float(error.max()),
        level=level,
        coverage=float((needed <= 1).mean()),
        stretch=float(np.quantile(needed, level)),
    )


def _needed(seen: Array, value: Array, low: Array, high: Array) -> Array:
    """Return how far each point lies from its prediction, in half-widths of its side."""
    width = np.where(seen < value, value - low, high - value)
    return np.asarray(np.abs(seen - value) / np.maximum(width, 1e-12))


def stretch_needed(rollouts: Iterable[RollOut], extrapolation_factor: float) -> float:
    """Return the factor on half-widths for a prediction this far beyond the fitted compute; never below 1.

    It is the median over the roll-outs that reached at least half as far in log compute; within the data it is 1.
    Without such a roll-out nothing calibrates the interval and the largest stretch seen is used.
    """
    rows = list(rollouts)
    if extrapolation_factor <= 1 or not rows:
        return 1.0
    far = [r.stretch for r in rows if np.log(r.extrapolation_factor) >= 0.5 * np.log(extrapolation_factor)]
    return max(1.0, float(np.median(far)) if far else max(r.stretch for r in rows))
