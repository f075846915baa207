"""The loop of a group: trials of one shape, each with its own seed, data order and learning rates, in step.

What ``loop.Trainer`` is to one trial, this is to several; a member that diverges leaves the others alone.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from scaling.data import TokenStream
from scaling.models.objective import Losses
from scaling.spec.schema import TrainSpec
from scaling.store.records import CurveLine
from scaling.training.loop import Diverged, TrainState, Window, branch_step, next_log
from scaling.training.stacked import StackedState


class GroupObserver(Protocol):
    """Where the loop of a group reports; members are named by their place in it."""

    def on_curve(self, member: int, line: CurveLine) -> None:
        """Record one line of a member's training curve."""

    def on_evaluation(self, evaluating: bool) -> None:
        """Called before the members are evaluated at a horizon, and after."""

    def on_horizon(self, member: int, step: int, model: nn.Module, train_s: float) -> None:
        """Evaluate and publish the annealed ``model`` of a horizon. May raise ``Diverged``."""

    def on_diverged(self, member: int, error: Diverged) -> None:
        """Record that a member's loss is no longer finite: its end."""

    def on_pause(self, states: Sequence[TrainState]) -> None:
        """Called after every logged interval on the trunk: checkpoint if due, raise to stop."""


@dataclass(slots=True)
class GroupTrainer:
    """Trains the members of a group to their last horizon.

    Args:
        state: the members, fresh or restored, at one step.
        objective: losses of a batch, by the family.
        streams: each member's windows.
        train: the recipe they share, but for learning rates.
        device: where they lie.
        observer: told of curve lines, horizons and divergences.
        steady: the window of throughput.
        alive: members that have not diverged.
        train_s: seconds of steps so far, of all members and branches.
    """

    state: StackedState
    objective: Losses
    streams: Sequence[TokenStream]
    train: TrainSpec
    device: torch.device
    observer: GroupObserver
    steady: Window = field(default_factory=Window)
    alive: set[int] = field(default_factory=set)
    train_s: float = 0.0

    def run(self, horizon_steps: Sequence[int]) -> None:
        """Train through every horizon, ascending, in optimizer steps; end early when every member has diverged."""
        self.alive = set(range(len(self.streams)))
        # A horizon that was reached and not yet published is published now; one that was, keeps its first point.
        branches = [(branch_step(self.train, h), h) for h in horizon_steps if h >= self.state.step]
        for start, horizon in branches:
            if start < self.state.step:  # resumed inside this horizon's cooldown: its points are published already
                continue
            self._advance(self.state, start, lambda step: 1.0)
            if not self.alive:
                return
            self._anneal(start, horizon)

    def _anneal(self, start: int, horizon: int) -> None:
        """Give the observer every member's annealed model; the trunk is left as it was."""
        branch = self.state
        if self.train.anneal == "cooldown":
            branch = self.state.branch()
            self._advance(branch, horizon, lambda step: (horizon - step + 1) / (horizon - start))
        self.observer.on_evaluation(True)
        for i in sorted(self.alive):
            member = branch.members[i]
            model = member.model if member.average is None else member.average.model
            try:
                self.observer.on_horizon(i, horizon, model, member.train_s)
            except Diverged as error:
                self._diverge(i, error)
        self.observer.on_evaluation(False)

    def _diverge(self, member: int, error: Diverged) -> None:
        self.alive.discard(member)
        self.observer.on_diverged(member, error)

    def _advance(self, state: StackedState, last: int, decay: Callable[[int], float]) -> None:
        """Train up to and including step ``last``, logging where a trial alone would."""
        on_trunk = state is self.state
        while self.alive and state.step < last:
            first, until = state.step + 1, min(last, next_log(state.step))
            lines, seconds = self._interval(state, until, decay)
            if on_trunk:
                self.steady.add(first, until, seconds)
                for i in sorted(self.alive):
                    self.observer.on_curve(i, lines[i])
                self.observer.on_pause(state.members)

    def _interval(
        self, state: StackedState, until: int, decay: Callable[[int], float]
    ) -> tuple[list[CurveLine], float]:
        """Train up to step ``until``; return each member's line for these steps, and their seconds."""
        began, first, waited = time.perf_counter(), state.step + 1, 0.0
        losses = torch.zeros(len(self.streams), device=self.device)
        norms, scale = torch.zeros_like(losses), 1.0
        for step in range(first, until + 1):
            scale = min(1.0, step / max(self.train.warmup_steps, 1)) * decay(step)
            loss, norms, wait_s = self._step(state, scale)
            losses += loss
            waited += wait_s
        means, ends = (losses / (until - first + 1)).tolist(), norms.tolist()  # waits for the device
        seconds = time.perf_counter() - began
        self.train_s += seconds
        state.settle(seconds, waited)
        for i in sorted(self.alive):
            if not (math.isfinite(means[i]) and math.isfinite(ends[i])):
                self._diverge(i, Diverged(until, means[i]))
        lines = [
            CurveLine(
                step=until,
                tokens=until * self.train.batch_tokens,
                loss_nats=means[i],
                lr_scale=scale,
                grad_norm=ends[i],
                train_s=member.train_s,
            )
            for i, member in enumerate(state.members)
        ]
        return lines, seconds

    def _step(self, state: StackedState, lr_scale: float) -> tuple[Tensor, Tensor, float]:
        """One optimizer step of every member: losses and gradient norms ``(G,)``, and seconds spent on data."""
        before = time.perf_counter()
        windows = torch.cat([torch.from_numpy(s.batch(state.step)) for s in self.streams]).int().to(self.device)
        counted = self._counted(state.step)
        waited = time.perf_counter() - before
        bfloat16 = self.train.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            losses = self.objective(state.model, windows).view(len(self.streams), -1)
            loss = losses.mean(dim=1) if counted is None else _mean_of(losses, counted)
        loss.sum().backward()  # no member's loss depends on another's parameters
        norms = state.clip(self.train.clip)
        state.update(lr_scale)
        for p in state.params:
            p.grad = None
        return loss.detach(), norms, waited

    def _counted(self, step: int) -> Tensor | None:
        """Which targets count, ``(G, B * T)``; ``None``: all of them."""
        masks = [s.loss_mask(step) for s in self.streams]
        if all(mask is None for mask in masks):
            return None
        batches = [s.batch(step)[:, 1:] for s in self.streams]
        rows = [
            torch.ones(b.size, dtype=torch.bool) if m is None else torch.from_numpy(m).flatten()
            for m, b in zip(masks, batches, strict=True)
        ]
        return torch.stack(rows).to(self.device)


def _mean_of(losses: Tensor, counted: Tensor) -> Tensor:
    return (losses * counted).sum(dim=1) / counted.sum(dim=1)
