"""The whole analysis of a sweep. Each part stands by itself: what cannot be said is listed with its reason."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypedDict, TypeVar

import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws import frontier, returns
from scaling.laws.analysis import (
    Analysis,
    Approach,
    Fit,
    FloorTest,
    FormChoice,
    Interval,
    OptimumRow,
    Price,
    ReturnsRow,
    RollOut,
    SensitivityRow,
    StopRow,
)
from scaling.laws.choice import choose_form, interaction_warning
from scaling.laws.curves import Curve, compute_curve, data_curve, size_curve
from scaling.laws.fit import Sample
from scaling.laws.floor import compare_floor
from scaling.laws.forms import SURFACE, PowerLaw
from scaling.laws.frontier import FlopsPerToken
from scaling.laws.heldout import hold_out_largest
from scaling.laws.noise import pooled, seed_noise
from scaling.laws.objectives import Objective
from scaling.laws.optimal import side_by_side
from scaling.laws.profile import profile_intervals
from scaling.laws.rollout import RESAMPLES as ROLLOUT_RESAMPLES
from scaling.laws.rollout import roll_out
from scaling.laws.selection import Cuts, Selection, conventions_of, select
from scaling.laws.sensitivity import sensitivity
from scaling.laws.surface import fit_surface, residuals, surface_sample

_APPROACH_RESAMPLES = 300  # of the envelope and of IsoFLOP profiles, by far the slowest per draw
_FULL_UP_TO = 2000  # points; a table of checkpoints would make the examination the slowest part by far

T = TypeVar("T")
P = ParamSpec("P")
_CURVES: dict[str, Callable[[pd.DataFrame], Curve]] = {"L(N)": size_curve, "L(D)": data_curve, "L(C)": compute_curve}


@dataclass(slots=True)
class _Missing:
    """Runs a part of the analysis; where data are too few, keeps the reason instead."""

    reasons: dict[str, str] = field(default_factory=dict)

    def attempt(self, name: str, part: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return part(*args, **kwargs)
        except NotEnoughData as error:
            self.reasons[name] = error.what
            return None


def analyse(
    points: pd.DataFrame,
    cuts: Cuts | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
    params: str = "total",
    full: bool | None = None,
    law: PowerLaw = SURFACE,
    goal: Objective | None = None,
    price: Price | None = None,
) -> Analysis:
    """Fit every law that the points allow, with what follows from them.

    Args:
        points: one row per annealed evaluation: ``trial``, ``params_total`` (or the count that ``params`` names),
            ``tokens``, ``flops_train``, ``flops_6nd``, ``loss_nats``, and, where known, ``seed``, ``state``,
            ``anneal``, ``validation_fingerprint``, ``data_fingerprint``, ``batch_rows``, ``lr_hidden``,
            ``lr_embedding``, ``variant``.
        cuts: least horizon and size to fit, fixed before the sweep.
        resamples: bootstrap resamples by trial.
        seed: of the resampling.
        params: which parameters are N: ``total``, ``non_embedding`` or ``matmul``.
        full: also put L(N,D) to the test (other forms and objectives, the other approaches to the optimum, floor,
            profile, roll-outs); by default up to 2,000 points.
        law: L(N,D), with parameters fixed or exponents tied (``SURFACE.constrained``), or free.
        goal: the objective of L(N,D); Huber on log loss by default.
        price: what compute costs and loss is worth, for the point where more no longer pays.

    Returns:
        The analysis; with too few points its ``missing`` says what is absent and why.

    Raises:
        UsageError: the points lack a column, or their losses do not compare (different validation sets).
    """
    run = _Run(select(points, cuts or Cuts(), params), resamples, seed, law, goal)
    used, missing = run.selection.used, _Missing()
    surface = missing.attempt("L(N,D)", run.surface)
    fits = {} if surface is None else {surface.name: surface}
    for name, curve in _CURVES.items():
        fits |= missing.attempt(name, run.curve, curve) or {}
    noise = seed_noise(used)
    follows = _consequences(surface, used, pooled(noise), price, missing)
    wanted = len(used) <= _FULL_UP_TO if full is None else full
    examined = _examination(surface, run, missing) if wanted else _not_examined(len(used), missing)
    if surface is not None:
        fits[surface.name] = _warned(surface, examined.get("choice"))
    if not noise:
        missing.reasons["seed_noise"] = "no size was trained with two seeds"
    return Analysis(
        fits=fits,
        residuals=() if surface is None else residuals(surface, run.selection),
        heldout=missing.attempt("heldout", hold_out_largest, used, law, goal),
        seed_noise=noise,
        missing=missing.reasons,
        notes=_notes(run.selection),
        **follows,
        **examined,
    )


class _Consequences(TypedDict):
    frontier: tuple[OptimumRow, ...]
    returns: tuple[ReturnsRow, ...]
    stops: tuple[StopRow, ...]


def _consequences(
    surface: Fit | None, used: pd.DataFrame, noise: float | None, price: Price | None, missing: _Missing
) -> _Consequences:
    """Return what follows from L(N,D): the best splits, what more compute buys, and where that stops paying."""
    if surface is None:
        missing.reasons |= dict.fromkeys(("residuals", *_Consequences.__annotations__), missing.reasons["L(N,D)"])
        return {"frontier": (), "returns": (), "stops": ()}
    return {
        "frontier": missing.attempt("frontier", _frontier, surface, used) or (),
        "returns": missing.attempt("returns", _returns, surface, used, price) or (),
        "stops": missing.attempt("stops", _stops, surface, used, noise, price) or (),
    }


class _Examination(TypedDict, total=False):
    sensitivity: tuple[SensitivityRow, ...]
    floor: FloorTest | None
    profile: dict[str, Interval]
    rollouts: tuple[RollOut, ...]
    approaches: tuple[Approach, ...]
    choice: FormChoice | None


def _examination(surface: Fit | None, run: "_Run", missing: _Missing) -> _Examination:
    """Return what puts L(N,D) to the test: other choices, forms and approaches, and a second kind of interval."""
    used = run.selection.used
    approaches = missing.attempt("approaches", _approaches, surface, run, missing.reasons.get("L(N,D)", "")) or ()
    if surface is None:
        return {"approaches": approaches}
    sample = surface_sample(used)
    return {
        "sensitivity": missing.attempt("sensitivity", sensitivity, sample, run.law) or (),
        "floor": missing.attempt("floor", compare_floor, used),
        "profile": missing.attempt("profile", _profile, run, sample) or {},
        "rollouts": missing.attempt("rollouts", _rollouts, run) or (),
        "approaches": approaches,
        "choice": missing.attempt("choice", choose_form, used),
    }


def _not_examined(points: int, missing: _Missing) -> _Examination:
    reason = f"not done for {points:,} points unless asked for (--full)"
    missing.reasons |= dict.fromkeys(_Examination.__annotations__, reason)
    return {}


def _warned(surface: Fit, choice: FormChoice | None) -> Fit:
    """Return L(N,D) with a warning where another form shows that it is the wrong one."""
    warning = None if choice is None else interaction_warning(choice)
    return surface if warning is None else replace(surface, warnings=(*surface.warnings, warning))


def _approaches(surface: Fit | None, run: "_Run", why_no_fit: str) -> tuple[Approach, ...]:
    draws = min(run.resamples, _APPROACH_RESAMPLES)
    return side_by_side(run.selection.used, surface, why_no_fit, resamples=draws, seed=run.seed)


def _profile(run: "_Run", sample: Sample) -> dict[str, Interval]:
    if run.law != SURFACE:
        raise NotEnoughData("laws.constrained", "the profile is that of the law with all parameters free")
    return profile_intervals(sample)


@dataclass(frozen=True, slots=True)
class _Run:
    selection: Selection
    resamples: int
    seed: int
    law: PowerLaw
    goal: Objective | None

    def surface(self) -> Fit:
        words = conventions_of(self.selection)
        return fit_surface(self.selection, words, self.resamples, self.seed, self.law, self.goal)

    def curve(self, choose: Callable[[pd.DataFrame], Curve]) -> dict[str, Fit]:
        chosen = choose(self.selection.used)
        return chosen.fits(conventions_of(self.selection), self.selection.dropped, self.resamples, self.seed)


def _rollouts(run: "_Run") -> tuple[RollOut, ...]:
    if run.resamples == 0:
        raise NotEnoughData("laws.no_resamples", "no resamples asked for, so there are no intervals to check")
    draws = min(run.resamples, ROLLOUT_RESAMPLES)
    return roll_out(run.selection.used, law=run.law, goal=run.goal, resamples=draws, seed=run.seed)


def _frontier(surface: Fit, used: pd.DataFrame) -> tuple[OptimumRow, ...]:
    found: list[OptimumRow] = []
    for flops, column in ((_exact(used), used["flops_train"]), (FlopsPerToken.six_n(), _six_nd(used))):
        budgets = frontier.budgets_around(float(column.min()), float(column.max()))
        found += frontier.rows(surface, budgets, float(column.max()), flops)
    if not found:
        raise NotEnoughData("laws.no_optimum", "the fitted L(N,D) does not fall with both N and D, so no split is best")
    return tuple(found)


def _returns(surface: Fit, used: pd.DataFrame, price: Price | None) -> tuple[ReturnsRow, ...]:
    largest = float(used["flops_train"].max())
    budgets = frontier.budgets_around(float(used["flops_train"].min()), largest)
    inside = budgets[2 * budgets <= largest * frontier.MAX_EXTRAPOLATION]  # the next doubling must be within reach
    found = returns.rows(surface, inside, _exact(used), price)
    if not found:
        raise NotEnoughData("laws.no_optimum", "the fitted L(N,D) has no compute-optimal path to follow")
    return tuple(found)


def _stops(surface: Fit, used: pd.DataFrame, noise: float | None, price: Price | None) -> tuple[StopRow, ...]:
    return returns.stops(surface, _exact(used), float(used["flops_train"].max()), noise, price)


def _exact(used: pd.DataFrame) -> FlopsPerToken:
    per_token = used["flops_train"].to_numpy(dtype=float) / used["tokens"].to_numpy(dtype=float)
    return FlopsPerToken.through(used["params"].to_numpy(dtype=float), per_token)


def _six_nd(used: pd.DataFrame) -> "pd.Series[float]":
    # Six times the N that the fit uses: the stored flops_6nd is about total parameters.
    return 6.0 * used["params"].astype(float) * used["tokens"].astype(float)


def _notes(selection: Selection) -> tuple[str, ...]:
    used, notes = selection.used, []
    for column, what in (
        ("data_fingerprint", "training corpora"),
        ("anneal", "ways of annealing"),
        ("family", "families"),
    ):
        kinds = used[column].nunique() if column in used else 1
        if kinds > 1:
            notes.append(f"The points mix {kinds} {what}; one law through them is an assumption.")
    if len(selection.left_out):
        counts = selection.left_out["reason"].value_counts()
        notes += [f"{n} points left out: {reason}." for reason, n in counts.items()]
    return tuple(notes)
