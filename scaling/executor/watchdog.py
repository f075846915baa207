"""Tells a trial that hangs from one that is slow: nothing it writes has changed for far longer than usual.

Silence is counted on the watcher's own monotonic clock, and only while the watcher itself was awake: neither a wrong
wall clock nor a machine that slept makes a trial look hung.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

HANG_S = 300.0
_FIRST = 3.0  # before the first logged step a trial loads and compiles: it gets this many times longer
_MEDIANS = 20.0  # a trial that logs seldom is given this many of its own intervals
_KEPT = 64
_FILES = ("curve.jsonl", "metrics.jsonl", "log.txt", "checkpoints", "../points", "../end")


class Watchdog:
    """Watches the files of one attempt.

    Args:
        attempt: its folder.
        hang_s: silence that is a hang, at least; see the module's constants for what lengthens it.
        every_s: seconds between looks; a longer pause than two of these was the watcher's own.
        clock: monotonic seconds.
    """

    def __init__(
        self, attempt: Path, hang_s: float, every_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths = [attempt / name for name in _FILES]
        self._hang_s, self._every_s, self._clock = hang_s, every_s, clock
        self._looked = clock()
        self._seen = self._state()
        self._silent_s = 0.0
        self._since_step_s = 0.0
        self._steps: deque[float] = deque(maxlen=_KEPT)
        self._logged = False

    def look(self) -> str | None:
        """Look once. Returns what to say of a hang, or ``None`` while the trial is alive."""
        now = self._clock()
        watched_s = min(now - self._looked, 2 * self._every_s)
        self._looked = now
        seen = self._state()
        self._silent_s += watched_s
        self._since_step_s += watched_s
        if seen[:2] != self._seen[:2]:
            if self._logged:
                self._steps.append(self._since_step_s)
            self._logged, self._since_step_s = True, 0.0
        if seen != self._seen:
            self._seen, self._silent_s = seen, 0.0
        if self._silent_s < self.limit_s:
            return None
        place = "since its last logged step" if self._logged else "before its first logged step"
        return f"no progress for {self._silent_s:.0f} s {place}"

    @property
    def limit_s(self) -> float:
        """Silence that is a hang now."""
        if not self._logged:
            return _FIRST * self._hang_s
        usual = statistics.median(self._steps) if self._steps else 0.0
        return max(self._hang_s, _MEDIANS * usual)

    def _state(self) -> tuple[tuple[int, int], ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file grows or a folder gets a new entry; times are compared, never measured."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)


def catches(pid: int, number: int) -> bool:
    """Whether a process handles a signal, as the kernel tells; ``False`` where it does not."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    mask = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    return bool(mask >> (number - 1) & 1)
