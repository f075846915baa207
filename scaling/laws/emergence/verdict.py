"""The verdict on one ability: its score, its log-probability, its seeds and its items, in one word and one sentence.

"Emergent" may be written only for an unpredicted rise that every half of the evidence shows again: it stands in each
of two seeds or more, and in nearly every resample of the items. All else that leaps is "unreplicated".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.laws.emergence.call import MIN_GAP, P_RISE, Z_RISE, Call, ShapeCall, shape_call
from scaling.laws.emergence.curve import Curve
from scaling.laws.emergence.logprob import logprob_curve, logprob_surprise
from scaling.laws.emergence.surprise import SIMULATIONS, Surprise
from scaling.laws.forms import Array

_P_OPEN, _FEW = 0.1, 6
_LOGPROB_GAP = 0.2  # of ln loss: a loss a fifth below what was foreseen
_LOGPROB_GAP_ALONE = float(np.log(2))  # half of what was foreseen, where the score itself is no surprise
_MOVES, _MOVES_SHARE = 0.1, 0.2  # of ln loss, and of all it moves: what log-probability gains while the score rests
_RESAMPLES = 40
SURVIVES = 0.9  # of the resamples of items


class Word(StrEnum):
    """Verdicts: those of ``Call``, and what only the log-probability can tell."""

    FLAT = "flat"
    SMOOTH = "smooth"
    THRESHOLD_OF_THE_METRIC = "threshold of the metric"
    UNPREDICTED_RISE = "unpredicted rise"
    FALLS = "falls"
    FALLS_THEN_RISES = "falls then rises"
    NOT_RESOLVED = "not resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbilityVerdict:
    """What one ability does with scale.

    Attributes:
        word: the verdict.
        emergent: an unpredicted rise seen again in a second seed and in the resampled items.
        sentence: the verdict with its numbers, for people.
        score: the call on the score alone.
        logprob: surprise of the log-probability per answer token; ``None`` without it.
        seeds_with_rise: seeds that show the rise by themselves, and seeds that could.
        items_with_rise: share of resamples of the items that show it; ``None`` when not needed or not counted.
    """

    word: Word
    emergent: bool
    sentence: str
    score: ShapeCall
    logprob: Surprise | None
    seeds_with_rise: tuple[int, int]
    items_with_rise: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Rows of one ability, one per trained model.

    Attributes:
        x: scale of each row.
        score: its score.
        logprob: its mean log-probability per answer token, or ``None``.
        seeds: label of its seed, or ``None`` when all rows are of one.
        n_items: items behind each score, or ``None``.
        floor: score of guessing, or ``None``.
        ceiling: best possible score.
        log_x: judge against log x.
    """

    x: Array
    score: Array
    logprob: Array | None = None
    seeds: Array | None = None
    n_items: Array | None = None
    floor: float | None = None
    ceiling: float = 1.0
    log_x: bool = True

    def call(self, simulations: int, rows: NDArray[np.intp] | None = None, score: Array | None = None) -> ShapeCall:
        """Judge the score of some rows."""
        pick = np.arange(len(self.x)) if rows is None else rows
        seen = self.score if score is None else score
        return shape_call(
            self.x[pick], seen[pick], floor=self.floor, ceiling=self.ceiling,
            n_items=None if self.n_items is None else self.n_items[pick],
            seeds=None if self.seeds is None else self.seeds[pick],
            log_x=self.log_x, simulations=simulations,
        )  # fmt: skip

    def logprob_of(
        self, simulations: int, rows: NDArray[np.intp] | None = None
    ) -> tuple[Curve, Surprise | None] | None:
        """Judge the log-probability of some rows."""
        if self.logprob is None:
            return None
        pick = np.arange(len(self.x)) if rows is None else rows
        curve = logprob_curve(self.x[pick], self.logprob[pick], log_x=self.log_x)
        return curve, logprob_surprise(curve, simulations=simulations)


def verdict(
    x: ArrayLike,
    score: ArrayLike,
    *,
    logprob: ArrayLike | None = None,
    seeds: ArrayLike | None = None,
    n_items: ArrayLike | None = None,
    floor: float | None = None,
    ceiling: float = 1.0,
    log_x: bool = True,
    simulations: int = SIMULATIONS,
    seed: int = 0,
) -> AbilityVerdict:
    """Judge one ability from a plain table, one row per trained model.

    Args:
        x: scale of each row.
        score: score of each row.
        logprob: mean log-probability per answer token of each row, nats.
        seeds: label of each row's seed.
        n_items: items behind each score, one number or one per row.
        floor: score of guessing.
        ceiling: best possible score.
        log_x: judge against log x.
        simulations: smooth worlds drawn to calibrate each surprise.
        seed: of the resampling of items.

    Raises:
        UsageError: values that no score or log-probability can have.
    """
    at = np.asarray(x, dtype=float).ravel()
    evidence = Evidence(
        x=at,
        score=np.asarray(score, dtype=float).ravel(),
        logprob=None if logprob is None else np.asarray(logprob, dtype=float).ravel(),
        seeds=None if seeds is None else np.broadcast_to(np.asarray(seeds).astype(str), at.shape),
        n_items=None if n_items is None else np.broadcast_to(np.asarray(n_items, dtype=float), at.shape),
        floor=floor,
        ceiling=ceiling,
        log_x=log_x,
    )
    return judge(evidence, simulations, seed)


def judge(evidence: Evidence, simulations: int = SIMULATIONS, seed: int = 0) -> AbilityVerdict:
    """Judge evidence; see ``verdict``."""
    call = evidence.call(simulations)
    seen = evidence.logprob_of(simulations)
    word, why = _word(call, seen)
    rising = Word.UNPREDICTED_RISE
    seeds = _seeds_with_rise(evidence, simulations) if word is rising else (0, _seed_count(evidence))
    items = _items_with_rise(evidence, call, seed) if word is rising else None
    certain = surprises(call.surprise) if seen is None else breaks(seen[1])
    emergent = certain and word is rising and seeds[0] >= 2 and seeds[0] == seeds[1] and (items or 0.0) >= SURVIVES
    return AbilityVerdict(
        word=word,
        emergent=emergent,
        sentence=_sentence(word, why, emergent, seeds, items),
        score=call,
        logprob=seen[1] if seen else None,
        seeds_with_rise=seeds,
        items_with_rise=items,
    )


def surprises(found: Surprise | None) -> bool:
    """Say whether a curve rises beyond what its small sizes promise, at the level that "emergent" asks."""
    return found is not None and found.z >= Z_RISE and found.p <= P_RISE


def breaks(found: Surprise | None) -> bool:
    """Say whether a log-probability rises beyond what its small sizes promise."""
    return surprises(found) and found is not None and found.gap >= _LOGPROB_GAP


def _word(call: ShapeCall, seen: tuple[Curve, Surprise | None] | None) -> tuple[Word, str]:
    rises = call.call in (Call.SMOOTH, Call.UNPREDICTED_RISE) or call.late
    if seen is None or not rises:
        hidden = "; its log-probability breaks all the same" if seen and breaks(seen[1]) else ""
        return Word(call.call.value), call.why + hidden
    curve, found = seen
    if found is None:
        return Word.NOT_RESOLVED, call.why
    numbers = f"z = {found.z:.1f}, p = {found.p:.2g}"
    told = f"log-probability: {numbers}"
    if breaks(found) and (call.call is Call.UNPREDICTED_RISE or found.gap >= _LOGPROB_GAP_ALONE):
        if call.call is not Call.UNPREDICTED_RISE:
            return Word.UNPREDICTED_RISE, f"the log-probability breaks ({numbers}), the score {call.why}"
        return Word.UNPREDICTED_RISE, f"{call.why}; it breaks too ({told})"
    few = curve.n <= _FEW
    rests = call.late and (call.begun or 2 * call.resting >= curve.n)
    if call.call is not Call.UNPREDICTED_RISE and not rests:
        unsure = few and call.late
        why = f"{call.why}; too few sizes to tell a late smooth rise from a threshold" if unsure else call.why
        return (Word.NOT_RESOLVED if unsure else Word(call.call.value)), why
    if few and (found.z >= Z_RISE or found.p <= _P_OPEN):
        return Word.NOT_RESOLVED, f"{told}; too few sizes to tell a steep smooth rise from a break"
    resting = min(max(2, call.resting), curve.n)
    moved, whole = (float(curve.y[i] - curve.y[0]) for i in (resting - 1, -1))
    if moved < max(_MOVES, _MOVES_SHARE * whole, 2 * float(np.sqrt(curve.variance[:resting].max()))):
        if call.call is Call.SMOOTH:
            return Word.SMOOTH, f"{call.why}; {told}"
        return Word.NOT_RESOLVED, f"{told}; it hardly moves where the score rests, so it foretells nothing"
    return Word.THRESHOLD_OF_THE_METRIC, f"the score leaves its floor late, but {told}: every token improves smoothly"


def _seed_count(evidence: Evidence) -> int:
    return 1 if evidence.seeds is None else len(np.unique(evidence.seeds))


def _seeds_with_rise(evidence: Evidence, simulations: int) -> tuple[int, int]:
    """Count the seeds that show the rise on their own sizes."""
    if evidence.seeds is None:
        return 1, 1
    shown = [_shows(evidence, np.flatnonzero(evidence.seeds == s), simulations) for s in np.unique(evidence.seeds)]
    able = [s for s in shown if s is not None]
    return sum(able), len(able)


def _shows(evidence: Evidence, rows: NDArray[np.intp], simulations: int) -> bool | None:
    """Say whether some rows alone show a rise; ``None`` where they hold fewer than four sizes."""
    if len(np.unique(evidence.x[rows])) < 4:
        return None
    seen = evidence.logprob_of(simulations, rows)
    if seen is not None:
        return breaks(seen[1])
    return evidence.call(simulations, rows).call is Call.UNPREDICTED_RISE


def _items_with_rise(evidence: Evidence, call: ShapeCall, seed: int) -> float | None:
    """Return the share of binomial resamples of the items whose scores rise above the cut as much as is needed."""
    found, items = call.surprise, evidence.n_items
    if found is None or items is None:
        return None
    rng = np.random.default_rng(seed)
    low = evidence.floor if evidence.floor is not None else min(0.0, call.floor)
    share = np.clip((evidence.score - min(low, 0)) / (evidence.ceiling - min(low, 0)), 0, 1)
    count = items.astype(int)
    above = np.isin(evidence.x, found.held_out)
    survived = 0
    for _ in range(_RESAMPLES):
        score = rng.binomial(count, share) / count * (evidence.ceiling - min(low, 0)) + min(low, 0)
        if call.call is Call.UNPREDICTED_RISE:
            survived += evidence.call(60, score=score).call in (Call.UNPREDICTED_RISE, Call.NOT_RESOLVED)
        else:
            survived += bool(score[above].mean() - score[~above].mean() > MIN_GAP * evidence.ceiling)
    return survived / _RESAMPLES


def _sentence(word: Word, why: str, emergent: bool, seeds: tuple[int, int], items: float | None) -> str:
    if word is not Word.UNPREDICTED_RISE:
        return f"{word.value}: {why}"
    shown = "" if items is None else f", in {items:.0%} of resampled items".replace("%", " %")
    if emergent:
        return f"emergent: {why}; seen in each of {seeds[1]} seeds{shown}"
    if seeds[1] < 2:
        return f"unpredicted rise, unreplicated: {why}; one seed{shown}"
    return f"unpredicted rise, unreplicated: {why}; seen in {seeds[0]} of {seeds[1]} seeds{shown}"


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of tasks (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    n = len(order)
    adjusted = np.maximum.accumulate([min(1.0, p_values[i] * (n - rank)) for rank, i in enumerate(order)])
    out = np.empty(n)
    out[order] = adjusted
    return [float(v) for v in out]
