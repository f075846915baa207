"""Waiting that ends at once when a child process ends or a signal comes, so that no slot idles until the next look."""

import os
import select
import signal
import time
from types import FrameType
from typing import Protocol, Self


class Clock(Protocol):
    """What the runner knows of time; entered for the length of a run."""

    def now(self) -> float:
        """Return seconds that only grow."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after so long, or sooner when something has happened."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class Waker:
    """The clock of this machine; any handled signal, SIGCHLD among them, ends a wait. For the main thread alone."""

    @staticmethod
    def now() -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._child_before = signal.signal(signal.SIGCHLD, _nothing)
        self._fd_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(self, *exception: object) -> None:
        signal.set_wakeup_fd(self._fd_before)
        signal.signal(signal.SIGCHLD, self._child_before)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float) -> None:
        """Return after so long, or as soon as a signal has come since the last call."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        if ready:
            os.read(self._read, 4096)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """A signal without a handler wakes nobody."""
