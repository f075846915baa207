"""What a score is worth: guessing, the commonest answer, knowing the format, and taking a hint without the question."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.abilities.items import Items, Task, training_items

_SAMPLE = 4000  # training items that the baselines learn from


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Scores on the test items that need no ability.

    Attributes:
        chance: exact match of a uniform guess among the symbols that can stand at each place (computed).
        majority: exact match of the commonest answer of the training items (measured).
        format_only: exact match of the commonest symbol at each place of the answer (measured).
        hint_only: exact match of the commonest answer to each hint of the question (measured); ``None`` for a task
            whose questions hold none.
        format_logprob: mean log-probability per answer token of the symbols' frequencies at each place (measured).
    """

    chance: float
    majority: float
    format_only: float
    hint_only: float | None
    format_logprob: float

    @property
    def score(self) -> float:
        """The highest exact match that needs no ability."""
        return max(self.chance, self.majority, self.format_only, self.hint_only or 0.0)


def measure_floor(task: Task, test: Items) -> Floor:
    """Measure the baselines of a task on its test items."""
    train = training_items(task, np.random.default_rng([29, *task.name.encode()]), _SAMPLE)
    seen, asked = _answers(train), _answers(test)
    rows, counts = np.unique(seen, axis=0, return_counts=True)
    table = np.stack([np.bincount(column, minlength=256) for column in seen.T]).astype(float)
    share = (table + 1e-3) / (table + 1e-3).sum(axis=1, keepdims=True)
    logprob = np.log(share[np.arange(asked.shape[1]), asked])
    return Floor(
        chance=task.chance,
        majority=float((asked == rows[counts.argmax()]).all(axis=1).mean()),
        format_only=float((asked == table.argmax(axis=1)).all(axis=1).mean()),
        hint_only=_hint_only(task, train, test) if task.hint else None,
        format_logprob=float(logprob.mean()),
    )


def _hint_only(task: Task, train: Items, test: Items) -> float:
    """Return the exact match of the commonest training answer among items with the same hint."""
    seen: dict[bytes, Counter[bytes]] = defaultdict(Counter)
    for hint, answer in _hinted(task, train):
        seen[hint][answer] += 1
    right = [bool(seen[hint]) and seen[hint].most_common(1)[0][0] == answer for hint, answer in _hinted(task, test)]
    return sum(right) / len(right)


def _hinted(task: Task, items: Items) -> Iterator[tuple[bytes, bytes]]:
    hints, answers = items.tokens[:, list(task.hint)], _answers(items)
    return ((hint.tobytes(), answer.tobytes()) for hint, answer in zip(hints, answers, strict=True))


def _answers(items: Items) -> NDArray[np.uint8]:
    """Return the answers ``(n, answer tokens)``: every item of a task has them at the same places."""
    return items.tokens[:, items.answer[0]]
