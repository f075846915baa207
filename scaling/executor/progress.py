"""What a sweep looks like from outside while it runs, read from the files that its trials append to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scaling.store.files import read_last_line
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.state import TrialState


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One trial as the runner sees it.

    Attributes:
        folder: where it lies.
        label: short name for people.
        horizons: planned horizons, in tokens.
        flops: training FLOPs to the last horizon.
        others: further trials of one shape that the same process trains (a group).
        needs: the weights that it starts from, which another trial leaves behind; ``None``: it starts by itself.
    """

    folder: TrialFolder
    label: str
    horizons: tuple[int, ...]
    flops: float
    others: tuple["Job", ...] = ()
    needs: Path | None = None

    @property
    def ready(self) -> bool:
        """Whether what it starts from is there."""
        return self.needs is None or self.needs.exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A running attempt, as far as its curve tells; ``None`` before the first line.

    Attributes:
        label: of the trial.
        slot: where it runs.
        step: last step logged.
        loss_nats: training loss at that step.
        tokens_per_s: since training began, steps only.
        tokens: tokens so far.
        flops: training FLOPs so far.
        train_s: seconds of training so far.
    """

    label: str
    slot: str
    step: int | None
    loss_nats: float | None
    tokens_per_s: float | None
    tokens: int = 0
    flops: float = 0.0
    train_s: float = 0.0


def glance(job: Job, attempt: AttemptFolder, slot: str) -> Glance:
    """Look at a running attempt; costs one read of the end of its curve."""
    line = read_last_line(attempt.curve_path)
    if line is None:
        return Glance(label=job.label, slot=slot, step=None, loss_nats=None, tokens_per_s=None)
    tokens, seconds = int(line["tokens"]), float(line["train_s"])
    return Glance(
        label=job.label,
        slot=slot,
        step=int(line["step"]),
        loss_nats=float(line["loss_nats"]),
        tokens_per_s=tokens / seconds if seconds > 0 else None,
        tokens=tokens,
        flops=job.flops * tokens / max(job.horizons),
        train_s=seconds,
    )


class Observer(Protocol):
    """Who is told what happens in a sweep."""

    def started(self, job: Job, attempt: int, slot: str) -> None:
        """An attempt was started."""

    def ended(self, job: Job, state: TrialState) -> None:
        """A trial came to an end, or to a state that another run resumes."""

    def note(self, text: str) -> None:
        """Something else worth a line happened."""

    def tick(self, running: Sequence["Running"]) -> None:
        """Called many times a second."""


class Running(Protocol):
    """A running attempt that can be looked at."""

    def look(self) -> Glance:
        """Read its files now."""
        ...
