"""Files that survive a crash: whole or absent, first writer wins, torn tails dropped and reported.

Three ways to write. ``write_atomic`` replaces a file that one process owns. ``publish`` makes a result that
must never change afterwards: several processes may try, the first wins, by ``link()``, which is atomic on
every POSIX file system, NFS included. ``append_line`` adds to a log that one process owns. Reading trusts
nothing: a store may come from a stranger, so links, devices and oversized files are refused.
"""

import errno
import json
import math
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scaling.errors import MachineError, UsageError

MAX_RECORD_BYTES = 64 * 2**20
MAX_LOG_BYTES = 512 * 2**20


class BadRecord(UsageError):
    """A file of a store cannot be used: damaged, too large, or not what its name says."""


def bad_record(path: Path, what: str, *, line: int | None = None) -> BadRecord:
    """Return the error for a file that cannot be used, with the step that mends it."""
    return BadRecord(
        "store.bad_record",
        what,
        where=f"{path}:{line}" if line else str(path),
        why="the other records of the store are not affected",
        hint=f"move the file away (mv '{path}' '{path}.damaged'), then repeat the same `scaling run`",
    )


def unwritable(path: Path, error: OSError) -> MachineError:
    """Return the error for a file that the machine would not let us write."""
    return MachineError(
        "store.unwritable",
        f"cannot write {path.name}: {error.strerror or error}",
        where=str(path),
        why="nothing was changed: a file of the store is written whole or not at all",
        hint=f"check space (df -h '{path.parent}') and permissions (ls -ld '{path.parent}'), or use --out",
    )


def disk_free_bytes(folder: Path) -> int | None:
    """Return the room on the disk that holds a folder, or ``None`` where that cannot be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def dump_json(document: Mapping[str, Any], *, indent: int | None = 1) -> bytes:
    """Return a document as UTF-8 JSON with a final newline. Raises ``ValueError`` on NaN and infinity."""
    return (json.dumps(document, indent=indent, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _sync_folder(folder: Path) -> None:
    """Make a new name durable, as far as the file system can: some on networks cannot sync a folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


@contextmanager
def _temporary(path: Path, data: bytes, *, durable: bool = True) -> Iterator[Path]:
    """Write ``data`` to a new file beside ``path``, to the disk if durably; its name is gone at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | str, *, durable: bool = True) -> None:
    """Replace ``path`` by ``data``: a reader sees the old file or the new one, also after a crash.

    Args:
        path: the file.
        data: its content.
        durable: also after the machine went down. Waiting for the disk takes milliseconds; what another run writes
            again where it is missing or torn need not wait.

    Raises:
        MachineError: the folder cannot be written or the disk is full; the old file is untouched.
    """
    try:
        with _temporary(path, data.encode() if isinstance(data, str) else data, durable=durable) as temporary:
            temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def publish(path: Path, document: Mapping[str, Any], *, durable: bool = True) -> bool:
    """Publish a document once. The first caller wins; what is there is never changed.

    Args:
        path: its file.
        document: what it says.
        durable: as in ``write_atomic``.

    Returns:
        Whether this call published it; ``False`` when the file was already there.

    Raises:
        MachineError: the folder cannot be written, the disk is full, or its file system has no hard links.
        ValueError: the document holds NaN or infinity.
    """
    data = dump_json(document)
    try:
        with _temporary(path, data, durable=durable) as temporary:
            os.link(temporary, path)
        if durable:
            _sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def append_line(path: Path, document: Mapping[str, Any]) -> None:
    """Append a document as one line, in one write. The file has one writer.

    Raises:
        MachineError: the line could not be written whole; what was written of it is taken back.
        ValueError: the document holds NaN or infinity.
    """
    data = dump_json(document, indent=None)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            before = os.fstat(handle).st_size
            if os.write(handle, data) != len(data):
                os.ftruncate(handle, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error


def read_bytes(path: Path, limit_bytes: int = MAX_RECORD_BYTES) -> bytes:
    """Read a regular file, following no link and waiting for no device.

    Raises:
        FileNotFoundError: there is no such file.
        BadRecord: it is a link, not a regular file, unreadable, or larger than ``limit_bytes``.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        what = "is a link" if path.is_symlink() else f"cannot be read: {error.strerror}"
        raise bad_record(path, f"{path.name} {what}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise bad_record(path, f"{path.name} is not a regular file")
        if found.st_size > limit_bytes:
            raise bad_record(path, f"{path.name} has {found.st_size} bytes, more than the {limit_bytes} allowed")
        return _read(handle, found.st_size)
    finally:
        os.close(handle)


def _read(handle: int, size: int) -> bytes:
    """Read ``size`` bytes, or what there is: half the time of a file object, for stores of many small files."""
    data = os.read(handle, size)
    while len(data) < size and (more := os.read(handle, size - len(data))):  # one call gives 2 GiB at most
        data += more
    return data


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (math.inf, -math.inf):
        raise ValueError(f"{text[:20]} is beyond any number")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _object(data: bytes) -> dict[str, Any]:
    """Parse one JSON object; raises ``ValueError`` (``UnicodeDecodeError`` and nesting included)."""
    try:
        value = _DECODER.decode(data.decode())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def read_json(path: Path, limit_bytes: int = MAX_RECORD_BYTES) -> dict[str, Any]:
    """Read one JSON object. Raises ``FileNotFoundError``, or ``BadRecord`` that names the file."""
    data = read_bytes(path, limit_bytes)
    try:
        return _object(data)
    except ValueError as error:
        raise bad_record(path, f"{path.name} is not a whole JSON record: {error}") from error


def read_jsonl(path: Path, limit_bytes: int = MAX_LOG_BYTES) -> tuple[list[dict[str, Any]], bool]:
    """Read a file of JSON lines.

    Returns:
        The lines, and whether a torn last line was dropped (a process was killed while it wrote it).

    Raises:
        FileNotFoundError: there is no such file.
        BadRecord: any other line is not a JSON object; names the file and the line.
    """
    *whole, tail = read_bytes(path, limit_bytes).split(b"\n")
    lines = []
    for number, line in enumerate(whole, start=1):
        try:
            lines.append(_object(line))
        except ValueError as error:
            raise bad_record(path, f"{path.name} is damaged: {error}", line=number) from error
    return lines, bool(tail)


def read_last_line(path: Path) -> dict[str, Any] | None:
    """Read the last whole line of a file that is being written, for display.

    Returns:
        The line, or ``None`` when there is none yet, it is not a JSON object, or the file is no regular one.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        whole = os.pread(handle, 4096, max(0, found.st_size - 4096)).split(b"\n")[:-1]
    finally:
        os.close(handle)
    try:
        return _object(whole[-1]) if whole else None
    except ValueError:
        return None
