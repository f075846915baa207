"""Training windows in a seeded order, addressable by step: resuming needs no state."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.unsignedinteger]
"""Token numbers in the narrowest type that holds the vocabulary: uint8, uint16 or uint32."""


class TokenStream(Protocol):
    """What the training loop eats: windows by step. Wrap one to mix other windows into a corpus."""

    def batch(self, step: int) -> Tokens:
        """Return the windows of one step, from 0: shape ``(batch_windows, context + 1)``; same step, same windows."""

    def loss_mask(self, step: int) -> NDArray[np.bool_] | None:
        """Return which targets of that step count, shape ``(batch_windows, context)``; ``None``: all of them."""

    def tokens_unique(self, tokens: int) -> int:
        """Return how many distinct tokens the first ``tokens`` of the stream hold."""


class TokenRuns:
    """Runs of tokens inside larger arrays, such as the training parts of mapped files; no window leaves its run.

    Args:
        arrays: the files, mapped rather than loaded; windows are copied out of them.
        which: number of the array of each run, shape ``(runs,)``.
        starts: where in it the run begins.
        lengths: its tokens.
        fingerprint: what identifies all of them in order.
    """

    def __init__(
        self,
        arrays: Sequence[Tokens],
        which: NDArray[np.int64],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        fingerprint: str,
    ) -> None:
        self.fingerprint = fingerprint
        self._arrays, self._which, self._starts, self._lengths = arrays, which, starts, lengths
        self._firsts: dict[int, NDArray[np.int64]] = {}  # by context

    def __len__(self) -> int:
        return int(self._lengths.sum())

    def windows(self, context: int) -> int:
        """Return how many windows of ``context`` predicted tokens there are."""
        return int(self._first_windows(context)[-1])

    def take(self, picks: NDArray[np.int64], context: int) -> Tokens:
        """Return windows by number: shape ``(len(picks), context + 1)``."""
        firsts = self._first_windows(context)
        runs = np.searchsorted(firsts, picks, side="right") - 1
        starts = self._starts[runs] + (picks - firsts[runs]) * context
        width = context + 1
        return np.stack([self._arrays[a][s : s + width] for a, s in zip(self._which[runs], starts, strict=True)])

    def _first_windows(self, context: int) -> NDArray[np.int64]:
        """Return the number of each run's first window, and of all windows: shape ``(runs + 1,)``; kept."""
        if context not in self._firsts:
            in_runs = np.maximum((self._lengths - 1) // context, 0)
            self._firsts[context] = np.concatenate([[0], np.cumsum(in_runs)])
        return self._firsts[context]


class WindowStream:
    """Non-overlapping windows of the corpus, permuted anew each epoch: a ``TokenStream`` in which every token counts.

    Rows of what is no text come in the same order, whole.

    Every prefix of the order is a uniform sample of the corpus. The order depends on the seed alone, so that
    models of all sizes with one seed see the same tokens at the same step.

    Args:
        train: training tokens, shape ``(n,)``, or runs of them, or rows, shape ``(n, values)``.
        context: tokens predicted per window; tokens in a row.
        batch_windows: windows in a step.
        seed: of the permutation.
    """

    def __init__(self, train: Tokens | TokenRuns, context: int, batch_windows: int, seed: int) -> None:
        self.windows = _windows(train, context)
        self.context = context
        self.batch_windows = batch_windows
        self._train = train
        self._seed = seed
        self._offsets = np.arange(context + 1)
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def batch(self, step: int) -> Tokens:
        """Return the windows of one step, from 0: shape ``(batch_windows, context + 1)``, or as many rows."""
        first = step * self.batch_windows
        picks = np.asarray([self._window(i) for i in range(first, first + self.batch_windows)])
        if isinstance(self._train, TokenRuns):
            return self._train.take(picks, self.context)
        if self._train.ndim == 2:
            return np.asarray(self._train[picks])
        return self._train[picks[:, None] * self.context + self._offsets]

    def loss_mask(self, step: int) -> None:
        """Return ``None``: every token counts."""
        return

    def tokens_unique(self, tokens: int) -> int:
        """Return how many distinct tokens the first ``tokens`` of the stream hold."""
        return min(tokens, self.windows * self.context)

    def _window(self, index: int) -> int:
        epoch, position = divmod(index, self.windows)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(self.windows)
            self._epoch = epoch
        return int(self._order[position])


def _windows(train: Tokens | TokenRuns, context: int) -> int:
    if isinstance(train, TokenRuns):
        return train.windows(context)
    return len(train) if train.ndim == 2 else (len(train) - 1) // context
