"""An attempt that the runner has started and not yet judged: where it is, what it has used, how far it has come."""

from collections.abc import Callable
from dataclasses import dataclass

from scaling.executor.belief import Witness
from scaling.executor.booking import Booking
from scaling.executor.budget import Use, use_of, use_of_record
from scaling.executor.grouping import Seats
from scaling.executor.judge import Cancelled
from scaling.executor.progress import Glance, Job, Running, glance
from scaling.executor.protocol import Phase, Slot, Status
from scaling.store.files import BadRecord, read_json
from scaling.store.layout import AttemptFolder


@dataclass(slots=True)
class Started:
    """An attempt that was started and has not been judged.

    ``began`` stays ``None`` while the engine keeps it waiting: limits count from its start.
    """

    job: Job
    attempt: AttemptFolder
    slot: Slot | None
    handle: str
    place: str
    began: float | None
    booking: Booking
    witness: Witness
    others: Seats
    now: Callable[[], float]
    cancelled: Cancelled | None = None

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return 0.0 if self.began is None else self.now() - self.began

    def use(self) -> Use:
        """What it has used so far, as far as this machine can see."""
        return use_of(self.booking.gpus, self.seconds, self.booking.energy_so_far())

    def final_use(self) -> Use:
        """What it used, in the words of its supervisor where it left any."""
        try:
            return use_of_record(read_json(self.latest().exit_path))
        except (FileNotFoundError, BadRecord, KeyError, TypeError, ValueError):
            return self.use()

    def look(self) -> Glance:
        """Read its files now."""
        return glance(self.job, self.latest(), self.place)

    def views(self) -> "list[Running]":
        """Itself, and each further member of its group."""
        return [self, *(_Seen(job, attempt, self.place) for job, attempt in self.others)]

    def latest(self) -> AttemptFolder:
        """The attempt that counts: an engine that starts a job again on another node makes a new one."""
        return self.attempt if self.slot else self.job.folder.latest_attempt() or self.attempt

    def see(self, status: Status) -> None:
        """Take the engine's word on where it is and whether it began."""
        self.place = status.place or self.place
        if status.phase is Phase.RUNNING and self.began is None:
            self.began = self.now()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A further member of a running group."""

    job: Job
    attempt: AttemptFolder
    place: str

    def look(self) -> Glance:
        """Read its files now."""
        return glance(self.job, self.attempt, self.place)
