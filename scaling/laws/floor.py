"""Is there a floor? E = 0 is fitted as a model of its own and compared, out of sample first.

A free floor always fits at least as well, and where the data stop far above it, extrapolations hang on it. How two laws
are compared stands in ``merit``.
"""

import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws.analysis import FloorTest
from scaling.laws.fit import Sample
from scaling.laws.forms import SURFACE
from scaling.laws.merit import Merit, merit_of
from scaling.laws.profile import Profile
from scaling.laws.surface import surface_sample


def compare_floor(used: pd.DataFrame) -> FloorTest:
    """Compare L(N,D) with and without a floor.

    Args:
        used: the fitted points of a sweep, as ``selection`` gives them.

    Returns:
        The comparison; parts that the data do not allow are ``None``.
    """
    sample, compute = surface_sample(used), used["flops_train"].to_numpy(dtype=float)
    laws = (SURFACE, SURFACE.without_floor())
    free, bare = (merit_of(law, sample, compute) for law in laws)
    return FloorTest(
        heldout_with=free.heldout_error,
        heldout_without=bare.heldout_error,
        aicc_with=free.aicc,
        aicc_without=bare.aicc,
        p_no_floor=_p_no_floor(sample),
        favours="floor" if free.beats(bare) else "no floor" if bare.beats(free) else "undecided",
        why=_why(free, bare),
    )


def _p_no_floor(sample: Sample) -> float | None:
    try:
        return Profile(sample).no_floor()
    except NotEnoughData:
        return None


def _why(free: Merit, bare: Merit) -> str:
    if free.heldout_error is None or bare.heldout_error is None:
        said = "too few trials to hold the largest out"
    else:
        held = (f"{100 * error:.2f} %" for error in (free.heldout_error, bare.heldout_error))
        said = "held-out error {} with E, {} with E = 0".format(*held)
    if free.aicc is None or bare.aicc is None:
        return f"{said}; too few trials for AICc"
    gap = bare.aicc - free.aicc
    return f"{said}; AICc of E = 0 {'higher' if gap >= 0 else 'lower'} by {abs(gap):.1f}"
