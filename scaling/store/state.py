"""The state of a trial, derived from its files by one function. Nothing stores a state, so none can be stale.

A trial is *done* when its end record reaches the last planned horizon and every horizon has its point.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scaling.store.claims import Claim, read_claim
from scaling.store.files import BadRecord, bad_record, read_json
from scaling.store.layout import AttemptFolder, Listing, TrialFolder
from scaling.store.records import EndRecord, Failure, failure_from_json

RETRIED = frozenset({"killed", "host_oom", "hang"})  # causes that a second attempt can change


EXIT_CONTINUE = 75  # a trial that was asked to end, and has saved what it needs to go on
EXIT_UNWRITABLE = 74  # a trial that could not write its results: no fault of its own, it goes on when there is room
_RESUMED = frozenset({EXIT_CONTINUE, EXIT_UNWRITABLE})


class State(StrEnum):
    """What a trial is in. ``diverged`` is a result; ``interrupted`` resumes with the next run."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def finished(self) -> bool:
        """Whether another run would leave the trial alone without being asked."""
        return self in (State.DONE, State.DIVERGED, State.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What the files of one attempt say.

    Attributes:
        number: from 1.
        claim: the process that took it; ``None`` before it began.
        alive: whether that process runs; ``None`` when it cannot be known from here.
        exit_code: exit code of the trial's process, negative for a signal; ``None`` if not seen to end.
        failure: why it ended without a result.
    """

    number: int
    claim: Claim | None
    alive: bool | None
    exit_code: int | None
    failure: Failure | None

    @property
    def untouched(self) -> bool:
        """Whether the folder was made and nothing happened in it: its runner died at that moment."""
        return self.claim is None and self.exit_code is None and self.failure is None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialState:
    """State of a trial.

    Attributes:
        state: what it is in.
        reason: why, where there is something to say.
        attempts: how many were made.
        retry: it failed by a cause that a second attempt can change, and has not had that attempt.
    """

    state: State
    reason: str | None
    attempts: int
    retry: bool = False


def derive(
    horizons: Sequence[int], points: Collection[int], end: EndRecord | None, attempts: Sequence[Attempt]
) -> TrialState:
    """Derive the state of a trial.

    Args:
        horizons: planned horizons, in tokens.
        points: horizons that have a point.
        end: the end record with most tokens.
        attempts: all attempts, in order.
    """
    state, reason = _result(horizons, points, end) or _unfinished(end, attempts)
    retry = state is State.FAILED and may_retry(attempts)
    return TrialState(state=state, reason=reason, attempts=len(attempts), retry=retry)


def _result(horizons: Sequence[int], points: Collection[int], end: EndRecord | None) -> tuple[State, str | None] | None:
    if end is None:
        return None
    if end.state == "diverged":
        return State.DIVERGED, end.reason
    if end.tokens >= max(horizons, default=0) and set(horizons) <= set(points):
        return State.DONE, None
    return None


def _unfinished(end: EndRecord | None, attempts: Sequence[Attempt]) -> tuple[State, str | None]:
    if not attempts or attempts[-1].untouched:
        return State.PENDING, None
    last = attempts[-1]
    ended = last.exit_code is not None
    if last.failure is not None:  # also of a process on a lost node, which may live where nobody sees it
        stopped = last.failure.cause == "interrupted"
        return State.INTERRUPTED if stopped else State.FAILED, last.failure.message
    if not ended and last.claim is not None and last.alive is not False:
        return State.RUNNING, None if last.alive else f"{last.claim}, which cannot be seen from here"
    if last.exit_code in _RESUMED:
        return State.INTERRUPTED, "it ended before its results and goes on with the next run"
    if not ended or (last.exit_code or 0) < 0:
        return State.INTERRUPTED, f"{last.claim} ended without a word (killed, or the machine went down)"
    if end is not None and last.exit_code == 0:
        return State.PENDING, f"further horizons, after {end.tokens} tokens"
    return State.FAILED, f"the trial's process ended with code {last.exit_code} and left no result"


def may_retry(attempts: Sequence[Attempt]) -> bool:
    """Whether the last attempt died by a cause that a retry can change, for the first time in a row."""
    killed = [a.failure is not None and a.failure.cause in RETRIED for a in attempts[-2:]]
    return bool(killed) and killed[-1] and not (len(killed) == 2 and killed[0])


def read_failure(attempt: AttemptFolder) -> Failure | None:
    """Read why an attempt failed, or ``None``. Raises ``BadRecord``."""
    try:
        return failure_from_json(read_json(attempt.failure_path))
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise bad_record(attempt.failure_path, f"failure.json is not a failure: {error}") from error


def read_exit_code(attempt: AttemptFolder) -> int | None:
    """Read the exit code that the supervisor saw, or ``None``. Raises ``BadRecord``."""
    try:
        return int(read_json(attempt.exit_path)["exit_code"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise bad_record(attempt.exit_path, f"exit.json has no exit code: {error}") from error


def read_attempts(folder: TrialFolder, numbers: Sequence[int] | None = None) -> list[Attempt]:
    """Read what the files of all attempts say, in order; ``numbers``: where they are known. Raises ``BadRecord``."""
    return [_read_attempt(folder.attempt(n)) for n in (folder.attempts() if numbers is None else numbers)]


def _read_attempt(attempt: AttemptFolder) -> Attempt:
    claim = read_claim(attempt.claim_path)
    return Attempt(
        number=attempt.number,
        claim=claim,
        alive=None if claim is None else claim.alive,
        exit_code=read_exit_code(attempt),
        failure=read_failure(attempt),
    )


def read_state(folder: TrialFolder, horizons: Sequence[int], listing: Listing | None = None) -> TrialState:
    """Derive the state of a trial from its files; a damaged file makes it *failed*, with the file named.

    Args:
        folder: the trial.
        horizons: planned horizons, in tokens.
        listing: the names in its folder, where they are known.
    """
    try:
        listing = listing or folder.listing()
        points = {point.tokens for point in folder.points(listing)}
        end = folder.end(listing)
        result = _result(horizons, points, end)
        if result is not None:  # a result stands, whatever became of the attempts
            return TrialState(state=result[0], reason=result[1], attempts=len(listing.attempts))
        return derive(horizons, points, end, read_attempts(folder, listing.attempts))
    except BadRecord as error:
        reason = f"{error.what} ({error.where})"
        return TrialState(state=State.FAILED, reason=reason, attempts=len(folder.attempts()))
