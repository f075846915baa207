"""Which engine holds an attempt, under what handle: written beside the attempt, so that a later runner finds it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from scaling.errors import UsageError
from scaling.executor.progress import Job
from scaling.executor.protocol import Executor, Phase
from scaling.store.files import BadRecord, bad_record, dump_json, publish, read_json, write_atomic
from scaling.store.layout import AttemptFolder
from scaling.store.state import EXIT_CONTINUE, EXIT_UNWRITABLE, read_exit_code, read_failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """What the engine that was given an attempt calls it.

    Attributes:
        executor: name of the engine.
        handle: what the engine returned for it.
        place: slot, where the runner chose one; else empty.
        outlives: the attempt goes on without a runner.
    """

    executor: str
    handle: str
    place: str = ""
    outlives: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """An attempt that an engine still holds from an earlier run."""

    job: Job
    attempt: AttemptFolder
    handle: str


def write_handle(attempt: AttemptFolder, handle: Handle, *, by_job: bool = False) -> None:
    """Write who holds an attempt. A job's own word, which knows its node, stands. Raises ``MachineError``.

    Of an attempt that ends with this machine it need not outlive the machine: waiting for the disk would hold up every
    start.
    """
    if by_job:
        write_atomic(attempt.handle_path, dump_json(asdict(handle)))
    else:
        publish(attempt.handle_path, asdict(handle), durable=handle.outlives)


def read_handle(attempt: AttemptFolder) -> Handle | None:
    """Read who holds an attempt; ``None`` where nobody wrote it, or the machine went down meanwhile.

    Raises ``BadRecord``.
    """
    try:
        return Handle(**read_json(attempt.handle_path))
    except FileNotFoundError:
        return None
    except BadRecord:
        if attempt.handle_path.stat().st_size == 0:  # a name that reached the disk before its content
            return None
        raise
    except TypeError as error:
        raise bad_record(attempt.handle_path, f"handle.json is not a handle: {error}") from error


def attach(executor: Executor, jobs: Sequence[Job]) -> list[Attached]:
    """Return the attempts of an earlier run that the engine still holds, waiting or running.

    Raises:
        UsageError: another engine, whose attempts outlive their runner, may still run one of these trials.
        MachineError: the engine does not answer.
    """
    held = [found for job in jobs if (found := _open_handle(job)) is not None]
    for _, attempt, handle in held:
        if handle.outlives and handle.executor != executor.name:
            raise _elsewhere(attempt, handle)
    mine = [(job, attempt, h.handle) for job, attempt, h in held if h.executor == executor.name]
    if not (mine and executor.outlives_runner):
        return []
    statuses = executor.poll([handle for _, _, handle in mine])
    alive = (Phase.WAITING, Phase.RUNNING)
    return [Attached(job=j, attempt=a, handle=h) for j, a, h in mine if statuses[h].phase in alive]


def _open_handle(job: Job) -> tuple[Job, AttemptFolder, Handle] | None:
    """The last attempt of a trial, if an engine was given it and it has not come to an end of its own."""
    attempt = job.folder.latest_attempt()
    if attempt is None:
        return None
    handle = read_handle(attempt)
    code = read_exit_code(attempt)
    if handle is None or read_failure(attempt) is not None or code not in (None, EXIT_CONTINUE, EXIT_UNWRITABLE):
        return None
    return job, attempt, handle


def _elsewhere(attempt: AttemptFolder, handle: Handle) -> UsageError:
    return UsageError(
        "run.held_elsewhere",
        f"an earlier run gave this trial to {handle.executor}, as job {handle.handle}, and saw no end of it",
        where=str(attempt.path),
        why="two processes must not train one trial",
        hint=f"go on with --executor {handle.executor}; or cancel that job and remove {attempt.handle_path.name} there",
    )
