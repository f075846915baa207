"""Items of a probe: fixed-length token rows with a mask on the answer, split into training and test by their content.

An item belongs to the test set when the hash of its question says so, wherever and whenever it is drawn: no test
question can be trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_TEST_SHARE = 8  # one item in so many
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd: 2^64 over the golden ratio (Knuth's multiplicative hashing)
_TEST_DRAWS = 400  # batches drawn at most for a test set: small tasks have few distinct questions
PAD = ord("\n")


@dataclass(frozen=True, slots=True)
class Items:
    """Token rows ``(n, length)`` and which of their tokens are the answer."""

    tokens: Tokens
    answer: Mask

    def take(self, rows: NDArray[np.intp] | Mask) -> "Items":
        """Return some of the rows."""
        return Items(self.tokens[rows], self.answer[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One probe task at one level of difficulty.

    Attributes:
        name: such as ``lookup-4``.
        length: tokens in an item.
        draw: generator, n -> n items, test and training ones alike.
        chance: exact match of guessing each answer token uniformly among those that can stand there.
        hint: places of the question that alone tell something of the answer, such as the operator at the root of a
            tree: what a model scores by them needs no ability.
    """

    name: str
    length: int
    draw: Callable[[np.random.Generator, int], Items]
    chance: float
    hint: tuple[int, ...] = ()


def is_test(items: Items) -> Mask:
    """Return which items are test items: by a hash of everything but the answer."""
    question = np.where(items.answer, 0, items.tokens).astype(np.uint64)
    state = np.zeros(len(question), dtype=np.uint64)
    for column in question.T:
        state = (state ^ column) * _MULTIPLIER
        state ^= state >> np.uint64(29)
    return np.asarray(state % np.uint64(_TEST_SHARE) == 0)


def training_items(task: Task, rng: np.random.Generator, count: int) -> Items:
    """Draw training items."""
    found: list[Items] = []
    missing = count
    while missing > 0:
        drawn = task.draw(rng, missing + missing // 4 + 8)
        kept = drawn.take(~is_test(drawn))
        found.append(kept)
        missing -= len(kept.tokens)
    return joined(found).take(np.arange(count))


def test_items(task: Task, count: int) -> Items:
    """Return the test items of a task: distinct, the same for every model; fewer where the task has no more."""
    rng = np.random.default_rng([ord(c) for c in task.name])
    seen: dict[bytes, tuple[Tokens, Mask]] = {}
    for _ in range(_TEST_DRAWS):
        drawn = task.draw(rng, 8 * count)
        kept = drawn.take(is_test(drawn))
        for row, mask in zip(kept.tokens, kept.answer, strict=True):
            seen.setdefault(row.tobytes(), (row, mask))
        if len(seen) >= count:
            break
    rows = list(seen.values())[:count]
    return Items(np.stack([r for r, _ in rows]), np.stack([m for _, m in rows]))


def pack(items: Items, context: int, per: int | None = None) -> tuple[Tokens, Mask]:
    """Lay items one after another into windows, ``per`` to a window; as many as fit by default.

    Returns:
        Windows ``(n, context + 1)``, filled up with newlines, and the mask of their targets ``(n, context)``.
    """
    per = per or (context + 1) // items.tokens.shape[1]
    windows = -(-len(items.tokens) // per)
    tokens = np.full((windows, context + 1), PAD, dtype=np.uint8)
    mask = np.zeros((windows, context + 1), dtype=bool)
    for i in range(per):
        rows, at = items.take(np.arange(i, len(items.tokens), per)), i * items.tokens.shape[1]
        tokens[: len(rows.tokens), at : at + rows.tokens.shape[1]] = rows.tokens
        mask[: len(rows.tokens), at : at + rows.tokens.shape[1]] = rows.answer
    return tokens, mask[:, 1:]


def unpack(values: NDArray[np.float64], items: Items, context: int, per: int | None = None) -> NDArray[np.float64]:
    """Return values of targets ``(windows, context)`` by item ``(n, length)``: the inverse of ``pack``."""
    n, length = items.tokens.shape
    per = per or (context + 1) // length
    full = np.concatenate([np.full((len(values), 1), np.nan), values], axis=1)[:, : per * length]
    return np.asarray(full.reshape(-1, length)[:n], dtype=float)


def rows_of(parts: list[NDArray[np.generic]], answers: list[bool]) -> Items:
    """Join columns ``(n,)`` or ``(n, k)`` of bytes into items; ``answers`` says which parts are answers."""
    n = max(len(p) for p in parts)
    blocks, masks = [], []
    for part, answer in zip(parts, answers, strict=True):
        block = np.broadcast_to(part.reshape(len(part), -1), (n, part.size // len(part)))
        blocks.append(block.astype(np.uint8))
        masks.append(np.full(block.shape, answer))
    return Items(np.concatenate(blocks, axis=1), np.concatenate(masks, axis=1))


def text(characters: str) -> Tokens:
    """Return one row of bytes ``(1, k)``."""
    return np.frombuffer(characters.encode(), dtype=np.uint8)[None]


def joined(parts: list[Items]) -> Items:
    """Return the rows of several, one after another."""
    return Items(np.concatenate([p.tokens for p in parts]), np.concatenate([p.answer for p in parts]))
