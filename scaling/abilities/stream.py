"""Probe windows mixed into a corpus at a set share: a stream of windows with a mask on what is trained.

Windows of text count whole; of a probe window only the answers count. Which windows of a step are probes depends on
the step alone, and what stands in them on the seed, so that models of all sizes see the same.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.abilities.items import Items, Mask, Task, Tokens, joined, pack, training_items
from scaling.abilities.score import fill_in

if TYPE_CHECKING:
    from scaling.models import Filling

_CHUNK_WINDOWS = 128  # drawn at once
_CHUNK_ITEMS = 256  # likewise


class TextStream(Protocol):
    """The corpus, one window a step."""

    def batch(self, step: int) -> NDArray[np.unsignedinteger]:
        """Return the windows of a step: shape ``(1, context + 1)``."""
        ...

    def tokens_unique(self, tokens: int) -> int:
        """Return how many distinct tokens the first ``tokens`` of the text hold."""
        ...


class ProbeWindows:
    """The training windows of one task, by number."""

    def __init__(self, task: Task, context: int, seed: int) -> None:
        self._task, self._context, self._seed = task, context, seed
        self._per = (context + 1) // task.length
        self._chunk = -1
        self._windows: Tokens = np.empty((0, 0), dtype=np.uint8)
        self._mask: Mask = np.empty((0, 0), dtype=bool)

    def window(self, number: int) -> tuple[Tokens, Mask]:
        """Return window ``number`` and the mask of its targets."""
        chunk, row = divmod(number, _CHUNK_WINDOWS)
        if chunk != self._chunk:
            rng = np.random.default_rng([self._seed, chunk, *self._task.name.encode()])
            items = training_items(self._task, rng, _CHUNK_WINDOWS * self._per)
            self._windows, self._mask = pack(items, self._context)
            self._chunk = chunk
        return self._windows[row], self._mask[row]


class ItemStream:
    """A ``TokenStream`` of so many items of a task and no others, in a new order each pass; only answers count.

    The items of fewer are the first of more, so that amounts of data are nested.

    Args:
        task: the task.
        count: its items.
        context: tokens predicted per window.
        batch_windows: windows in a step.
        seed: of the items and their order.
        places: tokens of a window; by default one more than are predicted.
        per: items to a window; as many as fit by default.
    """

    def __init__(
        self,
        task: Task,
        count: int,
        context: int,
        batch_windows: int,
        seed: int,
        places: int | None = None,
        per: int | None = None,
    ) -> None:
        self._context, self._batch, self._seed, self._count = context, batch_windows, seed, count
        self._places = context + 1 if places is None else places
        self._per = per or self._places // task.length
        self._items = nested_items(task, count, seed)
        self._order = (-1, np.empty(0, dtype=np.intp))

    def batch(self, step: int) -> NDArray[np.unsignedinteger]:
        """Return the windows of one step, from 0: shape ``(batch_windows, places)``."""
        return self._step(step)[0]

    def loss_mask(self, step: int) -> Mask:
        """Return which targets of that step count: shape ``(batch_windows, places - 1)``."""
        return self._step(step)[1]

    def tokens_unique(self, tokens: int) -> int:
        """Return how many distinct tokens the first ``tokens`` hold, in windows as they are trained."""
        return min(tokens, -(-self._count // self._per) * self._context)

    def _step(self, step: int) -> tuple[Tokens, Mask]:
        first = step * self._batch * self._per
        rows = np.asarray([self._item(i) for i in range(first, first + self._batch * self._per)])
        return pack(self._items.take(rows), self._places - 1, self._per)

    def _item(self, index: int) -> int:
        epoch, position = divmod(index, self._count)
        if epoch != self._order[0]:
            self._order = (epoch, np.random.default_rng([self._seed, epoch]).permutation(self._count))
        return int(self._order[1][position])


class FilledStream:
    """A ``TokenStream`` of items whose answers are to be filled in rather than continued to.

    Args:
        items: their windows.
        filling: how the model is asked.
    """

    def __init__(self, items: ItemStream, filling: "Filling") -> None:
        self._items, self._filling = items, filling

    def batch(self, step: int) -> NDArray[Any]:
        """Return the batch of one step, from 0, in the layout of the family's objective."""
        return self._asked(step)[0]

    def loss_mask(self, step: int) -> Mask:
        """Return which losses of that step count: shape ``(batch_windows, K)``."""
        return self._asked(step)[1]

    def tokens_unique(self, tokens: int) -> int:
        """Return what the items say."""
        return self._items.tokens_unique(tokens)

    def _asked(self, step: int) -> tuple[NDArray[Any], Mask]:
        return fill_in(self._filling, self._items.batch(step), self._items.loss_mask(step))


def nested_items(task: Task, count: int, seed: int, purpose: int = 0) -> Items:
    """Return training items of a task: the first ``count`` of one endless list.

    Args:
        task: the task.
        count: how many.
        seed: of the list.
        purpose: another number is another list.
    """
    chunks = range(-(-count // _CHUNK_ITEMS))
    seeds = ([31, purpose, seed, chunk, *task.name.encode()] for chunk in chunks)
    found = [training_items(task, np.random.default_rng(s), _CHUNK_ITEMS) for s in seeds]
    return joined(found).take(np.arange(count))


class MixedStream:
    """A ``TokenStream`` of text and probe windows.

    Args:
        corpus: the text, one window a step.
        tasks: probes, in turn.
        share: of the windows that are probes, 0 to 1.
        context: tokens predicted per window.
        batch_windows: windows in a step.
        seed: of the items.
    """

    def __init__(
        self, corpus: TextStream, tasks: Sequence[Task], share: float, context: int, batch_windows: int, seed: int
    ) -> None:
        self._corpus, self._share, self._context, self._batch = corpus, share, context, batch_windows
        self._probes = [ProbeWindows(task, context, seed) for task in tasks]
        self._at = (-1, np.empty((0, 0), dtype=np.uint8), np.empty((0, 0), dtype=bool))

    def batch(self, step: int) -> NDArray[np.unsignedinteger]:
        """Return the windows of one step, from 0: shape ``(batch_windows, context + 1)``."""
        return self._step(step)[0]

    def loss_mask(self, step: int) -> Mask:
        """Return which targets of that step count: shape ``(batch_windows, context)``."""
        return self._step(step)[1]

    def tokens_unique(self, tokens: int) -> int:
        """Return distinct tokens of text, and every token of the probes, whose items are drawn afresh."""
        windows = tokens // self._context
        probes = self._probes_before(windows)
        return self._corpus.tokens_unique((windows - probes) * self._context) + probes * self._context

    def _probes_before(self, window: int) -> int:
        """Return how many of the first windows are probes."""
        return int(window * self._share + 1e-9)

    def _step(self, step: int) -> tuple[NDArray[np.unsignedinteger], Mask]:
        if self._at[0] != step:
            first = step * self._batch
            rows = [self._window(w) for w in range(first, first + self._batch)]
            self._at = (step, np.stack([w for w, _ in rows]), np.stack([m for _, m in rows]))
        return self._at[1:]

    def _window(self, number: int) -> tuple[NDArray[np.unsignedinteger], Mask]:
        probes = self._probes_before(number)
        if self._probes_before(number + 1) > probes:
            turn, which = divmod(probes, len(self._probes))
            return self._probes[which].window(turn)
        return self._corpus.batch(number - probes)[0], np.ones(self._context, dtype=bool)
