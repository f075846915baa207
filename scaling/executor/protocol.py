"""What every executor is: a few methods and four declared facts; plain data in and out.

An executor starts attempts and says what became of their processes. It decides nothing about trials: results
are files of the store, and the runner alone reads them. So a wrong or late word of an engine loses nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from scaling.executor.watchdog import HANG_S
from scaling.store.layout import AttemptFolder


class Phase(StrEnum):
    """What an executor knows of an attempt's process."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Status:
    """What became of an attempt's process.

    Attributes:
        phase: waiting for a place, running, ended, or not known to this executor.
        exit_code: of an ended one; negative for a signal; ``None`` when the engine lost it.
        out_of_memory: the kernel killed a process of the same control group for memory meanwhile.
        place: where it runs, as far as the engine tells; else empty.
        message: why it waits, or ended without a code, in the engine's words.
    """

    phase: Phase
    exit_code: int | None = None
    out_of_memory: bool = False
    place: str = ""
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place where one trial runs at a time.

    Attributes:
        name: for people: ``core 0``, or a GPU's name.
        cpus: logical CPUs the trial is pinned to; empty leaves that to the kernel.
        environment: variables that give the trial its device and threads.
    """

    name: str
    cpus: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One attempt to be started.

    Attributes:
        store, trial, attempt: which trial of which store, in which folder.
        slot: where, when the executor lets us choose.
        hang_s: silence after which its supervisor takes it to hang.
    """

    store: Path
    trial: str
    attempt: AttemptFolder
    slot: Slot | None
    hang_s: float = HANG_S


class Executor(Protocol):
    """Who runs the attempts. An engine is one file that has these."""

    name: str
    """The engine's name in a sweep file."""

    places: bool
    """We choose the slot of each attempt; otherwise the engine does."""

    outlives_runner: bool
    """Attempts go on when the runner ends, and a later runner finds them by their handles."""

    patience_s: float
    """How long its word that an attempt ended is doubted while no file shows it; 0 where it cannot be wrong."""

    def capacity(self) -> tuple[Slot, ...] | None:
        """Return the slots there are, or ``None`` when they are the engine's own affair."""
        ...

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Start attempts; return a handle for each, a string worth storing. Raises ``MachineError``."""
        ...

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return what became of each attempt."""
        ...

    def cancel(self, handle: str, grace_s: float) -> None:
        """Ask an attempt to checkpoint and end, and end it after ``grace_s`` seconds; 0 ends it now.

        Where the engine chooses the place, the runner has asked by a file already (``job.ask_to_stop``).
        """
        ...

    def logs(self, handle: str) -> Path:
        """Return the file with what the engine kept of the attempt's output."""
        ...

    def close(self) -> None:
        """Let go: end what cannot outlive the runner, and leave the rest to the engine. May be called twice."""
        ...
