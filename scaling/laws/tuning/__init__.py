"""What comes after pre-training: what it is worth in data, and how far a learnt reward can be pressed."""

from scaling.laws.tuning.pressed import Cell, PressLaw, Run, fit_best_of, press_laws, runs
from scaling.laws.tuning.result import Tuned, analyse_tuned
from scaling.laws.tuning.transfer import (
    Amount,
    Pair,
    Place,
    ScratchCurve,
    TransferLaw,
    best_losses,
    pairs,
    scratch_curves,
    transfer_law,
    transfers,
)

__all__ = [
    "Amount",
    "Cell",
    "Pair",
    "Place",
    "PressLaw",
    "Run",
    "ScratchCurve",
    "TransferLaw",
    "Tuned",
    "analyse_tuned",
    "best_losses",
    "fit_best_of",
    "pairs",
    "press_laws",
    "runs",
    "scratch_curves",
    "transfer_law",
    "transfers",
]
