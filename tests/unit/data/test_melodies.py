"""Melodies: the entropy that is told is that of what is composed, by enumeration and by reading tokens one by one."""

import itertools
import math

import numpy as np
import pytest

from scaling.data import checker_of, load, prepare
from scaling.data.markov import entropy
from scaling.data.melodies import Melodies, MelodiesSource, exact
from scaling.data.tokenizer import MelodyTokenizer, find
from scaling.data.tokenizer.melody import FIRST_PITCH, HOLD, NEW_BAR, REST, abc
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec, MelodySpec

TINY = Melodies(
    keys=2,
    bars=4,
    repeats=0.25,
    pitches=exact(np.array([[[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]], [[0.2, 0.7, 0.1], [0.6, 0.2, 0.2]]])),
    lengths=np.array([[0.0, 0.75, 0.25], [0.0, 1.0, 0.0]]),
    tonic=0,
)


def read(language, tune):
    """Yield the probability of each token after the key, given those before it: a reader written for the test."""
    degrees = language.pitches.shape[1]
    key = int(tune[0])
    major = (0, 2, 4, 5, 7, 9, 11) if key % 2 == 0 else (0, 2, 3, 5, 7, 8, 10)
    home = (60 if key < 14 else 48) + key // 2
    degree_of = {}
    for i in range(degrees):
        octave, step = divmod(i - language.tonic, 7)
        degree_of[home + 12 * octave + major[step] - 50 + FIRST_PITCH] = i
    per_bar, last, ends, bars = language.quavers, language.tonic, [], []
    for bar in range(language.bars):
        at = 1 + bar * (per_bar + 1)
        line, notes = int(tune[at]), [int(t) for t in tune[at + 1 : at + 1 + per_bar]]
        if bar == language.bars - 1:
            assert line == NEW_BAR
            assert degree_of[notes[0]] == language.tonic
            assert set(notes[1:]) <= {HOLD}
            yield from [1.0] * (per_bar + 1)
            return
        again = line - NEW_BAR
        middle = bar > 0
        yield language.repeats / bar if again else 1 - language.repeats * middle
        if again:
            assert notes == bars[again - 1]
            yield from [1.0] * per_bar
            last = ends[again - 1]
        else:
            place, elapsed = None, 0
            assert notes[0] != HOLD
            for i, token in enumerate(notes):
                p = 1.0
                if place is not None:  # does what sounds go on?
                    lengths = language.lengths[place]
                    on = lengths[elapsed + 1 :].sum() / lengths[elapsed:].sum()
                    p *= on if token == HOLD else 1 - on
                if token == HOLD:
                    elapsed += 1
                else:
                    place, elapsed = i, 1
                    beat = int(i % max(per_bar // 2, 1) == 0)
                    p *= language.pitches[beat, last, degrees if token == REST else degree_of[token]]
                    last = last if token == REST else degree_of[token]
                yield float(p)
        ends.append(last)
        bars.append(notes)


def all_tunes(language):
    """Return every tune that can be, found by trying every bar in every place."""
    notes = (HOLD, REST, *(FIRST_PITCH + 60 - 50 + semitones for semitones in (0, 2)))
    new = [bar for bar in itertools.product(notes, repeat=2) if bar[0] != HOLD]
    last = (notes[2], HOLD)
    tunes = []
    for first in new:
        for second in [(1, first), *((0, bar) for bar in new)]:
            for third in [(1, first), (2, second[1]), *((0, bar) for bar in new)]:
                lines = [(0, first), second, third, (0, last)]
                tunes.append([0, *(x for line, bar in lines for x in (NEW_BAR + line, *bar))])
    return tunes


def test_the_entropy_of_a_tune_is_that_of_all_tunes_enumerated():
    tunes = all_tunes(TINY)
    assert len({tuple(t) for t in tunes}) == len(tunes)
    probabilities = np.array([math.prod(read(TINY, tune)) for tune in tunes])
    assert probabilities.sum() == pytest.approx(1, abs=1e-9)
    assert TINY.tune_entropy_nats() == pytest.approx(math.log(2) + entropy(probabilities), rel=1e-8)
    drawn, _ = TINY.draw(4_000, np.random.default_rng(0))
    in_c = drawn[drawn[:, 0] == 0]
    assert {tuple(map(int, t)) for t in in_c} <= {tuple(t) for t in tunes}


def test_tunes_are_as_surprising_as_a_reader_of_their_tokens_finds_them():
    language = Melodies.of(MelodySpec())
    tunes, surprise = language.draw(300, np.random.default_rng(1))
    told = [math.log(language.keys) - math.fsum(map(math.log, read(language, tune))) for tune in tunes]
    np.testing.assert_allclose(surprise, told, rtol=1e-9)


def test_composed_tunes_are_as_surprising_as_their_entropy():
    language = Melodies.of(MelodySpec())
    _, surprise = language.draw(4_000, np.random.default_rng(2))
    assert surprise.mean() == pytest.approx(language.tune_entropy_nats(), abs=4 * surprise.std() / math.sqrt(4_000))


def test_tunes_are_a_corpus_with_its_entropy_told():
    spec = DataSpec(source="melodies", context=128, melodies=MelodySpec(tokens=200_000))
    corpus = prepare(spec)
    identity = corpus.identity
    assert identity.train_tokens == 200_000
    assert identity.entropy_nats == pytest.approx(Melodies.of(spec.melodies).tune_entropy_nats() / 64)
    assert identity.validation_entropy_nats == pytest.approx(identity.entropy_nats, rel=0.02)
    assert (corpus.validation[:, [0, 64, 128]] < 24).all()  # whole tunes, and the key of the next one
    np.testing.assert_array_equal(load(identity, corpus.location).train, corpus.train)
    assert isinstance(find(identity, None), MelodyTokenizer)


def test_tunes_without_repeats_or_rests_have_none():
    tunes, _ = Melodies.of(MelodySpec(repeats=0, rests=0)).draw(200, np.random.default_rng(0))
    assert not np.isin(tunes, [REST, *range(NEW_BAR + 1, HOLD)]).any()


def test_windows_hold_whole_tunes():
    with pytest.raises(UsageError, match="use a multiple of 64"):
        prepare(DataSpec(source="melodies", context=100))
    with pytest.raises(UsageError, match="fewer than 16 windows"):
        prepare(DataSpec(source="melodies", context=128, melodies=MelodySpec(tokens=1_000)))


def test_words_and_abc():
    tokenizer = MelodyTokenizer()
    words = "K:Am | A4 - C5 - z - - - | F#4 F4 F#4 - - - - -"
    tokens = tokenizer.prompt(words)
    assert tokenizer.decode(tokens) == f" {words}"
    assert abc(tokens) == "X:1\nL:1/8\nM:4/4\nK:C\n% K:Am\nA2 c2 z4|^F =F ^F6|]\n"
    assert abc(tokens[1:3]) == "X:1\nL:1/8\nM:4/4\nK:C\nA|]\n"
    assert abc([*tokens, *tokens]).count("|]") == 2
    with pytest.raises(UsageError, match="'H4' is no event"):
        tokenizer.prompt("K:C | H4")


def possible(language, tune):
    try:
        return all(p > 0 for p in read(language, tune))
    except (AssertionError, KeyError, IndexError, ZeroDivisionError):
        return False


def test_rules_hold_for_all_that_can_be_composed_and_for_nothing_else():
    spec = MelodySpec(bars=4)
    language, source, words = Melodies.of(spec), MelodiesSource(spec, {}), MelodyTokenizer()
    rng = np.random.default_rng(3)
    tunes, _ = language.draw(200, rng)
    assert [source.fault(words.decode(tune)) for tune in tunes] == [None] * 200
    changed = tunes.copy()
    at = rng.integers(1, language.length, size=200)
    changed[np.arange(200), at] = rng.integers(NEW_BAR, words.vocab_size, size=200)
    judged = [source.fault(words.decode(tune)) is None for tune in changed]
    assert judged == [possible(language, tune) for tune in changed]
    assert 0 < sum(judged) < 100


def test_a_broken_rule_is_named():
    source = MelodiesSource(MelodySpec(bars=3), {})
    held = " - - - - - - -"
    first, last = "| C4 - E4 - G4 - - -", "| C4" + held
    assert source.fault(f"K:C {first} |1 {first[2:]} {last}") is None
    for tune, why in (
        (f"{first} {first} {last}", "it begins with no key"),
        (f"K:C {first} {last}", "18 words after its key, not 27"),
        (f"K:C {first} |2 {first[2:]} {last}", "bar 2: |2 is no bar line, or repeats a bar that is not there"),
        (f"K:C {first} |1 C4 - E4 - E4 - - - {last}", "bar 2: not what |1 repeats"),
        (f"K:C {first} | C#4 - E4 - G4 - - - {last}", "bar 2: C#4 is not in the scale"),
        (f"K:C {first} | C4 - - E4 - G4 - - {last}", "bar 2: 3 quavers from place 1 on"),
        (f"K:C {first} | - C4 - - - - - - {last}", "bar 2: nothing sounds that could go on"),
        (f"K:C {first} {first} | E4{held}", "bar 3: the last one is not the tonic, held"),
    ):
        assert source.fault(tune) == why


def test_the_corpus_of_a_trial_has_its_rules():
    corpus = prepare(DataSpec(source="melodies", context=128, melodies=MelodySpec(tokens=200_000)))
    checker = checker_of(corpus.identity, corpus.location)
    assert checker.longest == 64
    assert len(checker.starts) == 24
