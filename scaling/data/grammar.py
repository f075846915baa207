"""A probabilistic grammar: sentences with a tree inside, whose exact conditional entropy is known.

Every sentence is a binary tree of fixed depth. A symbol of one level expands to a pair of symbols of the level below by
one of its rules; no two symbols of a level share a pair, so a sentence has one tree, and its probability is the product
of the rules in it. Windows hold whole sentences: the entropy of a token is that of the tree over its leaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.data.markov import Floats, entropy, thresholds, zipf
from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer import SymbolTokenizer, token_dtype
from scaling.errors import UsageError
from scaling.spec.schema import GrammarSpec

_ONE = 2**32
_LANGUAGE, _TRAIN, _VALIDATION = 0, 1, 2  # streams of random numbers


@dataclass(frozen=True, slots=True)
class GrammarSource:
    """A ``TokenSource`` that draws its own text."""

    spec: GrammarSpec
    location: Mapping[str, object]
    name: str = "grammar"

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Draw training text and validation windows, sentence by sentence.

        Raises:
            UsageError: windows that do not hold whole sentences; more rules than there are pairs.
        """
        spec, windows, length = self.spec, validation_tokens // context, 2**self.spec.depth
        if context % length:
            raise UsageError(
                "data.broken_sentences",
                f"data.context {context} does not hold whole sentences of {length} tokens (data.grammar.depth)",
                why="the entropy is exact for whole sentences only",
                hint=f"use a multiple of {length}",
            )
        if windows < MIN_WINDOWS or (spec.tokens - 1) // context < MIN_WINDOWS:
            raise too_small(spec.tokens, validation_tokens, context, "data.grammar.tokens")
        language = Grammar.of(spec)
        train, _ = language.draw(-(-spec.tokens // length), np.random.default_rng([spec.seed, _TRAIN]))
        sentences = context // length + 1  # of the last one, a window holds the first token
        drawn, surprise = language.draw(windows * sentences, np.random.default_rng([spec.seed, _VALIDATION]))
        validation = drawn.reshape(windows, -1)[:, : context + 1]
        first = -np.log(language.first_tokens())
        known = surprise.reshape(windows, -1)[:, :-1].sum(axis=1) - first[validation[:, 0]] + first[validation[:, -1]]
        return Split(
            train=train.reshape(-1)[: spec.tokens],
            validation=np.ascontiguousarray(validation),
            validation_bytes=None,
            tokenizer=SymbolTokenizer(spec.symbols),
            entropy_nats=language.sentence_entropy_nats() / length,
            validation_entropy_nats=float(known.mean()) / context,
        )


@dataclass(frozen=True, slots=True)
class Grammar:
    """The language.

    Attributes:
        rules: children by level (the root's first), symbol and rule: shape ``(depth, symbols, rules, 2)``.
        weights: how often a symbol takes each of its rules, shape ``(rules,)``.
    """

    rules: NDArray[np.int64]
    weights: Floats

    @classmethod
    def of(cls, spec: GrammarSpec) -> "Grammar":
        """Make the language of these settings. Raises ``UsageError`` for more rules than symbols."""
        if spec.rules > spec.symbols:
            raise UsageError(
                "data.too_many_rules",
                f"data.grammar.rules {spec.rules} is more than data.grammar.symbols {spec.symbols}",
                why="each pair of symbols has one parent, so that a sentence has one tree",
                hint="give a symbol fewer rules, or more symbols",
            )
        rng = np.random.default_rng([spec.seed, _LANGUAGE])
        pairs = [rng.permutation(spec.symbols**2)[: spec.symbols * spec.rules] for _ in range(spec.depth)]
        rules = np.stack([np.stack(np.divmod(level, spec.symbols), axis=-1) for level in pairs])
        return cls(rules.reshape(spec.depth, spec.symbols, spec.rules, 2), zipf(spec.rules, 1.0))

    def draw(self, sentences: int, rng: np.random.Generator) -> tuple[Tokens, Floats]:
        """Draw sentences, shape ``(sentences, 2 ** depth)``, and −ln of the probability of each."""
        symbols = self.rules.shape[1]
        text = rng.integers(0, symbols, size=(sentences, 1))
        surprise = np.full(sentences, np.log(symbols))
        costs, ends = -np.log(self.weights), thresholds(self.weights)
        for level in self.rules:
            chosen = np.searchsorted(ends, rng.integers(0, _ONE, size=text.shape, dtype=np.uint64), side="right")
            surprise += costs[chosen].sum(axis=1)
            text = level[text, chosen].reshape(sentences, -1)
        return text.astype(token_dtype(symbols)), surprise

    def sentence_entropy_nats(self) -> float:
        """Return the entropy of a sentence: that of its root, plus that of a rule at every inner node of its tree."""
        depth, symbols = self.rules.shape[:2]
        return float(np.log(symbols) + (2**depth - 1) * entropy(self.weights))

    def first_tokens(self) -> Floats:
        """Return how often each symbol begins a sentence, shape ``(symbols,)``."""
        symbols = self.rules.shape[1]
        share = np.full(symbols, 1 / symbols)
        for level in self.rules:
            share = np.bincount(level[:, :, 0].reshape(-1), np.outer(share, self.weights).reshape(-1), symbols)
        return share
