"""Over-optimisation of a learnt reward (Gao et al. 2022, 2210.10760): gold gain against the distance d = sqrt(KL).

``R_bon(d) = d (a - b d)`` for best-of-n and ``R_RL(d) = d (a - b ln d)`` for reinforcement learning, with d in roots of
nats per answer. Both go through the origin and are linear in a and b.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from scaling.laws.analysis import Interval
from scaling.laws.forms import Array

_MIN_POINTS = 4  # places along a run with d above zero, for two parameters
_HALF = 2**0.5  # standard error on half of the questions over that on all


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One preference-tuned policy along its way.

    Attributes:
        trial, method, params, comparisons, seed: of the run.
        d: square root of KL, ascending as trained.
        gold: gain of the gold score over where it began.
        gold_se: Monte-Carlo standard error of the gold score.
        proxy: gain of the proxy.
        peak: the place with the best gold score on the even questions.
        gain: gold gain there, on the odd questions; zero where no place beats the start.
        drop: gold lost from there to the last place, on the odd questions.
        error: standard error of ``gain`` and ``drop``, as of independent samples: too large, questions are shared.
        reward_accuracy: of the reward model, on held-out comparisons.
    """

    trial: str
    method: str
    params: int
    comparisons: int
    seed: int
    d: tuple[float, ...]
    gold: tuple[float, ...]
    gold_se: tuple[float, ...]
    proxy: tuple[float, ...]
    peak: int
    gain: float
    drop: float
    error: float
    reward_accuracy: float

    @property
    def proxy_after_peak(self) -> float:
        """What the proxy still gained after the peak of the gold score."""
        return self.proxy[-1] - self.proxy[self.peak]


def runs(tuned: pd.DataFrame) -> list[Run]:
    """Return every preference-tuned policy with its way.

    Args:
        tuned: rows as ``Store.tuned`` gives them.
    """
    rows = tuned[(tuned["stage"] == "rlhf") & tuned["gold"].notna()]
    found = [_run(part.sort_values("step")) for _, part in rows.groupby("trial", sort=False)]
    return sorted(found, key=lambda r: (r.method, r.params, r.comparisons, r.seed))


def _run(part: pd.DataFrame) -> Run:
    first = part.iloc[0]
    start = float(first["gold_start"])
    even, odd, gold, errors = (part[c].to_numpy(dtype=float) for c in ("gold_even", "gold_odd", "gold", "gold_se"))
    peak = int(np.argmax(even))
    began = even[peak] <= start  # on the even questions no place is better than the start
    return Run(
        trial=str(first["trial"]),
        method=str(first["method"]),
        params=int(first["params_total"]),
        comparisons=int(first["comparisons"]),
        seed=int(first["seed"]),
        d=tuple(np.sqrt(part["kl_nats"].to_numpy(dtype=float)).tolist()),
        gold=tuple((gold - start).tolist()),
        gold_se=tuple(errors.tolist()),
        proxy=tuple((part["proxy"].astype(float) - float(first["proxy_start"])).tolist()),
        peak=peak,
        gain=0.0 if began else float(odd[peak] - start),
        drop=float(odd[peak] - odd[-1]),
        error=float(_HALF * np.hypot(errors[peak], errors[-1])),
        reward_accuracy=float(first["reward_accuracy"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Runs that differ in their seed alone."""

    method: str
    params: int
    comparisons: int

    @classmethod
    def of(cls, run: Run) -> "Cell":
        """Return the cell of a run."""
        return cls(method=run.method, params=run.params, comparisons=run.comparisons)


@dataclass(frozen=True, slots=True, kw_only=True)
class PressLaw:
    """One of the two forms, fitted to each seed by itself.

    Attributes:
        form: ``rl``: d (a - b ln d), or ``bon``: d (a - b d).
        a, b: means over seeds; intervals are Student's over seeds, ``None`` with one.
        rms: of the residuals of all seeds, in gold score.
        peak_d: where the form has its best gold score; ``None`` where b is not above zero.
        seeds: fitted.
    """

    form: str
    a: Interval
    b: Interval
    rms: float
    peak_d: float | None
    seeds: int

    def gain(self, d: Array) -> Array:
        """Return the gold gain at distances."""
        gain: Array = basis(self.form, d) @ np.array([self.a.value, self.b.value])
        return gain


def basis(form: str, d: Array) -> Array:
    """Return the two columns ``(n, 2)`` that a form is linear in."""
    away = np.log(np.maximum(d, 1e-12)) if form == "rl" else d
    return np.stack([d, -d * away], axis=1)


def press_laws(found: Iterable[Run], form: str = "rl") -> dict[Cell, PressLaw]:
    """Fit the form to every cell whose runs have enough places."""
    cells: dict[Cell, list[tuple[Array, Array]]] = {}
    for run in found:
        if sum(d > 0 for d in run.d) >= _MIN_POINTS:
            cells.setdefault(Cell.of(run), []).append((np.asarray(run.d), np.asarray(run.gold)))
    return {cell: _fit(form, curves) for cell, curves in cells.items()}


def fit_best_of(best_of: pd.DataFrame) -> PressLaw | None:
    """Fit ``d (a - b d)`` to best-of-n curves that differ in their seed alone, each as gain over n = 1.

    Args:
        best_of: rows of one size and number of comparisons, as ``Store.best_of`` gives them.
    """
    curves = []
    for _, part in best_of.sort_values("n").groupby("trial", sort=False):
        gold = part["gold"].to_numpy(dtype=float)
        curves.append((np.sqrt(part["kl_nats"].to_numpy(dtype=float)), gold - gold[0]))
    kept = [curve for curve in curves if (curve[0] > 0).sum() >= _MIN_POINTS]
    return _fit("bon", kept) if kept else None


def _fit(form: str, curves: Sequence[tuple[Array, Array]]) -> PressLaw:
    fits = np.stack([np.linalg.lstsq(basis(form, d), gold, rcond=None)[0] for d, gold in curves])
    rest = np.concatenate([gold - basis(form, d) @ fit for (d, gold), fit in zip(curves, fits, strict=True)])
    a, b = (_over_seeds(column) for column in fits.T)
    return PressLaw(
        form=form,
        a=a,
        b=b,
        rms=float(np.sqrt(np.mean(rest**2))),
        peak_d=_peak(form, a.value, b.value),
        seeds=len(fits),
    )


def _peak(form: str, a: float, b: float) -> float | None:
    """Return where the gain is largest: its slope is zero there."""
    if a <= 0 or b <= 0:
        return None
    return float(np.exp(a / b - 1)) if form == "rl" else a / (2 * b)


def _over_seeds(values: Array) -> Interval:
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return Interval(value=mean)
    half = float(stdtrit(n - 1, 0.975) * values.std(ddof=1) / np.sqrt(n))
    return Interval(value=mean, low=mean - half, high=mean + half)
