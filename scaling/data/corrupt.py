"""Rows of a corpus with something hidden or changed at random: the same for every size, and after a resume."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.data.stream import Tokens, TokenStream

Rows = NDArray[Any]
Corrupt = Callable[[Rows, np.random.Generator], Rows]
"""Makes of rows ``(B, …)`` what a model is shown and asked, row for row."""

_VALIDATION = 0x76616C  # keeps the draws of validation apart from those of every seed and step


class CorruptedStream:
    """A ``TokenStream`` whose rows are corrupted; what is drawn depends on seed and step alone.

    Args:
        stream: the rows.
        corrupt: changes them.
        seed: of the trial.
    """

    def __init__(self, stream: TokenStream, corrupt: Corrupt, seed: int) -> None:
        self._stream, self._corrupt, self._seed = stream, corrupt, seed

    def batch(self, step: int) -> Tokens:
        """Return the rows of one step, from 0."""
        return self._corrupt(self._stream.batch(step), np.random.default_rng([self._seed, step]))

    def loss_mask(self, step: int) -> NDArray[np.bool_] | None:
        """Return what the stream says."""
        return self._stream.loss_mask(step)

    def tokens_unique(self, tokens: int) -> int:
        """Return what the stream says: a text masked anew is the same text."""
        return self._stream.tokens_unique(tokens)


def corrupt_validation(rows: Rows, corrupt: Corrupt) -> Rows:
    """Return the validation rows corrupted once and for all: the same for every size, seed and recipe."""
    return corrupt(rows, np.random.default_rng([_VALIDATION, len(rows), 1]))
