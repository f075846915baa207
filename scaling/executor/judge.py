"""What an ended attempt means: its failure is written down once, and the trial's state read from its files."""

import signal
from dataclasses import dataclass

from scaling.executor.progress import Job
from scaling.executor.protocol import Status
from scaling.store.files import BadRecord, dump_json, publish, read_last_line, write_atomic
from scaling.store.layout import AttemptFolder
from scaling.store.records import Failure, to_json
from scaling.store.state import (
    EXIT_CONTINUE,
    EXIT_UNWRITABLE,
    State,
    TrialState,
    read_exit_code,
    read_failure,
    read_state,
)

_TAIL_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Why the runner asked an attempt to end.

    Attributes:
        cause: ``interrupted`` (resumes with the next run) or ``time_limit`` (a failure).
        message: for people.
    """

    cause: str
    message: str


def judge(job: Job, attempt: AttemptFolder, status: Status, cancelled: Cancelled | None) -> TrialState:
    """Record why an attempt failed, if it did, and return the state of its trial.

    The trial's own words stand. Only where it was asked to end does the runner's reason replace its
    "interrupted", since the runner alone knows why.
    """
    state = read_state(job.folder, job.horizons)
    if state.state in (State.DONE, State.DIVERGED):
        return state
    try:
        own = read_failure(attempt)
    except BadRecord:
        return state  # failed, with the damaged file named
    if own is None:
        publish(attempt.failure_path, to_json(_failure(job, attempt, status, cancelled)))
    elif cancelled is not None and own.cause == "interrupted":
        ours = Failure(cause=cancelled.cause, message=cancelled.message, exit_code=status.exit_code)
        write_atomic(attempt.failure_path, dump_json(to_json(ours)))
    return read_state(job.folder, job.horizons)


def goes_on(attempt: AttemptFolder, state: TrialState) -> bool:
    """Whether an engine took the place from a trial that got somewhere, saved its state, and can go on elsewhere."""
    try:
        saved = read_exit_code(attempt) == EXIT_CONTINUE
    except BadRecord:
        return False
    return state.state is State.INTERRUPTED and saved and read_last_line(attempt.curve_path) is not None


def _failure(job: Job, attempt: AttemptFolder, status: Status, cancelled: Cancelled | None) -> Failure:
    code = status.exit_code
    if cancelled is not None:
        return Failure(cause=cancelled.cause, message=cancelled.message, exit_code=code)
    if code == EXIT_CONTINUE:
        return Failure(cause="interrupted", message="the trial was asked to end and saved its state", exit_code=code)
    if code == EXIT_UNWRITABLE:
        return Failure(cause="interrupted", message="the store could not be written", exit_code=code)
    if code is None or code < 0:
        cause = "host_oom" if status.out_of_memory and code == -signal.SIGKILL else "killed"
        message = _death(attempt, code, cause) + (f" ({status.message})" if status.message else "")
        return Failure(cause=cause, message=message, exit_code=code, detail=log_tail(attempt))
    if code == 0:
        have = job.folder.record_files("points")
        lacking = ", ".join(str(h) for h in job.horizons if h not in have) or "none"
        message = f"the trial's process ended without an error and without its results (points lacking: {lacking})"
        return Failure(cause="error", message=message, exit_code=code, detail=log_tail(attempt))
    message = f"the trial's process ended with code {code}"
    return Failure(cause="error", message=message, exit_code=code, detail=log_tail(attempt))


def _death(attempt: AttemptFolder, code: int | None, cause: str) -> str:
    last = read_last_line(attempt.curve_path)
    place = f"after step {last['step']}" if last and "step" in last else "before its first logged step"
    if cause == "host_oom":
        return f"killed by the kernel {place}: the machine or the control group ran out of memory"
    return f"killed by {signal_name(code)} {place}"


def signal_name(code: int | None) -> str:
    """Name the signal of a negative exit code: ``signal_name(-9) == "SIGKILL"``."""
    if code is None:
        return "something the executor did not see"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def log_tail(attempt: AttemptFolder) -> str:
    """Return the end of what an attempt printed, for its failure record."""
    try:
        with attempt.log_path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"(no log: {error.strerror})"
