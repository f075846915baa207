"""Who runs an attempt, told so that a dead claim is recognised at once, without waiting and without a flag.

A process is named by host, boot, process-id namespace, pid and start time: a pid alone is reused after a
reboot or a day, and means another process inside another container.
"""

import fcntl
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from scaling.store.files import bad_record, dump_json, read_json, unwritable


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One process, named so that no later process can be taken for it.

    Attributes:
        host: host name.
        boot: identity of the host's boot.
        namespace: identity of the process-id namespace.
        pid: process id.
        started: start time of the process, in the kernel's own ticks since boot.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @property
    def alive(self) -> bool | None:
        """Whether the process runs now; ``None`` when that cannot be known here (other host or container)."""
        here = this_process()
        if self.host != here.host:
            return None
        if self.boot != here.boot:
            return False
        if self.namespace != here.namespace:
            return None
        return _start_ticks(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _start_ticks(pid: int) -> str | None:
    """Start time of a process that runs, or ``None``; a zombie runs no more."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_ticks_portable(pid)
    # The command's name may hold spaces and brackets; the fields after its last bracket are fixed.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else fields[19].decode()


def _start_ticks_portable(pid: int) -> str | None:
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def this_process() -> Claim:
    """Return the claim of the calling process."""
    return _process(os.getpid())


@lru_cache(maxsize=1)
def _process(pid: int) -> Claim:
    """The calling process, read once; a forked child has another pid."""
    namespace = Path("/proc/self/ns/pid")
    return Claim(
        host=socket.gethostname(),
        boot=_first_line("/proc/sys/kernel/random/boot_id"),
        namespace=str(namespace.readlink()) if namespace.is_symlink() else "unknown",
        pid=pid,
        started=_start_ticks(pid) or "unknown",
    )


def to_json(claim: Claim) -> dict[str, Any]:
    """Return the JSON form."""
    return asdict(claim)


def read_claim(path: Path) -> Claim | None:
    """Read a claim, or ``None`` when there is none. Raises ``BadRecord`` when it is damaged."""
    try:
        data: Mapping[str, Any] = read_json(path)
    except FileNotFoundError:
        return None
    try:
        return Claim(**{**data, "pid": int(data["pid"])})
    except (KeyError, TypeError, ValueError) as error:
        raise bad_record(path, f"{path.name} is not a claim: {error}") from error


class StoreLock:
    """The right to run a store's trials, held by one process; the kernel frees it however that process ends.

    Args:
        path: the lock file; it also tells who holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; returns whether this process holds it. Raises ``MachineError``."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise unwritable(self.path, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except OSError as error:
            os.close(handle)
            raise unwritable(self.path, error) from error
        os.truncate(handle, 0)
        os.write(handle, dump_json(to_json(this_process())))
        self._handle = handle
        return True

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if self._handle is not None:
            os.truncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def lock_holder(path: Path) -> Claim | None:
    """Return who runs the store's trials now, or ``None`` when nobody is known to."""
    try:
        if path.stat().st_size == 0:
            return None
    except OSError:
        return None
    claim = read_claim(path)
    return claim if claim is not None and claim.alive is not False else None
