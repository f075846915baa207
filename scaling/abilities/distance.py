"""How far a written answer is from the right one: the edit distance, for answers that are nearly right."""

import numpy as np
from numpy.typing import NDArray

from scaling.abilities.items import Tokens


def edit_similarity(written: Tokens, right: Tokens) -> NDArray[np.float64]:
    """Return ``1 - edit distance / length`` of each answer: 1 for the right one, 0 where nothing agrees.

    The distance is Levenshtein's (1966): insertions, deletions and replacements of one token.

    Args:
        written: answers, shape ``(n, length)``.
        right: the right ones, the same shape.
    """
    rows, length = right.shape
    before = np.broadcast_to(np.arange(length + 1.0), (rows, length + 1)).copy()
    for i in range(length):
        here = np.empty_like(before)
        here[:, 0] = i + 1
        for j in range(length):
            replaced = before[:, j] + (written[:, i] != right[:, j])
            here[:, j + 1] = np.minimum(replaced, np.minimum(before[:, j + 1], here[:, j]) + 1)
        before = here
    return np.asarray(1 - before[:, length] / length)
