"""What a score is worth: guessing, the commonest answer, and knowing the format but not the question."""

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
        format_logprob: mean log-probability per answer token of the symbols' frequencies at each place (measured).
    """

    chance: float
    majority: float
    format_only: float
    format_logprob: float

    @property
    def score(self) -> float:
        """The highest exact match that needs no ability."""
        return max(self.chance, self.majority, self.format_only)


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
        format_logprob=float(logprob.mean()),
    )


def _answers(items: Items) -> NDArray[np.uint8]:
    """Return the answers ``(n, answer tokens)``: every item of a task has them at the same places."""
    return items.tokens[:, items.answer[0]]
