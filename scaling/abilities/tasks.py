"""The probe tasks: what each asks, drawn in bulk. A byte of its own opens every item, so that tasks do not mix.

Sources: key-value lookup and induction (Olsson et al. 2022, 2209.11895; Arora et al. 2023, 2312.04927), Boolean trees
(Nangia & Bowman 2018, 1804.06028), k-hop chasing (Sanford et al. 2024, 2402.09268), reversed addition (Lee et al. 2023,
2307.03381).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scaling.abilities.items import Items, Task, Tokens, rows_of, text

Draw = Callable[[np.random.Generator, int], Items]
Ints = NDArray[np.int64]

_UPPER, _LOWER = 65, 97  # ASCII of A and a
_LETTERS = 26
_VALUES = 8  # of a lookup
_QUERIES = 4
_WORD = 2  # letters of a word in the dictionary
_SENTENCE = 4  # words
_CIPHERED = 5  # letters
_BRACKETS = (b"([{<", b")]}>")


def lookup(level: int) -> Task:
    """Few-shot learning: pairs of a fresh mapping, then keys to be looked up."""

    def draw(rng: np.random.Generator, n: int) -> Items:
        keys = _distinct(rng, n, _LETTERS, level)
        values = rng.integers(0, _VALUES, (n, level))
        asked = rng.integers(0, level, (n, _QUERIES))
        parts: list[NDArray[np.generic]] = [text("\x01"), _woven(_LOWER + keys, _UPPER + values), text(":")]
        answers = [False, False, False]
        for i in range(_QUERIES):
            pick = asked[:, i : i + 1]
            parts += [_LOWER + np.take_along_axis(keys, pick, 1), _UPPER + np.take_along_axis(values, pick, 1)]
            answers += [False, True]
        return rows_of(parts, answers)

    return Task(name=f"lookup-{level}", length=2 + 2 * level + 2 * _QUERIES, draw=draw, chance=_VALUES**-_QUERIES)


def copy(level: int) -> Task:
    """Few-shot learning: a random string, then the same string again (induction)."""

    def draw(rng: np.random.Generator, n: int) -> Items:
        letters = _LOWER + rng.integers(0, _LETTERS, (n, level))
        return rows_of([text("\x02"), letters, text("="), letters], [False, False, False, True])

    return Task(name=f"copy-{level}", length=2 + 2 * level, draw=draw, chance=float(_LETTERS) ** -level)


def boolean(level: int) -> Task:
    """Reasoning: the value of a full tree of and, or, xor, in prefix notation; true is 1 or t, false 0 or f."""
    inner, leaves = 2**level - 1, 2**level

    def draw(rng: np.random.Generator, n: int) -> Items:
        operators, truth = rng.integers(0, 3, (n, inner)), rng.integers(0, 2, (n, leaves))
        names = np.array([list(b"0f"), list(b"1t")], dtype=np.uint8)[truth, rng.integers(0, 2, (n, leaves))]
        value = truth
        for depth in range(level - 1, -1, -1):
            first, second = value[:, ::2], value[:, 1::2]
            op = operators[:, 2**depth - 1 : 2 ** (depth + 1) - 1]
            value = np.select([op == 0, op == 1], [first & second, first | second], first ^ second)
        symbols = np.concatenate([np.frombuffer(b"&|^", dtype=np.uint8)[operators], names], axis=1)
        prefix = symbols[:, _prefix_order(level)]
        return rows_of([text("\x03"), prefix, text("="), ord("0") + value], [False, False, False, True])

    return Task(name=f"boolean-{level}", length=3 + inner + leaves, draw=draw, chance=0.5, hint=(1,))


def hops(level: int) -> Task:
    """Reasoning: arrows of a shuffled cycle of eight letters; where do so many steps lead?"""
    size = 8

    def draw(rng: np.random.Generator, n: int) -> Items:
        ring = _distinct(rng, n, _LETTERS, size)
        order = np.argsort(rng.random((n, size)), axis=1)
        source, target = (np.take_along_axis(ring, (order + step) % size, 1) for step in (0, 1))
        start = rng.integers(0, size, (n, 1))
        asked, found = (np.take_along_axis(ring, (start + step) % size, 1) for step in (0, level))
        arrows = _woven(_LOWER + source, _LOWER + target)
        return rows_of([text("\x04"), arrows, text("?"), _LOWER + asked, _LOWER + found], [False] * 4 + [True])

    return Task(name=f"hops-{level}", length=4 + 2 * size, draw=draw, chance=1 / size)


def brackets(level: int) -> Task:
    """Coding: so many open brackets of four kinds, some pairs closed between them; close what is open."""

    def draw(rng: np.random.Generator, n: int) -> Items:
        kinds = rng.integers(0, 4, (n, level))
        opened, closed = (np.frombuffer(row, dtype=np.uint8)[kinds] for row in _BRACKETS)
        pair = rng.integers(0, 4, n)
        inner = np.stack([np.frombuffer(row, dtype=np.uint8)[pair] for row in _BRACKETS], axis=1)
        at = rng.integers(1, level + 1, n)[:, None]  # where the closed pair stands
        places = np.arange(level + 2)
        before, after = opened[:, np.minimum(places, level - 1)], opened[:, np.clip(places - 2, 0, level - 1)]
        middle = np.where(places == at, inner[:, :1], inner[:, 1:])
        question = np.where(places < at, before, np.where(places < at + 2, middle, after))
        return rows_of([text("\x05"), question, text("="), closed[:, ::-1]], [False, False, False, True])

    return Task(name=f"brackets-{level}", length=4 + 2 * level, draw=draw, chance=4.0**-level)


def program(level: int) -> Task:
    """Coding: assignments of sums and differences modulo ten, each line using an earlier one; the last three values."""
    shown = min(3, level)

    def draw(rng: np.random.Generator, n: int) -> Items:
        names = _distinct(rng, n, _LETTERS, level)
        values = np.zeros((n, level), dtype=np.int64)
        lines: list[NDArray[np.generic]] = [text("\x06")]
        for i in range(level):
            number = rng.integers(0, 10, (n, 1))
            if i == 0:
                values[:, :1] = number
                lines.append(_columns(_LOWER + names[:, :1], "=", ord("0") + number, ";"))
                continue
            used = rng.integers(0, i, (n, 1))
            minus = rng.integers(0, 2, (n, 1))
            old = np.take_along_axis(values, used, 1)
            values[:, i : i + 1] = (old + np.where(minus == 1, -number, number)) % 10
            sign = np.where(minus == 1, ord("-"), ord("+"))
            used_name = _LOWER + np.take_along_axis(names, used, 1)
            lines.append(_columns(_LOWER + names[:, i : i + 1], "=", used_name, sign, ord("0") + number, ";"))
        parts, answers = [*lines, text("?")], [False] * (len(lines) + 1)
        return rows_of([*parts, ord("0") + values[:, -shown:]], [*answers, True])

    return Task(name=f"program-{level}", length=2 + 4 + 6 * (level - 1) + shown, draw=draw, chance=0.1**shown)


def dictionary(level: int) -> Task:
    """Translation: four words of a Zipf dictionary, each pair of words in the other order."""
    words = np.random.default_rng([19, level])
    source = _LOWER + _codes(words.permutation(_LETTERS**_WORD)[:level])
    target = _UPPER + _codes(words.permutation(_LETTERS**_WORD)[:level])
    weights = 1 / np.arange(2.0, level + 2)  # Zipf's law, the very first rank left out
    edges = np.cumsum(weights / weights.sum())

    def draw(rng: np.random.Generator, n: int) -> Items:
        picked = np.minimum(np.searchsorted(edges, rng.random((n, _SENTENCE))), level - 1)
        swapped = picked[:, [1, 0, 3, 2]]
        question, answer = source[picked].reshape(n, -1), target[swapped].reshape(n, -1)
        return rows_of([text("\x07"), question, text("="), answer], [False, False, False, True])

    length = 2 + 2 * _WORD * _SENTENCE
    return Task(name=f"dictionary-{level}", length=length, draw=draw, chance=float(level) ** -_SENTENCE)


def cipher(level: int) -> Task:
    """Translation: five letters, each replaced by another; ``level`` letters in the alphabet."""
    key = np.random.default_rng([23, level]).permutation(level)

    def draw(rng: np.random.Generator, n: int) -> Items:
        letters = rng.integers(0, level, (n, _CIPHERED))
        return rows_of([text("\x08"), _LOWER + letters, text("="), _UPPER + key[letters]], [False, False, False, True])

    return Task(name=f"cipher-{level}", length=2 + 2 * _CIPHERED, draw=draw, chance=float(level) ** -_CIPHERED)


def addition(level: int) -> Task:
    """Arithmetic: the sum of two numbers of so many digits, lowest digit first."""
    return _addition(level, "addition", "\x0b", reverse=True)


def sum_plain(level: int) -> Task:
    """Arithmetic: the same sum written highest digit first, which needs every carry before the first digit."""
    return _addition(level, "sum-plain", "\x0c", reverse=False)


def _addition(level: int, name: str, tag: str, *, reverse: bool) -> Task:
    def draw(rng: np.random.Generator, n: int) -> Items:
        a, b = rng.integers(0, 10**level, (2, n))
        total = _digits(a + b, level + 1)
        parts = [text(tag), _digits(a, level), text("+"), _digits(b, level), text("=")]
        return rows_of([*parts, total[:, ::-1] if reverse else total], [False] * 5 + [True])

    chance = 1 / (2 * 10.0**level)  # the highest digit is 0 or 1
    return Task(name=f"{name}-{level}", length=4 + 3 * level, draw=draw, chance=chance)


TASKS: Mapping[str, Callable[[int], Task]] = MappingProxyType(
    {
        "lookup": lookup,
        "copy": copy,
        "boolean": boolean,
        "hops": hops,
        "brackets": brackets,
        "program": program,
        "dictionary": dictionary,
        "cipher": cipher,
        "addition": addition,
        "sum-plain": sum_plain,
    }
)


def make_task(name: str) -> Task:
    """Return a task by the name that a sweep file gives it: ``TASK-LEVEL``."""
    kind, level = name.rsplit("-", 1)
    return TASKS[kind](int(level))


def _distinct(rng: np.random.Generator, n: int, size: int, count: int) -> Ints:
    """Draw ``count`` different numbers below ``size`` for each of n rows."""
    return np.asarray(np.argsort(rng.random((n, size)), axis=1)[:, :count], dtype=np.int64)


def _woven(first: Ints, second: Ints) -> Ints:
    """Return the columns of two arrays in turn."""
    return np.stack([first, second], axis=2).reshape(len(first), -1)


def _columns(*parts: Ints | str) -> Ints:
    """Join columns ``(n, 1)`` and literal characters."""
    n = max(len(p) for p in parts if not isinstance(p, str))
    filled = [np.broadcast_to(text(p), (n, len(p))) if isinstance(p, str) else p for p in parts]
    return np.concatenate([np.asarray(p, dtype=np.int64) for p in filled], axis=1)


def _codes(numbers: Ints) -> Ints:
    """Write numbers below 26² as two letters."""
    return np.stack([numbers // _LETTERS, numbers % _LETTERS], axis=1)


def _digits(numbers: Ints, count: int) -> Tokens:
    """Write numbers as so many decimal digits, highest first."""
    return (ord("0") + numbers[:, None] // 10 ** np.arange(count - 1, -1, -1) % 10).astype(np.uint8)


def _prefix_order(level: int) -> list[int]:
    """Return the preorder of a full binary tree whose nodes are numbered by rows, leaves last."""

    def visit(node: int) -> list[int]:
        if node >= 2**level - 1:
            return [node]
        return [node, *visit(2 * node + 1), *visit(2 * node + 2)]

    return visit(0)
