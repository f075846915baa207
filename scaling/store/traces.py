"""What an attempt leaves beside its records, read for single trials: its power over time, and the end of its log."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.names import inside

LOG_LINES = 20
_TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRead:
    """The power samples of one attempt.

    Attributes:
        attempt: its number.
        samples: seconds of metered work, watts of its GPUs, what was done (``train``, ``replay``), and what lowered the
            clocks meanwhile (empty: nothing).
        unreadable: lines that are no sample, such as a torn last one.
    """

    attempt: int
    samples: tuple[tuple[float, float, str, str], ...]
    unreadable: int


def read_power(folder: TrialFolder) -> PowerRead | None:
    """Return the power samples of the last attempt that has any; ``None`` where none has.

    Raises:
        BadRecord: a file is a link that leads out of the store.
    """
    found = _last(folder, lambda attempt: attempt.power_path)
    if found is None:
        return None
    number, path = found
    with path.open(encoding="ascii", errors="replace", newline="") as file:
        rows = [_sample(row) for row in csv.DictReader(file)]
    good = tuple(row for row in rows if row is not None)
    return PowerRead(attempt=number, samples=good, unreadable=len(rows) - len(good))


def _sample(row: dict[str, str | None]) -> tuple[float, float, str, str] | None:
    try:
        return float(row["seconds"] or ""), float(row["power_w"] or ""), row["window"] or "", row.get("throttled") or ""
    except (KeyError, ValueError):
        return None


def log_tail(folder: TrialFolder, lines: int = LOG_LINES) -> str | None:
    """Return the last lines that the last attempt's process printed; ``None`` where nothing was.

    What a progress bar overwrote is left out, as on a terminal.

    Raises:
        BadRecord: the file is a link that leads out of the store.
    """
    found = _last(folder, lambda attempt: attempt.log_path)
    if found is None:
        return None
    with found[1].open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    printed = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join([line for line in printed if line][-lines:]) or None


def _last(folder: TrialFolder, path_of: Callable[[AttemptFolder], Path]) -> tuple[int, Path] | None:
    """Return the last attempt that has such a file, and the file."""
    for number in reversed(folder.attempts()):
        path = inside(folder.root, path_of(folder.attempt(number)))
        if path.is_file() and path.stat().st_size:
            return number, path
    return None
