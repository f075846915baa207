"""Where the best split of a budget lies inside what was trained: there lines are solid, and nothing is extrapolated."""

import numpy as np

from scaling.answers import Law
from scaling.laws.frontier import Surface, best_split

_SCANNED = 400  # budgets over the fitted computes
_SLACK = 1 + 1e-9


def inside(law: Law, params: float, tokens: float) -> bool:
    """Whether a size and its tokens both lie inside the fitted ones."""
    ends = ((params, law.params), (tokens, law.tokens))
    return all(float(seen.min()) / _SLACK <= value <= float(seen.max()) * _SLACK for value, seen in ends)


def reach(law: Law) -> tuple[float, float] | None:
    """Return the least and largest fitted compute whose best split lies inside; ``None`` where none does."""
    budgets = np.geomspace(law.smallest, law.largest, _SCANNED)
    best = best_split(Surface.of(law.fit).point, budgets, law.flops)
    good = [c for c, n, d in zip(budgets, best.params[0], best.tokens[0], strict=True) if inside(law, n, d)]
    return (float(good[0]), float(good[-1])) if good else None
