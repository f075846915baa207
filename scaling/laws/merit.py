"""What a law is worth: its error on the largest compute, left out of a refit, and its AICc.

The error model of AICc is stated: normal, one scale, on the log loss. Its effective sample is the trials, as points of
one trunk are correlated (Hurvich & Tsai 1989, with n = trials).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scaling.errors import NotEnoughData
from scaling.laws.estimate import Problem, solve
from scaling.laws.fit import Sample, fit_sample
from scaling.laws.forms import Array, PowerLaw, loss_at
from scaling.laws.objectives import Objective, objective

HELD_SHARE = 0.2  # of the trials, those of the largest compute; of the points where there is one trial
HELD_MARGIN = 1.5  # ratio of held-out errors that decides between two laws
AICC_MARGIN = 4.0  # difference that decides (Burnham & Anderson 2002: "considerably less support")
_PERFECT = 1e-20  # a residual variance below it is rounding, and its logarithm means nothing


def largest(sample: Sample, compute: Array) -> NDArray[np.bool_]:
    """Return which points to hold out: the trials of the largest compute, or the last points of a single trial.

    Args:
        sample: the points.
        compute: what orders them, one value per point.
    """
    used = sample.weights > 0
    groups = sample.trials if len(np.unique(sample.trials[used])) > 1 else np.arange(len(sample.losses))
    names, place = np.unique(groups[used], return_inverse=True)
    reach = np.zeros(len(names))
    np.maximum.at(reach, place, compute[used])
    order = np.argsort(reach, kind="stable")
    held = names[order[-max(1, round(HELD_SHARE * len(names))) :]]
    return np.isin(groups, held) & used


def heldout_error(law: PowerLaw, sample: Sample, compute: Array, goal: Objective | None = None) -> float | None:
    """Return the mean absolute relative error on the points of the largest compute, left out of the fit.

    Args:
        law: the form.
        sample: the points.
        compute: what orders them, one value per point.
        goal: the objective; Huber on log loss by default.
    """
    held = largest(sample, compute)
    try:
        fit = fit_sample(law, subset(sample, (sample.weights > 0) & ~held), goal=goal, resamples=0)
    except NotEnoughData:
        return None
    variables = dict(zip(law.variables, sample.variables[held].T, strict=True))
    predicted = loss_at({name: p.value for name, p in fit.params.items()}, law, **variables)
    return float(np.abs(predicted / sample.losses[held] - 1).mean())


def aicc(law: PowerLaw, sample: Sample) -> float | None:
    """Return AICc at the least-squares optimum; ``None`` with too few trials for its correction."""
    used = sample.weights > 0
    trials = len(np.unique(sample.trials[used]))
    if trials <= law.freedom + 2:
        return None
    optimum = solve(Problem.of(law, sample.variables, sample.losses, objective("ls_log")), sample.weights)
    return corrected(optimum.value / int(used.sum()), trials, law.freedom)


def corrected(variance: float, trials: int, free: int) -> float | None:
    """Return AICc from the mean square of the log residuals; the scale is a parameter too.

    Args:
        variance: mean square of the log residuals at the least-squares optimum.
        trials: effective sample.
        free: parameters of the law.
    """
    k = free + 1
    if trials <= k + 1 or variance < _PERFECT:
        return None
    return trials * float(np.log(variance)) + 2 * k + 2 * k * (k + 1) / (trials - k - 1)


def subset(sample: Sample, rows: NDArray[np.bool_]) -> Sample:
    """Return a sample of some points, all of which count."""
    return replace(
        sample, variables=sample.variables[rows], losses=sample.losses[rows], trials=sample.trials[rows], select=None
    )


@dataclass(frozen=True, slots=True)
class Merit:
    """What is compared of a law: its held-out error and its AICc, each ``None`` where it is not known."""

    heldout_error: float | None
    aicc: float | None

    def beats(self, other: "Merit") -> bool:
        """Say whether this law is preferred.

        Held-out error decides at a ratio of 1.5; where it does not, AICc at a difference of 4.
        """
        held, others = self.heldout_error, other.heldout_error
        if held is not None and others is not None and max(held, others) > HELD_MARGIN * min(held, others):
            return held < others
        return self.aicc is not None and other.aicc is not None and other.aicc - self.aicc >= AICC_MARGIN


def merit_of(law: PowerLaw, sample: Sample, compute: Array, goal: Objective | None = None) -> Merit:
    """Return both figures of a law."""
    return Merit(heldout_error(law, sample, compute, goal), aicc(law, sample))
