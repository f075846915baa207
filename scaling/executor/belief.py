"""What to believe when an engine and the files of an attempt disagree: the files.

Engines in use have reported jobs as lost that ran on, as over that were queued again, as running that were dead for
minutes, and have forgotten jobs altogether. So an attempt has ended when its supervisor wrote how; an engine's word
that it ended without that is taken only after some time in which nothing was written.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from scaling.executor.protocol import Phase, Status
from scaling.store.files import BadRecord, read_json
from scaling.store.layout import AttemptFolder
from scaling.store.state import EXIT_CONTINUE

_ALIVE = (Phase.WAITING, Phase.RUNNING)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Since when an engine's word has been doubted, and what the attempt had written then."""

    since_s: float
    written: tuple[int, ...]


class Witness:
    """Weighs an engine's word on one attempt against the attempt's files.

    Args:
        patience_s: how long an end that no file shows is doubted; 0 believes the engine.
        clock: seconds that only grow.
    """

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._doubt: _Doubt | None = None

    def weigh(self, status: Status, attempt: AttemptFolder, *, asked: bool = False) -> Status:
        """Return what became of the attempt; ``asked``: the runner asked it to end."""
        if self._patience_s == 0:
            return status
        ended = _exit(attempt)
        if ended is not None and (asked or ended.exit_code != EXIT_CONTINUE):
            return ended
        queued_again = ended is not None and status.phase is Phase.WAITING
        if queued_again or (ended is None and status.phase in _ALIVE):
            self._doubt = None
            return status
        now, written = self._clock(), _written(attempt)
        if self._doubt is None or self._doubt.written != written:
            self._doubt = _Doubt(now, written)
        if now - self._doubt.since_s < self._patience_s:
            return Status(Phase.RUNNING, place=status.place)
        return ended or Status(Phase.ENDED, status.exit_code, place=status.place, message=status.message)


def _exit(attempt: AttemptFolder) -> Status | None:
    try:
        record = read_json(attempt.exit_path)
        return Status(Phase.ENDED, int(record["exit_code"]), bool(record.get("out_of_memory")))
    except FileNotFoundError:
        return None
    except (BadRecord, KeyError, TypeError, ValueError):
        return Status(Phase.ENDED, message=f"{attempt.exit_path} is damaged")


def _written(attempt: AttemptFolder) -> tuple[int, ...]:
    """Sizes and times of what a living attempt writes; only that they change is used, no clock is compared."""
    sizes = [attempt.number]
    for path in (attempt.claim_path, attempt.curve_path, attempt.log_path):
        try:
            found = path.stat()
        except OSError:
            continue
        sizes += [found.st_size, found.st_mtime_ns]
    return tuple(sizes)
