"""What comes before the first trial of a run: the store and its lock, the plan, the engine, and what is left to do."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.cli.foreign import CommandSweep
    from scaling.cli.planning import Resolved
    from scaling.executor.handles import Attached
    from scaling.executor.progress import Job
    from scaling.executor.protocol import Executor
    from scaling.executor.shards import Shard
    from scaling.store.layout import StoreFolder
    from scaling.store.state import TrialState


def open_engine(resolved: "Resolved | CommandSweep", store: "StoreFolder") -> "Executor":
    """Open the engine that the sweep asks for. Raises ``MachineError`` for what it could never give."""
    from scaling.cli.output import say
    from scaling.executor.open import check, open_executor
    from scaling.spec.schema import TrialSpec

    asked = resolved.spec.executor
    built_in = [trial.spec for trial in resolved.trials if isinstance(trial.spec, TrialSpec)]
    check(asked, built_in, ask=asked.kind == "slurm")
    return open_executor(asked, resolved.spec.name, store, say, built_in=bool(built_in))


def open_store(root: Path, shard: "Shard | None") -> "tuple[StoreFolder, ExitStack]":
    """Take the lock of the store, or of its shard.

    Raises ``UsageError`` that says who holds it, after showing how far that one is.
    """
    from scaling.cli.status import show
    from scaling.errors import UsageError
    from scaling.executor.shards import ShardLock
    from scaling.store.claims import StoreLock, lock_holder
    from scaling.store.layout import StoreFolder

    store = StoreFolder(root.resolve())
    lock = ShardLock(store, shard) if shard else StoreLock(store.lock_path)
    if lock.acquire():
        stack = ExitStack()
        stack.callback(lock.release)
        return store, stack
    if store.sweep_path.exists():
        show(store)
    raise UsageError(
        "run.already_running",
        f"this sweep is being run by {lock_holder(store.lock_path) or lock_holder(lock.path) or 'another process'}",
        where=str(root),
        why="no trial is trained twice",
        hint=f"watch it with `scaling status {root}`",
    )


def settle(store: "StoreFolder", resolved: "Resolved | CommandSweep", accept_changes: bool) -> None:
    """Write the plan into the store and say what changed. Raises ``UsageError`` where nobody agreed to a change."""
    from scaling.cli.output import say
    from scaling.executor.sweep import document, settle_plan

    new = document(
        resolved.spec.model_dump(mode="json", by_alias=True),
        resolved.origins,
        resolved.source,
        resolved.data,
        resolved.trials,
    )
    change = settle_plan(store, new, resolved.trials, accept_changes=accept_changes)
    for line in change.lines():
        say(f"the sweep changed: {line}")


def states(executor: "Executor", jobs: "Sequence[Job]") -> "tuple[list[Attached], dict[str, TrialState]]":
    """Return what the engine still holds of an earlier run, and the state of every trial."""
    from scaling.executor.handles import attach
    from scaling.executor.sweep import settled_state
    from scaling.store.state import State, TrialState

    attached = attach(executor, jobs)
    held = {a.job.folder.id: TrialState(state=State.RUNNING, reason=None, attempts=a.attempt.number) for a in attached}
    return attached, {job.folder.id: held.get(job.folder.id) or settled_state(job) for job in jobs}


def wanted(state: "TrialState", retry_failed: bool) -> bool:
    """Whether a trial in this state is to be run."""
    from scaling.store.state import State

    if state.state is State.RUNNING:  # the engine has it: it is attached, not started
        return False
    return state.retry or not state.state.finished or (retry_failed and state.state is State.FAILED)
