"""Profile likelihood: how well the law fits when one parameter is held at a value, all others at their best.

The stated error model is a normal of one unknown scale on the log loss; the scale is profiled out, so the deviance is
``n ln(S(p) / S_min)`` with S the least sum of squares. Points of one trunk are correlated, therefore n is the number
of trials. The threshold is that of the F distribution, ``n ln(1 + t^2 / (n - k))``, which is exact for a linear law
and tends to the chi-square one. At the boundary E = 0 half of the deviance's distribution sits at zero (Self & Liang
1987), so its p-value is half of the usual one.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import fdtrc, stdtrit

from scaling.errors import NotEnoughData
from scaling.laws import newton
from scaling.laws.analysis import Interval
from scaling.laws.estimate import Optimum, Problem, solve
from scaling.laws.fit import Sample
from scaling.laws.forms import SURFACE, Array, PowerLaw, Space
from scaling.laws.objectives import objective

PROFILED = ("E", "alpha", "beta", "a")
_BISECTIONS = 30
_EXACT_ENOUGH = 1e-4  # of the distance from the optimum
_FURTHEST = {"E": np.inf, "alpha": 5.0, "beta": 5.0, "a": 0.999}
_LEAST = {"E": 0.0, "alpha": 0.0, "beta": 0.0, "a": 0.001}


class Profile:
    """Deviance of L(N,D) in one parameter at a time, under normal errors on the log loss.

    Args:
        sample: the points; every trial counts as one observation.
        law: a form in N and D with a floor.

    Raises:
        NotEnoughData: no more trials than free parameters, or the points fit exactly.
    """

    def __init__(self, sample: Sample, law: PowerLaw = SURFACE) -> None:
        self.weights = sample.weights
        self.problem = Problem.of(law, sample.variables, sample.losses, objective("ls_log"))
        self.optimum: Optimum = solve(self.problem, self.weights)
        self.trials = len(np.unique(sample.trials[self.weights > 0]))
        self.spare = self.trials - law.freedom
        if self.spare < 1:
            raise NotEnoughData(
                "laws.few_trials",
                f"a profile needs more trials than free parameters; there are {self.trials} and {law.freedom}",
                hint="add sizes or seeds to the sweep",
            )
        if self.optimum.value < 1e-20:
            raise NotEnoughData("laws.exact_fit", "the law runs through every point, so there is no noise to judge by")

    @property
    def values(self) -> dict[str, float]:
        """Estimates under this error model, with ``a = beta / (alpha + beta)``."""
        law, theta = self.problem.law, self.optimum.theta
        found = dict(zip(law.parameters, law.natural(theta[None], self.problem.centre)[0].tolist(), strict=True))
        return {**found, "a": found["beta"] / max(found["alpha"] + found["beta"], 1e-300)}

    def deviance(self, name: str, value: float, start: Array) -> tuple[float, Array]:
        """Return ``n ln(S(value) / S_min)`` with one parameter held, and theta there."""
        space = self._space(name, value)
        held = replace(self.problem, space=space)
        state = newton.minimise(held.batch(self.weights[None]), space.put(start)[None])
        return self.trials * float(np.log(2 * state.value[0] / self.optimum.value)), state.theta[0]

    def threshold(self, level: float) -> float:
        """Return the deviance within which a value is inside the interval of this level."""
        t = float(stdtrit(self.spare, 0.5 + level / 2))
        return self.trials * float(np.log1p(t**2 / self.spare))

    def interval(self, name: str, level: float = 0.95) -> Interval:
        """Return the estimate and the values whose deviance is below the threshold.

        An end is the bound itself (E = 0) where even that is not ruled out, ``None`` where the search finds no end.
        """
        value = self.values[name]
        spread = max(0.05 * abs(value), 1e-3)
        low = self._end(name, value, lambda k: max(value - spread * 2.0**k, _LEAST[name]), level)
        high = self._end(name, value, lambda k: min(value + spread * 2.0**k, _FURTHEST[name]), level)
        return Interval(value=value, low=low, high=high)

    def no_floor(self) -> float:
        """Return the p-value of E = 0."""
        if self.values["E"] <= 0:
            return 1.0
        deviance, _ = self.deviance("E", 0.0, self.optimum.theta)
        return 0.5 * float(fdtrc(1, self.spare, self.spare * np.expm1(max(deviance, 0.0) / self.trials)))

    def _end(self, name: str, inside: float, outward: Callable[[int], float], level: float) -> float | None:
        limit, theta = self.threshold(level), self.optimum.theta
        for k in range(12):
            outside = outward(k)
            deviance, reached = self.deviance(name, outside, theta)
            if deviance > limit:
                return self._bisect(name, inside, outside, theta, limit)
            inside, theta = outside, reached
            if outside in (_LEAST[name], _FURTHEST[name]):
                return outside if outside == _LEAST[name] and name != "a" else None
        return None

    def _bisect(self, name: str, inside: float, outside: float, theta: Array, limit: float) -> float:
        for _ in range(_BISECTIONS):
            middle = 0.5 * (inside + outside)
            deviance, reached = self.deviance(name, middle, theta)
            if deviance > limit:
                outside = middle
            else:
                inside, theta = middle, reached
            if abs(outside - inside) <= _EXACT_ENOUGH * abs(middle - self.values[name]):
                break
        return 0.5 * (inside + outside)

    def _space(self, name: str, value: float) -> Space:
        origin, basis, leads = np.zeros(5), np.eye(5), np.ones(5, dtype=bool)
        if name == "a":
            # beta = alpha a / (1 - a): the exponents keep a ratio.
            basis[4], leads[4] = basis[2] * value / (1 - value), False
        else:
            place = {"E": 0, "alpha": 2, "beta": 4}[name]
            origin[place] = value / np.exp(self.problem.centre.log_loss) if name == "E" else value
            basis[place], leads[place] = 0.0, False
        return Space(origin, basis[:, leads], np.flatnonzero(leads))


def profile_intervals(sample: Sample, level: float = 0.95) -> dict[str, Interval]:
    """Return profile-likelihood intervals of E, alpha, beta and a.

    Args:
        sample: the points of L(N,D).
        level: of the intervals.

    Raises:
        NotEnoughData: too few trials.
    """
    profile = Profile(sample)
    return {name: profile.interval(name, level) for name in PROFILED}
