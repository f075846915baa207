"""Training outside the record: an observer that keeps nothing, and one step trained again and again."""

import copy
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from scaling.data import TokenStream
from scaling.data.stream import Tokens
from scaling.meters.gpu import GpuMeter
from scaling.meters.window import GpuWindow
from scaling.store.records import CurveLine
from scaling.training.loop import Diverged, Trainer, TrainState

_WARM_UP_STEPS = 3
_CHUNK_S = 1.0


class Unobserved:
    """An observer that keeps nothing."""

    def on_curve(self, line: CurveLine) -> None:
        """Ignore it."""

    def on_horizon(self, step: int, model: nn.Module, train_s: float) -> None:
        """Ignore it."""

    def on_pause(self, state: TrainState) -> None:
        """Go on."""


class UnobservedGroup:
    """An observer of a group that keeps nothing."""

    def on_curve(self, member: int, line: CurveLine) -> None:
        """Ignore it."""

    def on_evaluation(self, evaluating: bool) -> None:
        """Ignore it."""

    def on_horizon(self, member: int, step: int, model: nn.Module, train_s: float) -> None:
        """Ignore it."""

    def on_diverged(self, member: int, error: Diverged) -> None:
        """Ignore it."""

    def on_pause(self, states: Sequence[TrainState]) -> None:
        """Go on."""


class _OneStep:
    """The windows of one step of a stream, whatever step is asked for."""

    def __init__(self, stream: TokenStream, step: int) -> None:
        self._stream = stream
        self._step = step

    def batch(self, step: int) -> Tokens:
        """Return the same windows again."""
        return self._stream.batch(self._step)

    def loss_mask(self, step: int) -> NDArray[np.bool_] | None:
        """Return the same mask again."""
        return self._stream.loss_mask(self._step)

    def tokens_unique(self, tokens: int) -> int:
        """Return what the stream says."""
        return self._stream.tokens_unique(tokens)


def replay(trainer: Trainer, seconds: float, meter: GpuMeter) -> tuple[GpuWindow, int]:
    """Train the next step of a trainer again and again on a copy of its state, metered.

    Args:
        trainer: left as it is: weights, optimizer, counters.
        seconds: how long at least.
        meter: its window ``replay`` holds these steps alone.

    Returns:
        The window, and the tokens trained in it.
    """
    state = copy.deepcopy(trainer.state)
    stream = _OneStep(trainer.stream, state.step)
    # One horizon after the other: annealed by average, so that no chunk leaves the trunk to cool down.
    train = trainer.train.model_copy(update={"anneal": "average"})
    copied = Trainer(state, trainer.objective, stream, train, trainer.device, Unobserved())
    copied.run([state.step + _WARM_UP_STEPS])
    before = state.train_s
    copied.run([state.step + 1])
    chunk = max(1, int(_CHUNK_S / max(state.train_s - before, 1e-6)))
    first, began = state.step, time.perf_counter()
    meter.begin("replay")
    while time.perf_counter() - began < seconds:
        copied.run([state.step + chunk])
    return meter.end("replay"), (state.step - first) * trainer.train.batch_tokens
