"""Notices failures that repeat, so that one fault does not burn a whole sweep.

The same failure again and again, wherever it runs, is a fault of the sweep: it stops. A slot on which three trials in a
row fail at once and alike, while other slots do not, is a fault of the slot: it is left alone, and what failed there is
tried elsewhere. Trials that fail each in a way of its own accuse no slot.
"""

import re
from collections import deque
from dataclasses import dataclass, field

from scaling.executor.progress import Job
from scaling.store.state import State, TrialState

FAST_S = 30.0  # a trial that fails within this has met something broken rather than something hard
_SLOT_FAILURES = 3
_TELLS_NOTHING = ("time_limit", "interrupted")  # causes that say nothing of sweep or slot
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do after an attempt ended.

    Attributes:
        stop: why to stop the sweep, or ``None``.
        quarantine: slot to use no more, or ``None``.
        elsewhere: trials that failed on that slot.
    """

    stop: str | None = None
    quarantine: str | None = None
    elsewhere: tuple[Job, ...] = ()


@dataclass(slots=True)
class _Slot:
    """What happened in one slot since its last success."""

    failed: dict[str, tuple[Job, str]] = field(default_factory=dict)  # trial -> itself, its first line
    proved: bool = False  # a trial ended well in it


class Breaker:
    """Told of every attempt that ended.

    Args:
        slots: names of the slots in use.
        same_failures: equal failures in a row that stop the sweep.
        fast_s: seconds within which a failure counts against its slot.
    """

    def __init__(self, slots: tuple[str, ...], same_failures: int, fast_s: float = FAST_S) -> None:
        self._slots = {name: _Slot() for name in slots}
        self._row: deque[tuple[str, str]] = deque(maxlen=same_failures)  # first line, slot
        self._fast_s = fast_s

    def ended(self, job: Job, place: str, state: TrialState, cause: str | None, seconds: float) -> Verdict:
        """Take in how an attempt ended; ``place`` may be unknown to us when an engine chose it."""
        if cause in _TELLS_NOTHING or state.state not in (State.DONE, State.DIVERGED, State.FAILED):
            return Verdict()
        if state.state is not State.FAILED:
            self._row.clear()
            if place in self._slots:
                self._slots[place] = _Slot(proved=True)
            return Verdict()
        line = _NUMBER.sub("#", state.reason or "")
        if place in self._slots and seconds < self._fast_s:
            self._slots[place].failed[job.folder.id] = (job, line)
        if self._is_bad(place):
            return self._quarantine(place)
        if state.retry:
            return Verdict()
        self._row.append((line, place))
        return self._stop(state.reason)

    def _is_bad(self, place: str) -> bool:
        slot = self._slots.get(place)
        others = [s for name, s in self._slots.items() if name != place]
        if slot is None or len(slot.failed) < _SLOT_FAILURES or not others:
            return False
        if len({line for _, line in slot.failed.values()}) > 1:
            return False
        return any(s.proved or not s.failed for s in others)

    def _quarantine(self, place: str) -> Verdict:
        failed = [job for job, _ in self._slots.pop(place).failed.values()]
        self._row = deque((r for r in self._row if r[1] != place), maxlen=self._row.maxlen)
        return Verdict(quarantine=place, elsewhere=tuple(failed))

    def _stop(self, reason: str | None) -> Verdict:
        lines = {line for line, _ in self._row}
        full = len(self._row) == self._row.maxlen and len(lines) == 1
        # All in one slot while another has not been heard of: wait for that one's word.
        if not full or (len({p for _, p in self._row}) == 1 and self._unheard(self._row[0][1])):
            return Verdict()
        return Verdict(stop=f"{len(self._row)} trials in a row failed alike: {reason}")

    def _unheard(self, place: str) -> bool:
        return place in self._slots and len(self._slots) > 1
