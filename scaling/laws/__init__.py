"""Scaling laws: forms, robust fitting with a checked gradient, intervals by trial, and what follows from them.

A library worth importing by itself: numpy and pandas, no torch.

    >>> from scaling.laws import fit_loss_surface
    >>> fit = fit_loss_surface(params, tokens, losses, trials)  # doctest: +SKIP
    >>> fit.params["alpha"]  # doctest: +SKIP
"""

from scaling.laws.analyse import analyse
from scaling.laws.analysis import (
    Analysis,
    Dropped,
    Fit,
    HeldOut,
    Interval,
    OptimumRow,
    Residual,
    ReturnsRow,
    SeedNoise,
)
from scaling.laws.fit import fit_loss_surface
from scaling.laws.selection import Cuts

__all__ = [
    "Analysis",
    "Cuts",
    "Dropped",
    "Fit",
    "HeldOut",
    "Interval",
    "OptimumRow",
    "Residual",
    "ReturnsRow",
    "SeedNoise",
    "analyse",
    "fit_loss_surface",
]
