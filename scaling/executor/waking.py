"""Waiting that ends at once when a child process ends or a signal comes, so that no slot idles until the next look."""

import os
import select
import signal
from types import FrameType
from typing import Self


class Waker:
    """Wakes the main thread from ``wait`` on any handled signal, SIGCHLD among them. For the main thread alone."""

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
