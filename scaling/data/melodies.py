"""Melodies from a probabilistic grammar of music, whose exact conditional entropy is known.

A tune has a key and bars of eight quavers. A middle bar repeats an earlier one of the tune, or is new: then each note's
pitch is a degree of the scale, which depends on the degree before and on the beat, its length on its place in the bar.
The last bar is the tonic. Choices and tokens determine each other, and windows hold whole tunes: the entropy of a token
is that of a tune's choices over its length, a sum over degrees that the notes may have reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from scaling.data.markov import Floats, entropy, thresholds
from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer.melody import FIRST_PITCH, HOLD, KEYS, LOWEST, NEW_BAR, REST, WORDS, MelodyTokenizer
from scaling.data.tunes import fault
from scaling.errors import UsageError
from scaling.spec.schema import MelodySpec

Ints = NDArray[np.int64]

QUAVERS = 8  # of a bar
_ONE = 2**32
_TRAIN, _VALIDATION = 1, 2  # streams of random numbers
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # semitones of the degrees: major, natural minor
_DEGREES = range(-3, 10)  # the tonic is 0, an octave above it 7
_STEPS = (1.0, 4.0, 2.5, 1.0, 0.7, 0.25, 0.1, 0.25)  # weights of intervals in degrees; wider ones count as the last
_ON_BEAT = 4.0  # how much likelier a note of the tonic's chord is on a strong beat
_LENGTHS = {1: 0.35, 2: 0.45, 4: 0.2}  # quavers; a note begins at a multiple of its length


@dataclass(frozen=True, slots=True)
class MelodiesSource:
    """A ``TokenSource`` that composes its own tunes, and checks those of a model."""

    spec: MelodySpec
    location: Mapping[str, object]
    name: str = "melodies"

    @property
    def starts(self) -> Sequence[str]:
        """Return the keys."""
        return KEYS[: self.spec.keys]

    @property
    def longest(self) -> int:
        """Words of a tune, its key among them."""
        return Melodies.of(self.spec).length

    def fault(self, text: str) -> str | None:
        """Return which rule a tune breaks, ``None`` where it keeps them all."""
        return fault(text, self.spec.bars)

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Compose training tunes and validation windows.

        Raises:
            UsageError: windows that do not hold whole tunes; too few of them.
        """
        spec, windows = self.spec, validation_tokens // context
        language = Melodies.of(spec)
        if context % language.length:
            raise UsageError(
                "data.broken_tunes",
                f"data.context {context} does not hold whole tunes of {language.length} tokens (data.melodies.bars)",
                why="the entropy is exact for whole tunes only",
                hint=f"use a multiple of {language.length}",
            )
        if windows < MIN_WINDOWS or (spec.tokens - 1) // context < MIN_WINDOWS:
            raise too_small(spec.tokens, validation_tokens, context, "data.melodies.tokens")
        train, _ = language.draw(-(-spec.tokens // language.length), np.random.default_rng([spec.seed, _TRAIN]))
        rng = np.random.default_rng([spec.seed, _VALIDATION])
        held, surprise = language.draw(windows * (context // language.length), rng)
        after = rng.integers(0, language.keys, size=(windows, 1), dtype=np.uint8)  # the key of the tune that follows
        return Split(
            train=train.reshape(-1)[: spec.tokens],
            validation=np.concatenate([held.reshape(windows, context), after], axis=1),
            validation_bytes=None,
            tokenizer=MelodyTokenizer(),
            entropy_nats=language.tune_entropy_nats() / language.length,
            # A window's first key is given and the next tune's is asked: every key is as likely.
            validation_entropy_nats=float(surprise.mean()) / language.length,
        )


@dataclass(frozen=True, slots=True)
class Melodies:
    """The language.

    Attributes:
        keys: of ``tokenizer.melody.KEYS``, the first so many.
        bars: of a tune.
        repeats: how likely a middle bar repeats an earlier one, each of them as often.
        pitches: of the next note by beat (weak, strong), degree before and degree; a rest comes last: shape
            ``(2, degrees, degrees + 1)``.
        lengths: of a note by its place in the bar: shape ``(quavers, quavers + 1)``, the second index the length.
        tonic: index of the tonic among the degrees.
    """

    keys: int
    bars: int
    repeats: float
    pitches: Floats
    lengths: Floats
    tonic: int

    @classmethod
    def of(cls, spec: MelodySpec) -> "Melodies":
        """Make the language of these settings."""
        degrees = np.array(_DEGREES)
        apart = np.minimum(np.abs(degrees[:, None] - degrees), len(_STEPS) - 1)
        weak = np.array(_STEPS)[apart]
        strong = weak * np.where(np.isin(degrees % 7, (0, 2, 4)), _ON_BEAT, 1.0)
        notes = np.stack([weak, strong])
        notes *= (1 - spec.rests) / notes.sum(axis=2, keepdims=True)
        pitches = np.concatenate([notes, np.full((*notes.shape[:2], 1), spec.rests)], axis=2)
        lengths = np.zeros((QUAVERS, QUAVERS + 1))
        for place in range(QUAVERS):
            for quavers, weight in _LENGTHS.items():
                lengths[place, quavers] = weight if place % quavers == 0 else 0.0
        lengths /= lengths.sum(axis=1, keepdims=True)
        repeats = round(spec.repeats * _ONE) / _ONE
        return cls(spec.keys, spec.bars, repeats, exact(pitches), exact(lengths), _DEGREES.index(0))

    @property
    def quavers(self) -> int:
        """Quavers of a bar."""
        return len(self.lengths)

    @property
    def length(self) -> int:
        """Tokens of a tune: its key, and for each bar the line and the quavers."""
        return 1 + self.bars * (1 + self.quavers)

    def draw(self, tunes: int, rng: np.random.Generator) -> tuple[Tokens, Floats]:
        """Compose tunes, shape ``(tunes, length)``, and −ln of the probability of each."""
        degrees, everyone = self.pitches.shape[1], np.arange(tunes)
        key = rng.integers(0, self.keys, size=tunes)
        surprise, last = np.full(tunes, log(self.keys)), np.full(tunes, self.tonic)
        bars = np.empty((self.bars, tunes, self.quavers), dtype=np.int64)  # degrees, then rest, then going on
        lines = np.full((self.bars, tunes), NEW_BAR)
        ends = np.empty((self.bars, tunes), dtype=np.int64)
        for bar in range(self.bars):
            if bar == self.bars - 1:
                bars[bar], last = degrees + 1, np.full(tunes, self.tonic)
                bars[bar, :, 0] = self.tonic
                continue
            bars[bar], told, ends[bar] = self._new_bar(last, rng)
            if bar:
                again = rng.integers(0, _ONE, size=tunes, dtype=np.uint64) < round(self.repeats * _ONE)
                which = rng.integers(0, bar, size=tunes)
                lines[bar] += np.where(again, which + 1, 0)
                bars[bar][again] = bars[which, everyone][again]
                ends[bar][again] = ends[which, everyone][again]
                chosen = -np.log(self.repeats / bar) if self.repeats else 0.0
                told = np.where(again, chosen, told - np.log1p(-self.repeats))
            surprise += told
            last = ends[bar]
        return self._written(key, lines, bars), surprise

    def _new_bar(self, last: Ints, rng: np.random.Generator) -> tuple[Ints, Floats, Ints]:
        """Compose one bar for each tune; return it, −ln of its probability, and the degree it ends on."""
        tunes, degrees = len(last), self.pitches.shape[1]
        pick_pitch = np.cumsum(self.pitches, axis=2)[:, :, :-1]
        bar, surprise = np.full((tunes, self.quavers), degrees + 1), np.zeros(tunes)
        until = np.zeros(tunes, dtype=np.int64)
        for place in range(self.quavers):
            numbers = rng.integers(0, _ONE, size=(2, tunes), dtype=np.uint64)
            begins, beat = until == place, self._beat(place)
            note = (numbers[0][:, None] / _ONE >= pick_pitch[beat, last]).sum(axis=1)
            quavers = np.searchsorted(thresholds(self.lengths[place]), numbers[1], side="right")
            told = -np.log(self.pitches[beat, last, note]) - np.log(self.lengths[place, quavers])
            bar[begins, place] = note[begins]
            surprise += np.where(begins, told, 0.0)
            until = np.where(begins, place + quavers, until)
            last = np.where(begins & (note < degrees), note, last)
        return bar, surprise, last

    def _beat(self, place: int) -> int:
        return int(place % max(self.quavers // 2, 1) == 0)

    def _written(self, key: Ints, lines: Ints, bars: Ints) -> Tokens:
        """Return tunes as tokens."""
        degrees = self.pitches.shape[1]
        scale = np.array(
            [[12 * (d // 7) + of[d % 7] for d in range(-self.tonic, degrees - self.tonic)] for of in _SCALES]
        )
        tonic = key // 2 + np.where(key // 2 > 6, 48, 60)
        pitch = tonic[:, None] + scale[key % 2] - LOWEST + FIRST_PITCH
        table = np.concatenate([pitch, np.full((len(key), 1), REST), np.full((len(key), 1), HOLD)], axis=1)
        notes = table[np.arange(len(key))[:, None, None], bars.swapaxes(0, 1)]
        tune = np.concatenate([lines.T[:, :, None], notes], axis=2).reshape(len(key), -1)
        return np.concatenate([key[:, None], tune], axis=1).astype(np.uint8)

    def tune_entropy_nats(self) -> float:
        """Return the entropy of a tune: that of its key, of the choice of each middle bar, of the notes of new ones."""
        within, moved = self._bar_entropy()
        last = np.eye(self.pitches.shape[1])[self.tonic]
        total, ends = log(self.keys) + float(last @ within), [last @ moved]
        share = self.repeats
        for bar in range(1, self.bars - 1):
            total += entropy(np.array([share, 1 - share])) + share * log(bar)
            total += (1 - share) * float(ends[-1] @ within)
            ends.append(share * np.mean(ends, axis=0) + (1 - share) * ends[-1] @ moved)
        return total

    def _bar_entropy(self) -> tuple[Floats, Floats]:
        """Return the entropy of a new bar by the degree before it, and how often it ends on each: backwards."""
        degrees = self.pitches.shape[1]
        left = [np.zeros(degrees) for _ in range(self.quavers + 1)]
        ends = [np.eye(degrees) for _ in range(self.quavers + 1)]
        for place in reversed(range(self.quavers)):
            table, of = self.pitches[self._beat(place)], self.lengths[place]
            stays = table[:, :-1] + np.diag(table[:, -1])  # a rest leaves the degree as it was
            steps = [(p, place + n) for n, p in enumerate(of) if p > 0]
            left[place] = np.array([entropy(row) for row in table]) + entropy(of)
            left[place] += stays @ sum(p * left[end] for p, end in steps)
            ends[place] = stays @ sum(p * ends[end] for p, end in steps)
        return left[0], ends[0]


def exact(rows: Floats) -> Floats:
    """Return probabilities along the last axis as whole multiples of 2⁻³²; what is possible stays so."""
    counts = np.where(rows > 0, np.maximum(np.round(rows * _ONE), 1), 0)
    largest = counts.argmax(axis=-1)[..., None]
    rest = _ONE - counts.sum(axis=-1, keepdims=True)
    np.put_along_axis(counts, largest, np.take_along_axis(counts, largest, axis=-1) + rest, axis=-1)
    whole: Floats = counts / _ONE
    return whole


assert len(WORDS) <= 256  # a token is a byte
