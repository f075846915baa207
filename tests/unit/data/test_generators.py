"""Made-up languages: the entropy that is told is the entropy of what is drawn, by enumeration of small ones."""

import itertools
import math

import numpy as np
import pytest

from scaling.data import load, prepare
from scaling.data.grammar import Grammar
from scaling.data.markov import Markov, entropy, zipf
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec, GrammarSpec, MarkovSpec


def markov_probability(language, context_tokens, token):
    digits = context_tokens[-language.order :]
    index = 0
    for digit in digits:
        index = index * len(language.frequencies) + digit
    likely = float((language.successors[index] == token) @ language.weights)
    return language.noise * language.frequencies[token] + (1 - language.noise) * likely


@pytest.mark.parametrize(("order", "context"), [(1, 1), (1, 4), (2, 1), (2, 2), (2, 4)])
def test_markov_entropy_is_that_of_all_windows_enumerated(order, context):
    language = Markov.of(MarkovSpec(order=order, symbols=4, successors=2, noise=0.3, seed=5))
    starts = language.contexts.reshape((4,) * order)
    joint = {}
    for text in itertools.product(range(4), repeat=context + 1):
        if order == 1:
            p, known = starts[text[0]], 1
        else:
            p, known = starts[text[0], text[1]], 2
        for i in range(known, context + 1):
            p *= markov_probability(language, text[:i], text[i])
        joint[text] = p
    assert sum(joint.values()) == pytest.approx(1)
    first = np.zeros(4)
    for text, p in joint.items():
        first[text[0]] += p
    expected = (entropy(np.array(list(joint.values()))) - entropy(first)) / context
    assert language.entropy_nats(context) == pytest.approx(expected, rel=1e-12)
    surprise = language.surprise_nats(np.array(list(joint))).sum(axis=1)
    told = [-math.log(p / first[text[0]]) for text, p in joint.items()]
    np.testing.assert_allclose(surprise, told, rtol=1e-9)


def test_markov_contexts_are_as_frequent_as_in_a_long_text():
    language = Markov.of(MarkovSpec(order=2, symbols=6, successors=2, noise=0.2))
    text = language.draw(200, 2_000, np.random.default_rng(0)).astype(int)
    counts = np.bincount((text[:, :-1] * 6 + text[:, 1:]).reshape(-1), minlength=36)
    np.testing.assert_allclose(counts / counts.sum(), language.contexts, atol=0.004)


def test_the_drawn_text_is_as_surprising_as_told():
    language = Markov.of(MarkovSpec())
    windows = language.draw(2_000, 65, np.random.default_rng(3))
    mean = language.surprise_nats(windows).mean(axis=1)
    assert mean.mean() == pytest.approx(language.entropy_nats(64), abs=4 * mean.std() / math.sqrt(2_000))


def test_grammar_entropy_is_that_of_all_sentences_enumerated():
    language = Grammar.of(GrammarSpec(depth=2, symbols=3, rules=2, seed=1))
    probabilities = {}
    for root, a, b, c in itertools.product(range(3), range(2), range(2), range(2)):
        left, right = language.rules[0, root, a]
        sentence = (*language.rules[1, left, b], *language.rules[1, right, c])
        weight = language.weights[a] * language.weights[b] * language.weights[c] / 3
        assert sentence not in probabilities  # one tree for each sentence
        probabilities[sentence] = weight
    values = np.array(list(probabilities.values()))
    assert values.sum() == pytest.approx(1)
    assert language.sentence_entropy_nats() == pytest.approx(entropy(values), rel=1e-12)
    drawn, surprise = language.draw(500, np.random.default_rng(0))
    np.testing.assert_allclose(surprise, [-math.log(probabilities[tuple(s)]) for s in drawn.astype(int)], rtol=1e-12)
    first = np.zeros(3)
    for sentence, p in probabilities.items():
        first[sentence[0]] += p
    np.testing.assert_allclose(language.first_tokens(), first)


@pytest.mark.parametrize("source", ["markov", "grammar"])
def test_a_language_is_a_corpus_with_its_entropy_told(source):
    spec = DataSpec.model_validate({"source": source, source: {"tokens": 200_000}, "context": 64})
    corpus = prepare(spec)
    identity = corpus.identity
    assert identity.source == source
    assert identity.train_tokens == 200_000
    assert identity.validation_bytes is None
    assert identity.validation_entropy_nats == pytest.approx(identity.entropy_nats, rel=0.02)
    assert prepare(spec).identity == identity
    np.testing.assert_array_equal(load(identity, corpus.location).train, corpus.train)
    other = prepare(DataSpec.model_validate({"source": source, source: {"tokens": 200_000, "seed": 1}, "context": 64}))
    assert other.identity.fingerprint != identity.fingerprint


def test_a_corpus_lost_from_the_cache_is_drawn_again(cache):
    corpus = prepare(DataSpec.model_validate({"source": "grammar", "grammar": {"tokens": 200_000}, "context": 64}))
    train = np.array(corpus.train)
    for file in (cache / "corpora").iterdir():
        file.unlink()
    np.testing.assert_array_equal(load(corpus.identity, corpus.location).train, train)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"source": "grammar", "context": 24}, "use a multiple of 16"),
        ({"source": "grammar", "grammar": {"symbols": 4}}, "more than data.grammar.symbols 4"),
        ({"source": "markov", "markov": {"symbols": 2}}, "more than data.markov.symbols 2"),
        ({"source": "markov", "markov": {"tokens": 1_000}}, "fewer than 16 windows"),
        ({"source": "markov", "tokenizer": "bpe"}, "data.tokenizer has no meaning with data.source: markov"),
        ({"dataset": "a/b"}, "it goes with huggingface"),
        ({"path": "a.txt", "split": "test"}, "data.path is given, so data.split has no meaning with it"),
    ],
)
def test_settings_that_cannot_be_are_refused(data, told):
    with pytest.raises(UsageError) as caught:
        prepare(DataSpec.model_validate(data))
    assert told in caught.value.render()


def test_zipf_is_exact_in_binary():
    for number in (2, 7, 64, 256):
        probabilities = zipf(number, 1.2)
        assert probabilities.sum() == 1
        assert (probabilities * 2**32 % 1 == 0).all()
        assert (np.diff(probabilities) <= 0).all()
