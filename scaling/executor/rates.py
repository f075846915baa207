"""How fast trials go, for forecasts while a sweep runs.

Time is not proportional to FLOPs: a small model spends most of a step on overhead that every token pays. So it is
read as two rates off this run's own trials, seconds per token and seconds per FLOP.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spent:
    """What a trial took for so many tokens and FLOPs."""

    tokens: float
    flops: float
    seconds: float


def rates(spent: Iterable[Spent]) -> tuple[float, float] | None:
    """Return seconds per token and per FLOP, neither below zero, by least squares of the relative error.

    ``None`` when nothing was spent yet. With trials of one shape the two cannot be told apart; FLOPs then take all.
    """
    rows = [(s.tokens / s.seconds, s.flops / s.seconds) for s in spent if s.seconds > 0 and s.flops > 0]
    if not rows:
        return None
    tt, tf, ff = (sum(r[i] * r[j] for r in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    t, f = (sum(r[i] for r in rows) for i in (0, 1))
    determinant = tt * ff - tf * tf
    if determinant > 1e-6 * tt * ff:
        per_token, per_flop = (t * ff - f * tf) / determinant, (f * tt - t * tf) / determinant
        if per_token >= 0 and per_flop >= 0:
            return per_token, per_flop
        if per_flop < 0:
            return t / tt, 0.0
    return 0.0, f / ff
