"""Is there a floor? E = 0 is fitted as a model of its own and compared, out of sample first.

A free floor always fits at least as well, and where the data stop far above it, extrapolations hang on it. The error
model is stated: normal, one scale, on the log loss; the effective sample is the trials, as points of one trunk are
correlated (AICc: Hurvich & Tsai 1989).
"""

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws.analysis import FloorTest
from scaling.laws.estimate import Problem, solve
from scaling.laws.fit import Sample, fit_sample
from scaling.laws.forms import SURFACE, PowerLaw, loss_at
from scaling.laws.objectives import objective
from scaling.laws.profile import Profile
from scaling.laws.surface import surface_sample

_HELD_SHARE = 0.2  # of the trials: those of the largest compute
_HELD_MARGIN = 1.5  # ratio of held-out errors that decides
_AICC_MARGIN = 4.0  # difference that decides (Burnham & Anderson 2002: "considerably less support")


def compare_floor(used: pd.DataFrame) -> FloorTest:
    """Compare L(N,D) with and without a floor.

    Args:
        used: the fitted points of a sweep, as ``selection`` gives them.

    Returns:
        The comparison; parts that the data do not allow are ``None``.
    """
    sample = surface_sample(used)
    laws = (SURFACE, SURFACE.without_floor())
    held = [_heldout_error(used, law) for law in laws]
    scores = [_aicc(sample, law) for law in laws]
    favours, why = _judge(held[0], held[1], scores[0], scores[1])
    return FloorTest(
        heldout_with=held[0],
        heldout_without=held[1],
        aicc_with=scores[0],
        aicc_without=scores[1],
        p_no_floor=_p_no_floor(sample),
        favours=favours,
        why=why,
    )


def _heldout_error(used: pd.DataFrame, law: PowerLaw) -> float | None:
    compute = used.groupby("trial")["flops_train"].max().sort_values(kind="stable")
    held_trials = compute.index[-max(1, round(_HELD_SHARE * len(compute))) :]
    held = used["trial"].isin(held_trials)
    try:
        fit = fit_sample(law, surface_sample(used[~held]), resamples=0)
    except NotEnoughData:
        return None
    n, d, seen = (used.loc[held, c].to_numpy(dtype=float) for c in ("params", "tokens", "loss_nats"))
    predicted = loss_at({name: p.value for name, p in fit.params.items()}, law, N=n, D=d)
    return float(np.abs(predicted / seen - 1).mean())


def _aicc(sample: Sample, law: PowerLaw) -> float | None:
    trials, k = len(np.unique(sample.trials)), law.freedom + 1  # the scale is a parameter too
    if trials <= k + 1:
        return None
    optimum = solve(Problem.of(law, sample.variables, sample.losses, objective("ls_log")), sample.weights)
    variance = optimum.value / len(sample.losses)
    if variance < 1e-20:
        return None
    return trials * float(np.log(variance)) + 2 * k + 2 * k * (k + 1) / (trials - k - 1)


def _p_no_floor(sample: Sample) -> float | None:
    try:
        return Profile(sample).no_floor()
    except NotEnoughData:
        return None


def _judge(
    held_with: float | None, held_without: float | None, aicc_with: float | None, aicc_without: float | None
) -> tuple[str, str]:
    if held_with is not None and held_without is not None:
        said = f"held-out error {100 * held_with:.2f} % with E, {100 * held_without:.2f} % with E = 0"
        if held_without > _HELD_MARGIN * held_with:
            return "floor", said
        if held_with > _HELD_MARGIN * held_without:
            return "no floor", said
    else:
        said = "too few trials to hold the largest out"
    if aicc_with is None or aicc_without is None:
        return "undecided", f"{said}; too few trials for AICc"
    gap = aicc_without - aicc_with
    said += f"; AICc of E = 0 {'higher' if gap >= 0 else 'lower'} by {abs(gap):.1f}"
    if abs(gap) < _AICC_MARGIN:
        return "undecided", said
    return ("floor" if gap > 0 else "no floor"), said
