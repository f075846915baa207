"""Abilities against scale: what a curve does on the range seen, and whether the small sizes foretold it.

    >>> from scaling.laws.emergence import shape_call
    >>> shape_call([1e6, 1e7, 1e8, 1e9, 1e10], [0.25, 0.3, 0.36, 0.41, 0.47], floor=0.25).call.value
    'smooth'

``shape_call`` judges one curve by itself; ``verdict`` adds log-probability, seeds and items, and alone may say
"emergent"; ``holm`` corrects the p-values of many tasks; ``forecast_score`` goes from compute over loss to a score.
"""

from scaling.laws.emergence.abilities import SOLVED, AbilityResult, Axis, analyse_abilities
from scaling.laws.emergence.call import Call, ShapeCall, shape_call
from scaling.laws.emergence.facts import Facts, wilson
from scaling.laws.emergence.forecast import BackTest, ScoreForecast, back_test, forecast_score, score_line
from scaling.laws.emergence.shapes import Shape
from scaling.laws.emergence.surprise import Surprise
from scaling.laws.emergence.verdict import AbilityVerdict, Word, holm, verdict

__all__ = [
    "SOLVED",
    "AbilityResult",
    "AbilityVerdict",
    "Axis",
    "BackTest",
    "Call",
    "Facts",
    "ScoreForecast",
    "Shape",
    "ShapeCall",
    "Surprise",
    "Word",
    "analyse_abilities",
    "back_test",
    "forecast_score",
    "holm",
    "score_line",
    "shape_call",
    "verdict",
    "wilson",
]
