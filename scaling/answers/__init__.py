"""Answers from fitted laws: what a budget buys, and how the laws of two studies differ."""

from scaling.answers.analysed import Law, analyse_store, law_of
from scaling.answers.compare import Comparison, Side, compare
from scaling.answers.predict import Prediction, predict_budget, predict_run
from scaling.answers.setup import setup_of
from scaling.answers.side import side_of

__all__ = [
    "Comparison",
    "Law",
    "Prediction",
    "Side",
    "analyse_store",
    "compare",
    "law_of",
    "predict_budget",
    "predict_run",
    "setup_of",
    "side_of",
]
