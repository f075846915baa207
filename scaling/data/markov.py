"""A Markov source: a language whose exact conditional entropy is known at every context length.

The next token depends on the one or two before it. With probability ``noise`` it is drawn from Zipf's law over the
vocabulary whatever the context, else from a few successors of that context, whose weights are Zipf's again.
Probabilities are whole multiples of 2⁻³², so that what is drawn is exactly what is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer import SymbolTokenizer, token_dtype
from scaling.errors import UsageError
from scaling.spec.schema import MarkovSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ONE = 2**32
_ZIPF = 1.2  # exponent of the frequencies of symbols
_CHAIN_WINDOWS = 64  # the text is made of chains at least this long
_MAX_CHAINS = 1_024  # drawn side by side
_LANGUAGE, _TRAIN, _VALIDATION = 0, 1, 2  # streams of random numbers


@dataclass(frozen=True, slots=True)
class MarkovSource:
    """A ``TokenSource`` that draws its own text."""

    spec: MarkovSpec
    location: Mapping[str, object]
    name: str = "markov"

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Draw training text, and validation windows that begin anywhere in it."""
        spec, windows = self.spec, validation_tokens // context
        if windows < MIN_WINDOWS or (spec.tokens - 1) // context < MIN_WINDOWS:
            raise too_small(spec.tokens, validation_tokens, context, "data.markov.tokens")
        language = Markov.of(spec)
        chains = min(max(spec.tokens // (_CHAIN_WINDOWS * context), 1), _MAX_CHAINS)
        length = -(-spec.tokens // (chains * context)) * context
        train = language.draw(chains, length, np.random.default_rng([spec.seed, _TRAIN])).reshape(-1)[: spec.tokens]
        validation = language.draw(windows, context + 1, np.random.default_rng([spec.seed, _VALIDATION]))
        return Split(
            train=train,
            validation=validation,
            validation_bytes=None,
            tokenizer=SymbolTokenizer(spec.symbols),
            entropy_nats=language.entropy_nats(context),
            validation_entropy_nats=float(language.surprise_nats(validation).mean()),
        )


@dataclass(frozen=True, slots=True)
class Markov:
    """The language.

    Attributes:
        order: tokens that the next one depends on.
        frequencies: of the noise, shape ``(symbols,)``.
        successors: of each context, shape ``(symbols ** order, k)``; a context is its tokens as digits.
        weights: of the successors, shape ``(k,)``.
        noise: share of tokens that ignore the context.
        contexts: how often each context occurs, shape ``(symbols ** order,)``.
    """

    order: int
    frequencies: Floats
    successors: Ints
    weights: Floats
    noise: float
    contexts: Floats

    @classmethod
    def of(cls, spec: MarkovSpec) -> "Markov":
        """Make the language of these settings. Raises ``UsageError`` for more successors than symbols."""
        if spec.successors > spec.symbols:
            raise UsageError(
                "data.too_many_successors",
                f"data.markov.successors {spec.successors} is more than data.markov.symbols {spec.symbols}",
                hint="give a context fewer successors, or more symbols",
            )
        frequencies = zipf(spec.symbols, _ZIPF)
        rng = np.random.default_rng([spec.seed, _LANGUAGE])
        rank = -np.log1p(-rng.random((spec.symbols**spec.order, spec.symbols))) / frequencies
        successors = np.argsort(rank, axis=1, kind="stable")[:, : spec.successors]  # Efraimidis & Spirakis 2006
        weights, noise = zipf(spec.successors, 1.0), round(spec.noise * _ONE) / _ONE
        contexts = _stationary(spec.order, frequencies, successors, weights, noise)
        return cls(spec.order, frequencies, successors, weights, noise, contexts)

    def draw(self, chains: int, length: int, rng: np.random.Generator) -> Tokens:
        """Draw texts side by side, each beginning as if in the middle of one: shape ``(chains, length)``."""
        symbols = len(self.frequencies)
        cumulative = np.cumsum(self.contexts)
        context = np.searchsorted(cumulative, rng.random(chains) * cumulative[-1], side="right")
        text = np.empty((length, chains), dtype=token_dtype(symbols))
        for position in range(min(self.order, length)):
            text[position] = context // symbols ** (self.order - 1 - position) % symbols
        noisy_below, pick, free = round(self.noise * _ONE), thresholds(self.weights), thresholds(self.frequencies)
        for position in range(self.order, length):
            numbers = rng.integers(0, _ONE, size=(3, chains), dtype=np.uint64)
            chosen = self.successors[context, np.searchsorted(pick, numbers[1], side="right")]
            noise = np.searchsorted(free, numbers[2], side="right")
            token = np.where(numbers[0] < noisy_below, noise, chosen)
            text[position] = token
            context = (context * symbols + token) % symbols**self.order
        return np.ascontiguousarray(text.T)

    def entropy_nats(self, context: int) -> float:
        """Return the exact conditional entropy of a token, averaged over the predicted positions of a window.

        A window begins anywhere, so its first prediction knows one token, the next two, and so on: with order 2 the
        first is less certain than the rest.
        """
        spread = self.noise * self.frequencies
        raised = spread[self.successors]
        likely = raised + (1 - self.noise) * self.weights
        each = entropy(spread) + (raised * np.log(raised) - likely * np.log(likely)).sum(axis=1)
        rate = float(self.contexts @ each)
        if self.order == 1:
            return rate
        pairs = self._pairs()
        first = entropy(pairs) - entropy(pairs.sum(axis=1))
        return (first + (context - 1) * rate) / context

    def surprise_nats(self, windows: Tokens) -> Floats:
        """Return −ln p of every predicted token, given those before it in its window: shape ``(n, context)``."""
        symbols, tokens = len(self.frequencies), windows.astype(np.int64)
        before = tokens[:, :-1]
        if self.order == 2:
            before = tokens[:, :-2] * symbols + tokens[:, 1:-1]
        after = tokens[:, self.order :]
        likely = (self.successors[before] == after[..., None]) @ self.weights
        surprise: Floats = -np.log(self.noise * self.frequencies[after] + (1 - self.noise) * likely)
        if self.order == 1:
            return surprise
        pairs = self._pairs()
        first = -np.log(pairs / pairs.sum(axis=1, keepdims=True))[tokens[:, 0], tokens[:, 1]]
        return np.concatenate([first[:, None], surprise], axis=1)

    def _pairs(self) -> Floats:
        symbols = len(self.frequencies)
        return self.contexts.reshape(symbols, symbols)


def zipf(number: int, exponent: float) -> Floats:
    """Return probabilities ∝ rank^−exponent as whole multiples of 2⁻³², none of them zero."""
    ideal = np.arange(1, number + 1) ** -exponent
    counts: Floats = np.maximum(np.round(ideal / ideal.sum() * _ONE), 1)
    counts[0] += _ONE - counts.sum()
    return counts / _ONE


def thresholds(probabilities: Floats) -> NDArray[np.uint64]:
    """Return the upper ends, below 2³², of the intervals that stand for each outcome but the last."""
    return (np.cumsum(probabilities)[:-1] * _ONE).astype(np.uint64)


def entropy(probabilities: Floats) -> float:
    """Return −Σ p ln p, in nats."""
    some = probabilities[probabilities > 0]
    return float(-(some * np.log(some)).sum())


def _stationary(order: int, frequencies: Floats, successors: Ints, weights: Floats, noise: float) -> Floats:
    """Return how often each context occurs, by power iteration: noise forgets the start geometrically."""
    symbols = len(frequencies)
    number = symbols**order
    share = np.full(number, 1 / number)
    kept = np.arange(number) % symbols ** (order - 1)  # what of a context stays in the next
    targets = (kept[:, None] * symbols + successors).reshape(-1)
    for _ in range(100_000):
        moved = np.bincount(targets, (share[:, None] * weights).reshape(-1), minlength=number)
        free = np.bincount(kept, share, minlength=symbols ** (order - 1))
        new: Floats = (1 - noise) * moved + noise * np.outer(free, frequencies).reshape(-1)
        if np.abs(new - share).sum() < 1e-14:
            break
        share = new
    return new
