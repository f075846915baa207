"""One law fitted to one set of points: optimum, bootstrap by trial, and what a reader must know about both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import NotEnoughData, UsageError
from scaling.laws import bootstrap, newton, objectives
from scaling.laws.analysis import Dropped, Fit, Interval
from scaling.laws.estimate import STARTS, Optimum, Problem, solve, solve_resamples, step_resamples
from scaling.laws.forms import SURFACE, Array, PowerLaw, loss_at
from scaling.laws.objectives import DELTA, Objective

_FEW_TRIALS = 10  # below it percentile intervals by trial are known to be too narrow
_UNCONVERGED_SHARE = 0.01  # of the resamples; fewer do not move an interval
_REFITTED = 50_000  # points up to which every resample is refitted
_VANISHING = 1e-3  # of the mean loss: a term smaller than this everywhere is not seen in the data


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Points of one fit.

    Attributes:
        variables: ``[n, K]``, in the order of the law's variables.
        losses: nats per token ``[n]``.
        trials: trial of each point ``[n]``: the unit of resampling.
        conventions: ``params``, ``flops``, ``loss_unit``, ``points`` in words.
        dropped: points that a rule left out.
        select: turns counts of points ``[R, n]`` into weights, for a law that fits only some of them.
    """

    variables: Array
    losses: Array
    trials: NDArray[np.intp]
    conventions: dict[str, str] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    select: Callable[[Array], Array] | None = None

    @property
    def weights(self) -> Array:
        """How much each point counts in the point fit ``[n]``."""
        once = np.ones((1, len(self.losses)))
        weights: Array = (self.select(once) if self.select else once)[0]
        return weights


def needed_values(law: PowerLaw) -> int:
    """Return the distinct values each variable must have: three to see an exponent and a floor, else two."""
    return 3 if law.floor and "E" not in dict(law.fixed) and not law.tied else 2


def fit_sample(
    law: PowerLaw,
    sample: Sample,
    *,
    goal: Objective | None = None,
    resamples: int = 1000,
    seed: int = 0,
    starts: int = STARTS,
) -> Fit:
    """Fit a law and its intervals.

    Args:
        law: the form.
        sample: the points.
        goal: the objective; Huber on log loss with delta 1e-3 by default.
        resamples: bootstrap resamples by trial; 0 for none.
        seed: of the resampling.
        starts: grid cells that are refined.

    Raises:
        NotEnoughData: fewer points or distinct values than the law has parameters to find.
    """
    _check_enough(law, sample)
    problem = Problem.of(law, sample.variables, sample.losses, goal)
    optimum = solve(problem, sample.weights, starts)
    drawn = _draws(law, problem, optimum, sample, resamples, seed)
    values = law.natural(optimum.theta[None], problem.centre)[0]
    used = sample.weights > 0
    intervals = [bootstrap.interval(v, column) for v, column in zip(values, drawn.natural.T, strict=True)]
    held = dict(law.fixed)
    params = {
        name: Interval(value=held[name]) if name in held else found
        for name, found in zip(law.parameters, intervals, strict=True)
    }
    return Fit(
        name=law.name,
        form=law.text,
        params=params,
        objective=problem.objective.name,
        objective_value=optimum.value,
        gradient_norm=optimum.gradient,
        starts=optimum.starts,
        starts_agreed=optimum.agreed,
        converged=optimum.converged,
        n_points=int(used.sum()),
        n_trials=len(np.unique(sample.trials[used])),
        dropped=sample.dropped,
        conventions=sample.conventions,
        residual_rms=float(np.sqrt(np.mean(_residuals(law, sample, values)[used] ** 2))),
        interval_method=drawn.method,
        draws=tuple(map(tuple, drawn.natural.tolist())),
        warnings=tuple(_warnings(law, sample, optimum, params, drawn)),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    natural: Array  # [R, parameters]
    method: str
    unconverged: int


def _draws(law: PowerLaw, problem: Problem, optimum: Optimum, sample: Sample, resamples: int, seed: int) -> _Drawn:
    nothing = np.zeros((0, len(law.parameters)))
    n_trials = len(np.unique(sample.trials))
    if resamples == 0 or n_trials < 2:
        why = "one trial, nothing to resample" if n_trials < 2 else "no resamples asked for"
        return _Drawn(nothing, f"none: {why}", 0)
    needed, pairs = needed_values(law), f"95 % percentile, pairs bootstrap by trial ({n_trials})"
    if sample.select is None and len(sample.losses) > _REFITTED:
        counts = bootstrap.draw_trials(sample.trials, sample.variables, needed, resamples, seed)
        theta = step_resamples(problem, sample.trials, counts, optimum.theta)
        method = f"{pairs}, {len(theta)} resamples, seed {seed}, one Newton step each"
        return _Drawn(law.natural(theta, problem.centre), method, 0)
    chosen = bootstrap.resample_trials(sample.trials, sample.variables, needed, resamples, seed, sample.select)
    if not len(chosen.weights):
        return _Drawn(nothing, "none: resampled trials hold too few distinct sizes or horizons", 0)
    theta, gradient = solve_resamples(problem.take(chosen.points), chosen.weights, optimum.theta)
    good = gradient <= newton.CONVERGED
    method = f"{pairs}, {int(good.sum())} resamples, seed {seed}"
    redrawn = f", {chosen.redrawn} redrawn for too few distinct values" if chosen.redrawn else ""
    return _Drawn(
        natural=law.natural(theta[good], problem.centre),
        method=method + redrawn,
        unconverged=int((~good).sum()),
    )


def _residuals(law: PowerLaw, sample: Sample, values: Array) -> Array:
    """Return ln fitted - ln seen for every point."""
    params = dict(zip(law.parameters, values, strict=True))
    variables = dict(zip(law.variables, sample.variables.T, strict=True))
    return np.asarray(np.log(loss_at(params, law, **variables)) - np.log(sample.losses), dtype=float)


def _check_enough(law: PowerLaw, sample: Sample) -> None:
    used = sample.weights > 0
    n = int(used.sum())
    problems = [f"{n} points for {law.freedom} free parameters"] if n <= law.freedom else []
    for name, column in zip(law.variables, sample.variables[used].T, strict=True):
        distinct = len(np.unique(column))
        if distinct < needed_values(law):
            problems.append(f"{distinct} distinct values of {name}, {needed_values(law)} needed")
    if problems:
        raise NotEnoughData(
            "laws.too_few_points",
            f"{law.name} cannot be fitted: {'; '.join(problems)}",
            hint="add sizes or horizons to the sweep",
        )


def _warnings(law: PowerLaw, sample: Sample, optimum: Optimum, params: dict[str, Interval], drawn: _Drawn) -> list[str]:
    found = []
    if not optimum.converged:
        found.append(
            f"The gradient does not vanish ({optimum.gradient:.1e}): the parameters are not the optimum. "
            "Look for a point far from all others."
        )
    if 0 < optimum.agreed < optimum.starts / 2:
        found.append(
            f"Only {optimum.agreed} of {optimum.starts} starts reached the best optimum: the data barely tell "
            "laws apart. Spread sizes and horizons further."
        )
    if drawn.unconverged > _UNCONVERGED_SHARE * len(drawn.natural):
        found.append(f"{drawn.unconverged} resamples did not converge and are left out of the intervals.")
    n_trials = len(np.unique(sample.trials))
    if len(drawn.natural) and n_trials < _FEW_TRIALS:
        found.append(f"{n_trials} trials: percentile intervals from fewer than {_FEW_TRIALS} tend to be too narrow.")
    return found + list(_boundary_warnings(law, sample, params))


def _boundary_warnings(law: PowerLaw, sample: Sample, params: dict[str, Interval]) -> list[str]:
    found = []
    if law.floor and params["E"].value <= 0:
        found.append("E is at its bound 0: these data show no floor.")
    mean = float(np.exp(np.log(sample.losses).mean()))
    for a, x, p, column in zip(law.coefficients, law.variables, law.exponents, sample.variables.T, strict=True):
        if params[p].value <= 0:
            found.append(f"{p} is at its bound 0: the loss does not fall with {x} in these data.")
        elif params[a].value * float(column.min()) ** -params[p].value < _VANISHING * mean:
            found.append(f"The term in {x} is below 0.1 % of the loss everywhere: {a} and {p} are not identified.")
    return found


def fit_loss_surface(
    params: ArrayLike,
    tokens: ArrayLike,
    losses: ArrayLike,
    trials: Sequence[object] | None = None,
    *,
    objective: str = "huber_log",
    delta: float = DELTA,
    fixed: Mapping[str, float] | None = None,
    tied: bool = False,
    floor: bool = True,
    resamples: int = 1000,
    seed: int = 0,
    starts: int = STARTS,
) -> Fit:
    """Fit ``L(N,D) = E + A/N^alpha + B/D^beta`` to arrays (Hoffmann et al. 2022, eq. 2 and section 3.3).

    Args:
        params: parameters N of each point.
        tokens: training tokens D of each point.
        losses: nats per token.
        trials: the training run of each point; points of one run are resampled together. Left out, each point is
            its own run.
        objective: ``huber_log``, ``ls_log``, ``ls_linear`` or ``lad_log``.
        delta: of ``huber_log``: where it turns linear, in log loss.
        fixed: parameters held at a value, such as ``{"E": 1.7}``.
        tied: alpha and beta are one exponent.
        floor: fit E >= 0; else E is held at zero.
        resamples: bootstrap resamples; 0 for no intervals.
        seed: of the resampling.
        starts: grid cells that are refined.

    Returns:
        The fit, intervals at 95 %.

    Raises:
        UsageError: lengths differ, a value is not finite and above zero, or an objective or parameter is unknown.
        NotEnoughData: too few points, sizes or horizons.
    """
    n, d, loss = (np.asarray(v, dtype=float).ravel() for v in (params, tokens, losses))
    names = np.asarray(range(len(loss)) if trials is None else list(trials), dtype=object)
    if not len(n) == len(d) == len(loss) == len(names):
        raise UsageError("laws.lengths", f"{len(n)} params, {len(d)} tokens, {len(loss)} losses, {len(names)} trials")
    values = np.column_stack([n, d, loss])
    if not (np.isfinite(values) & (values > 0)).all():
        raise UsageError(
            "laws.bad_value",
            "params, tokens and losses must be finite and above zero",
            hint="drop diverged runs before fitting",
        )
    sample = Sample(
        variables=values[:, :2],
        losses=loss,
        trials=bootstrap.codes(names),
        conventions={"params": "as given", "flops": "not used", "loss_unit": "as given", "points": "as given"},
    )
    law = (SURFACE if floor else SURFACE.without_floor()).constrained(fixed, tied=tied)
    goal = objectives.objective(objective, delta)
    return fit_sample(law, sample, goal=goal, resamples=resamples, seed=seed, starts=starts)
