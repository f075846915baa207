"""Scaling laws: forms, robust fitting with a checked gradient, intervals by trial, and what follows from them.

A library worth importing by itself: numpy, pandas and the special functions of scipy, no torch.

    >>> from scaling.laws import fit_loss_surface
    >>> fit = fit_loss_surface(params, tokens, losses, trials)  # doctest: +SKIP
    >>> fit.params["alpha"]  # doctest: +SKIP
"""

from scaling.laws.analyse import analyse
from scaling.laws.analysis import (
    Allocation,
    Analysis,
    Approach,
    Dropped,
    Fit,
    FloorTest,
    FormChoice,
    FormRow,
    HeldOut,
    Interval,
    OptimumRow,
    Price,
    Residual,
    ReturnsRow,
    RollOut,
    SeedNoise,
    SensitivityRow,
    StopRow,
)
from scaling.laws.bounded import BoundedLaw, fit_bounded
from scaling.laws.broken import Break, BrokenLaw, fit_broken
from scaling.laws.design import Cell, Precision, expected_precision, plan_warnings, simulate
from scaling.laws.envelope import Envelope, envelope
from scaling.laws.fit import fit_loss_surface
from scaling.laws.isoflop import IsoFlop, Profile, isoflop
from scaling.laws.joint import JointLaw, fit_joint, joint_loss
from scaling.laws.optimal import ProfileBias, compute_optimal, profile_bias
from scaling.laws.prediction import predict_loss
from scaling.laws.propose import Ladder, Proposal, propose
from scaling.laws.repeated import RepeatedFit, fit_repeated, repeated_loss, worth_of_epochs
from scaling.laws.selection import Cuts

__all__ = [
    "Allocation",
    "Analysis",
    "Approach",
    "BoundedLaw",
    "Break",
    "BrokenLaw",
    "Cell",
    "Cuts",
    "Dropped",
    "Envelope",
    "Fit",
    "FloorTest",
    "FormChoice",
    "FormRow",
    "HeldOut",
    "Interval",
    "IsoFlop",
    "JointLaw",
    "Ladder",
    "OptimumRow",
    "Precision",
    "Price",
    "Profile",
    "ProfileBias",
    "Proposal",
    "RepeatedFit",
    "Residual",
    "ReturnsRow",
    "RollOut",
    "SeedNoise",
    "SensitivityRow",
    "StopRow",
    "analyse",
    "compute_optimal",
    "envelope",
    "expected_precision",
    "fit_bounded",
    "fit_broken",
    "fit_joint",
    "fit_loss_surface",
    "fit_repeated",
    "isoflop",
    "joint_loss",
    "plan_warnings",
    "predict_loss",
    "profile_bias",
    "propose",
    "repeated_loss",
    "simulate",
    "worth_of_epochs",
]
