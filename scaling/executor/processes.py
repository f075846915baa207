"""The kernel's help against orphans: death signals, adoption of orphans, and killing what is provably ours.

On Linux a process can ask to be signalled when its parent dies, and to adopt orphaned descendants (prctl(2)).
Elsewhere both are absent; the supervisor then looks for its parent every now and then.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if LINUX and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that they can be found and ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_on_parent_death(number: int, parent: int) -> None:
    """Have the kernel signal this process when its parent dies; exit now if ``parent`` is gone already."""
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def death_bound_start(parent: int) -> Callable[[], None]:
    """Return what a new child runs first so that SIGKILL reaches it when ``parent`` dies."""

    def start() -> None:
        signal_on_parent_death(signal.SIGKILL, parent)

    return start


def kill_children() -> None:
    """Kill and reap every descendant of this process: for a supervisor, which would spare none."""
    with suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
        _kill_all_children()


def _kill_all_children() -> None:
    import psutil

    while True:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        os.waitpid(-1, 0)  # ends the loop by ChildProcessError when none is left


def kill_descendants() -> None:
    """Kill every descendant of this process and reap none: for a handler of a process that waits for them."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def out_of_memory_kills() -> int:
    """Processes that the kernel killed for memory in this process's control group so far; 0 where unknown.

    Only a rise is used, so an unknown count reads as "none seen".
    """
    return next((count for path in _memory_events() if (count := _oom_count(path)) is not None), 0)


def _memory_events() -> list[Path]:
    """Return where the control group of this process may tell: version 2, then version 1."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    groups = {controllers: path.lstrip("/") for _, controllers, path in (line.split(":", 2) for line in lines)}
    found = []
    if "" in groups:
        found.append(Path("/sys/fs/cgroup", groups[""], "memory.events"))
    if "memory" in groups:
        found.append(Path("/sys/fs/cgroup/memory", groups["memory"], "memory.oom_control"))
    return found


def _oom_count(path: Path) -> int | None:
    try:
        counts = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
    except OSError:
        return None
    return int(counts["oom_kill"]) if "oom_kill" in counts else None


def kill_marked(variable: str, value: str, session: int, patience_s: float = 3.0) -> None:
    """Kill and reap the descendants of this process that belong to one attempt.

    For the rare case that a supervisor itself was killed: what it had started has moved up to this process.

    Args:
        variable: environment variable that the attempt's processes carry.
        value: its value.
        session: session of the dead supervisor; a process that has ended shows its session and no environment.
        patience_s: how long to go on while the kernel hands over further orphans.
    """
    import psutil

    ours: set[int] = set()
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        descendants = psutil.Process().children(recursive=True)
        ours |= {p.pid for p in descendants if _session(p.pid) == session or _has(p, variable, value)}
        left = [p for p in descendants if p.pid in ours]
        if not left:
            return
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        time.sleep(0.01)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _has(process: "psutil.Process", variable: str, value: str) -> bool:
    import psutil

    try:
        return bool(process.environ().get(variable) == value)
    except (psutil.Error, OSError):
        return False  # gone, a zombie, or not ours to read
