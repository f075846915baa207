"""What a choice is worth: one setting changed at a time around a trial in the middle, in loss and in compute.

The middle is the combination of settings from which most others differ in one. Loss is compared at equal data, seed by
seed: trials of one seed see the same data in the same order. What a change of loss is worth in compute is read off the
middle's own course, where its loss was measured; nothing is extrapolated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from scaling.laws.analysis import Interval
from scaling.laws.forms import Array

Settings = Mapping[str, object]  # key -> value, the keys that the sweep varies
_LEAST = 2  # choices beside the middle; one is a comparison of two, not a study


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """One setting changed from the middle.

    Attributes:
        key, value: what was changed, and to what.
        params: total parameters.
        seeds: seeds that both were trained with.
        loss: its mean loss.
        change: of the loss, relative to the middle; the interval is Student's over the seeds of all choices.
        compute_own: its training FLOPs over the middle's, at equal data.
        compute_worth: FLOPs that the middle needs for the same loss, over what it had; infinite where it never got
            there, and 0 where it was below from the first. Low and high are those of the ends of ``change``.
    """

    key: str
    value: object
    params: float
    seeds: int
    loss: float
    change: Interval
    compute_own: float
    compute_worth: Interval

    @property
    def told(self) -> bool:
        """Whether the change is more than chance between seeds."""
        low, high = self.change.low, self.change.high
        return low is not None and high is not None and not low <= 0 <= high


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """All choices around one middle.

    Attributes:
        middle: its settings.
        tokens: data at which losses are compared.
        loss: mean loss of the middle there.
        reach: least and largest compute at which the middle was measured, over its compute there.
        worths: the choices, in the order of their keys and values.
    """

    middle: Settings
    tokens: float
    loss: float
    reach: tuple[float, float]
    worths: tuple[Worth, ...]


def choices(points: pd.DataFrame, settings: Mapping[str, Settings]) -> Choices | None:
    """Return what each choice is worth; ``None`` where the trials do not vary one thing at a time around one of them.

    Args:
        points: trial, seed, tokens, params_total, flops_train, loss_nats.
        settings: of each trial, all with the same keys.
    """
    shapes = {trial: tuple(map(_plain, told.values())) for trial, told in settings.items()}
    rows = points[points["trial"].isin(list(shapes))]
    middle = _middle(list(dict.fromkeys(shapes[t] for t in rows["trial"])))
    if middle is None:
        return None
    codes = {shape: i for i, shape in enumerate(shapes.values())}
    rows = rows.assign(shape=[codes[shapes[t]] for t in rows["trial"]], log=np.log(rows["loss_nats"].astype(float)))
    shared = set.intersection(*(set(part["tokens"]) for _, part in rows.groupby("shape")))
    if not shared:
        return None
    keys, at = list(next(iter(settings.values()))), max(shared)
    told = {shapes[trial]: values for trial, values in settings.items()}
    course = _Course.of(rows[rows["shape"] == codes[middle]], at)
    here = rows[rows["tokens"] == at]
    around = [(s, here[here["shape"] == codes[s]]) for s in told if _apart(s, middle) == 1]
    pairs = [(shape, part, _paired(part, course.here)) for shape, part in around]
    pairs = [(shape, part, gaps) for shape, part, gaps in pairs if len(gaps)]
    spread = _spread([gaps for _, _, gaps in pairs])
    worths = [
        _worth(keys[_changed(shape, middle)], told[shape], part, gaps, spread, course) for shape, part, gaps in pairs
    ]
    order = sorted(worths, key=lambda w: (keys.index(w.key), isinstance(w.value, str), w.params))
    return Choices(
        middle=told[middle],
        tokens=float(at),
        loss=float(np.exp(course.here).mean()),
        reach=(float(course.factors[0]), float(course.factors[-1])),
        worths=tuple(order),
    )


def _plain(value: object) -> object:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _apart(one: Sequence[object], other: Sequence[object]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _changed(one: Sequence[object], other: Sequence[object]) -> int:
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)


def _middle(shapes: Sequence[tuple[object, ...]]) -> tuple[object, ...] | None:
    """Return the one shape from which most others differ in one setting, of two settings or more in all."""
    near = {shape: [other for other in shapes if _apart(shape, other) == 1] for shape in shapes}
    best = max(shapes, key=lambda s: len(near[s]), default=None)
    if best is None or len(near[best]) < _LEAST or sum(len(n) == len(near[best]) for n in near.values()) > 1:
        return None
    return best if len({_changed(best, other) for other in near[best]}) > 1 else None


@dataclass(frozen=True, slots=True)
class _Course:
    """The middle as it went on: log loss by seed at the data compared, and mean log loss by compute over that there."""

    here: pd.Series
    flops: float
    factors: Array
    log_loss: Array

    @classmethod
    def of(cls, rows: pd.DataFrame, at: float) -> "_Course":
        seeds = rows["seed"].nunique()
        whole = rows.groupby("tokens").filter(lambda part: part["seed"].nunique() == seeds)
        means = whole.groupby("tokens")[["flops_train", "log"]].mean().sort_index()
        spent = means["flops_train"].to_numpy(dtype=float)
        flops = float(spent[means.index == at][0])
        here = rows[rows["tokens"] == at].groupby("seed")["log"].mean()
        return cls(here, flops, spent / flops, means["log"].to_numpy(dtype=float))

    def factor(self, change: float) -> float:
        """Return the compute at which the middle's loss is changed so, over what it had: inside what was measured."""
        falling = np.minimum.accumulate(self.log_loss)
        wanted = float(self.here.mean()) + change
        if wanted < falling[-1]:
            return math.inf
        if wanted > falling[0]:
            return 0.0
        return float(np.exp(np.interp(-wanted, -falling, np.log(self.factors))))


def _paired(part: pd.DataFrame, here: pd.Series) -> Array:
    """Return log loss less the middle's, for every seed that both have."""
    mine = part.groupby("seed")["log"].mean()
    return np.asarray((mine - here).dropna().to_numpy(dtype=float))


def _spread(gaps: Sequence[Array]) -> tuple[float, int] | None:
    """Return the pooled standard deviation of differences over seeds and its degrees of freedom."""
    freedom = sum(len(g) - 1 for g in gaps)
    return (math.sqrt(sum(float(((g - g.mean()) ** 2).sum()) for g in gaps) / freedom), freedom) if freedom else None


def _worth(
    key: str, told: Settings, part: pd.DataFrame, gaps: Array, spread: tuple[float, int] | None, course: _Course
) -> Worth:
    mean = float(gaps.mean())
    half = None if spread is None else float(stdtrit(spread[1], 0.975)) * spread[0] / math.sqrt(len(gaps))
    ends = (None, None) if half is None else (mean - half, mean + half)
    change = [None if v is None else math.expm1(v) for v in (mean, *ends)]
    worth = [None if v is None else course.factor(v) for v in (mean, *ends)]
    assert change[0] is not None
    assert worth[0] is not None
    return Worth(
        key=key,
        value=told[key],
        params=float(part["params_total"].iloc[0]),
        seeds=len(gaps),
        loss=float(np.exp(part["log"]).mean()),
        change=Interval(value=change[0], low=change[1], high=change[2]),
        compute_own=float(part["flops_train"].mean()) / course.flops,
        compute_worth=Interval(value=worth[0], low=worth[2], high=worth[1]),
    )
