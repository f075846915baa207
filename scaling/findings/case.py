"""What a judge is given and what it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from scaling.findings.rules import Rule
from scaling.laws.analysis import Analysis, Interval
from scaling.laws.emergence import AbilityResult
from scaling.laws.tuning import Tuned
from scaling.units import format_interval

NO_TUNING = Tuned()
Numbers = dict[str, Any]


class Grade(StrEnum):
    """How far the data carry a finding."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    NOT_ENOUGH_DATA = "not enough data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The evidence: analysis, points, trials, judged abilities and tuned models of a store, and its resolved sweep."""

    analysis: Analysis
    points: pd.DataFrame
    trials: pd.DataFrame
    sweep: Mapping[str, Any]
    abilities: Sequence[AbilityResult] = ()
    tuning: Tuned = NO_TUNING

    def why_missing(self, *parts: str) -> str:
        """Return why the first absent part of the analysis is absent."""
        return next((self.analysis.missing[p] for p in parts if p in self.analysis.missing), "it was not computed")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A grade with its sentence and the numbers in it."""

    grade: Grade
    sentence: str
    numbers: Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One answer.

    Attributes:
        id: stable name.
        question: what it answers.
        sentence: the answer, with numbers, intervals and units.
        grade: ``supported``, ``not supported`` or ``not enough data``.
        numbers: the numbers behind the sentence; plain JSON values, loss in nats unless the name says otherwise.
        figure: anchor of its figure in the report.
        rule: how the grade was decided, in words.
    """

    id: str
    question: str
    sentence: str
    grade: Grade
    numbers: Numbers
    figure: str
    rule: str


def too_little(sentence: str, **numbers: object) -> Verdict:
    """Return *not enough data* with its reason."""
    return Verdict(Grade.NOT_ENOUGH_DATA, sentence, dict(numbers))


def graded(passed: bool, sentence: str, **numbers: object) -> Verdict:
    """Return *supported* or *not supported*."""
    return Verdict(Grade.SUPPORTED if passed else Grade.NOT_SUPPORTED, sentence, dict(numbers))


def triple(interval: Interval) -> dict[str, float | None]:
    """Return an interval as JSON."""
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def shown(interval: Interval, digits: int = 3) -> str:
    """Return an interval as people read it."""
    return format_interval(interval.value, interval.low, interval.high, digits)


def percent(share: float, digits: int = 2) -> str:
    """Return a share as percent with so many significant digits."""
    return f"{100 * share:.{digits}g} %" if abs(share) < 1 else f"{100 * share:.0f} %"


def bounds(interval: Interval) -> tuple[float, float] | None:
    """Return both ends, or ``None`` where there is no interval."""
    if interval.low is None or interval.high is None:
        return None
    return interval.low, interval.high


__all__ = [
    "Case",
    "Finding",
    "Grade",
    "Rule",
    "Verdict",
    "bounds",
    "graded",
    "percent",
    "shown",
    "too_little",
    "triple",
]
