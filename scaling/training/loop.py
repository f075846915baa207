"""The loop of one trial: a constant-rate trunk with an annealed point at every horizon. Knows nothing of sweeps.

Two ways to anneal, both giving all horizons of a size from one trunk:

* ``average``: the point at a horizon is the growing weight average there;
* ``cooldown``: shortly before a horizon a copy of the run leaves the trunk and decays its learning rate to zero
  (Haegele et al. 2024, 2405.18392); it is, step for step, the run that a single-horizon trial makes.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import nn

from scaling.data import TokenStream
from scaling.errors import MachineError
from scaling.models import Follower
from scaling.models.objective import Losses
from scaling.spec.schema import TrainSpec
from scaling.store.records import CurveLine, SteadyWindow
from scaling.training.average import GrowingAverage
from scaling.training.optim import make_optimizers, set_lr_scale
from scaling.training.team import ALONE, Team

_STEADY_AFTER_STEPS = 20  # allocator, caches and clocks settle in the first steps
_MIN_STEADY_STEPS = 8


@dataclass(slots=True)
class TrainState:
    """Everything that a step changes: what a checkpoint holds and a cooldown copies."""

    model: nn.Module
    optimizers: list[torch.optim.Optimizer]
    average: GrowingAverage | None
    step: int = 0
    train_s: float = 0.0
    data_wait_s: float = 0.0


@dataclass(slots=True)
class Window:
    """Log intervals counted as steady: seconds and steps, evaluations left out."""

    step_first: int = 0
    step_last: int = 0
    seconds: float = 0.0

    def add(self, first: int, last: int, seconds: float) -> None:
        """Count the steps ``first..last`` if they come after the settling steps."""
        if first > _STEADY_AFTER_STEPS:
            self.step_first = self.step_first or first
            self.step_last = last
            self.seconds += seconds

    def close(self, batch_tokens: int) -> SteadyWindow:
        """Return the record; too short a window has no throughput."""
        steps = self.step_last - self.step_first + 1 if self.step_last else 0
        enough = steps >= _MIN_STEADY_STEPS and self.seconds > 0
        return SteadyWindow(
            step_first=self.step_first,
            step_last=self.step_last,
            seconds=self.seconds,
            tokens_per_s=steps * batch_tokens / self.seconds if enough else None,
            reason=None if enough else f"only {steps} steps after the first {_STEADY_AFTER_STEPS}",
        )


class Observer(Protocol):
    """Where the loop reports; implemented by the trial."""

    def on_curve(self, line: CurveLine) -> None:
        """Record one line of the training curve."""

    def on_horizon(self, step: int, model: nn.Module, train_s: float) -> None:
        """Evaluate and publish the annealed ``model`` of a horizon."""

    def on_pause(self, state: TrainState) -> None:
        """Called after every logged interval on the trunk: checkpoint if due, raise to stop."""


class Diverged(Exception):
    """The loss is no longer a finite number: a result, not a failure."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(f"loss is {loss} at step {step}")
        self.step = step


@dataclass(slots=True)
class Trainer:
    """Trains one model to its last horizon.

    Args:
        state: fresh, or restored from a checkpoint.
        objective: losses of a batch, by the family.
        stream: training rows by step, and which of their targets count.
        train: the recipe.
        device: where the model lies.
        observer: told of curve lines and horizons.
        team: the processes that train it together.
        pieces: micro-batches to a step: one, until memory runs out.
        whole: the rows of a batch are compared with each other, so that a batch in pieces would be another loss.
    """

    state: TrainState
    objective: Losses
    stream: TokenStream
    train: TrainSpec
    device: torch.device
    observer: Observer
    team: Team = ALONE
    pieces: int = 1
    whole: bool = False
    steady: Window = field(default_factory=Window)

    def run(self, horizon_steps: Sequence[int]) -> None:
        """Train through every horizon, ascending, in optimizer steps.

        Raises:
            Diverged: the loss or gradient is NaN or infinite.
        """
        # A horizon that was reached and not yet published is published now; one that was, keeps its first point.
        branches = [(branch_step(self.train, h), h) for h in horizon_steps if h >= self.state.step]
        for start, horizon in branches:
            if start < self.state.step:  # resumed inside this horizon's cooldown: its point is published already
                continue
            self._advance(self.state, start, lambda step: 1.0)
            self._anneal(start, horizon)

    def _anneal(self, start: int, horizon: int) -> None:
        """Give the observer the annealed model of ``horizon``; the trunk is left as it was."""
        if self.state.average is not None:
            self.observer.on_horizon(horizon, self.state.average.model, self.state.train_s)
            return
        branch = copy.deepcopy(self.state)
        self._advance(branch, horizon, lambda step: (horizon - step + 1) / (horizon - start))
        self.observer.on_horizon(horizon, branch.model, branch.train_s)

    def _advance(self, state: TrainState, last: int, decay: Callable[[int], float]) -> None:
        """Train ``state`` up to and including step ``last``, logging about every hundredth of the way."""
        on_trunk = state is self.state
        while state.step < last:
            first = state.step + 1
            until = min(last, next_log(state.step))
            before = state.train_s
            line = self._interval(state, until, decay)
            if on_trunk:
                self.steady.add(first, until, state.train_s - before)
                self.observer.on_curve(line)
                self.observer.on_pause(state)

    def _interval(self, state: TrainState, until: int, decay: Callable[[int], float]) -> CurveLine:
        """Train up to step ``until`` and return the line of the curve for these steps."""
        began = time.perf_counter()
        first = state.step + 1
        losses = torch.zeros((), device=self.device)
        norm, scale = torch.zeros(()), 1.0
        for step in range(first, until + 1):
            scale = min(1.0, step / max(self.train.warmup_steps, 1)) * decay(step)
            loss, norm = self._step(state, scale)
            losses += loss
        mean = self.team.mean(losses / (until - first + 1)).item()  # waits for the device: the interval's time is true
        state.train_s += time.perf_counter() - began
        if not (math.isfinite(mean) and math.isfinite(norm.item())):
            raise Diverged(until, mean)
        return CurveLine(
            step=until,
            tokens=until * self.train.batch_tokens,
            loss_nats=mean,
            lr_scale=scale,
            grad_norm=norm.item(),
            train_s=state.train_s,
        )

    def _step(self, state: TrainState, lr_scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """One optimizer step; returns the loss and the gradient norm, still on the device."""
        before = time.perf_counter()
        windows = torch.from_numpy(self.team.share(self.stream.batch(state.step))).int().to(self.device)
        mask = self.stream.loss_mask(state.step)
        counted = None if mask is None else torch.from_numpy(self.team.share(mask)).to(self.device)
        state.data_wait_s += time.perf_counter() - before
        # Of the whole batch's targets, however they fell to the processes.
        targets = None if mask is None or self.team.size == 1 else float(mask.sum()) / self.team.size
        loss = self._gradients(state, windows, counted, targets)
        self.team.average_gradients(state.model)
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), self.train.clip)
        set_lr_scale(state.optimizers, lr_scale)
        for optimizer in state.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if isinstance(state.model, Follower):
            state.model.follow()
        state.step += 1
        if state.average is not None:
            state.average.update(state.step)
        return loss, norm

    def _gradients(
        self, state: TrainState, windows: torch.Tensor, counted: torch.Tensor | None, targets: float | None
    ) -> torch.Tensor:
        """Accumulate the gradient of the batch's mean loss; in twice as many pieces from where memory runs out on.

        The mean is the same within the rounding of sums.

        Raises:
            MachineError: memory ran out on a batch that must stay whole.
        """
        while True:
            try:
                return self._in_pieces(state, windows, counted, targets)
            except torch.OutOfMemoryError as error:
                if self.whole:
                    raise _too_large(len(windows)) from error
                if self.team.size > 1 or 2 * self.pieces > len(windows):
                    raise
            for optimizer in state.optimizers:  # outside the handler: its traceback would keep the tensors alive
                optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.pieces *= 2
            told = f"memory ran out: from step {state.step + 1} on in {self.pieces} micro-batches, same global batch"
            print(told, flush=True)  # noqa: T201  # goes to the attempt's log.txt

    def _in_pieces(
        self, state: TrainState, windows: torch.Tensor, counted: torch.Tensor | None, targets: float | None
    ) -> torch.Tensor:
        bfloat16 = self.train.precision == "bfloat16"
        if self.pieces > 1 and targets is None and counted is not None:
            targets = float(counted.sum())
        masks = [None] * self.pieces if counted is None else counted.chunk(self.pieces)
        total = torch.zeros((), device=self.device)
        for piece, mask in zip(windows.chunk(self.pieces), masks, strict=False):
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bfloat16):
                losses = self.objective(state.model, piece)
                kept = losses if mask is None else losses[mask]
                if self.pieces > 1 and targets is None:
                    targets = float(len(windows) * losses[0].numel())  # every row has as many
                loss = kept.mean() if targets is None else kept.sum() / targets
            loss.backward()
            total += loss.detach()
        return total


def _too_large(rows: int) -> MachineError:
    return MachineError(
        "train.batch_too_large",
        f"memory ran out on a batch of {rows:,} rows, which this loss compares with each other",
        why="in micro-batches each row would be compared with fewer: another loss, and another law",
        hint="use a smaller train.batch_tokens for every trial, or a device with more memory",
    )


def fresh_state(model: nn.Module, train: TrainSpec) -> TrainState:
    """Return the state before the first step."""
    average = GrowingAverage(model, train.average_lag) if train.anneal == "average" else None
    return TrainState(model=model, optimizers=make_optimizers(model, train), average=average)


def branch_step(train: TrainSpec, horizon: int) -> int:
    """Return the step at which the run to ``horizon`` leaves the trunk: the horizon itself with an average."""
    if train.anneal == "average":
        return horizon
    return horizon - max(1, math.ceil(horizon * train.cooldown_share))


def next_log(step: int) -> int:
    """Return the step of the next line of the curve.

    Steps between lines grow with the run, and do not depend on where it will end.
    """
    return step + max(10, step // 100)
