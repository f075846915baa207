"""From a sweep's executor section to the engine that runs it, each loaded only when it is asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from scaling.errors import MachineError, UsageError
from scaling.executor.command import PRELOADED
from scaling.executor.protocol import Executor
from scaling.spec.schema import ExecutorSpec, SweepSpec, TrialSpec
from scaling.store.layout import StoreFolder


def open_executor(
    spec: ExecutorSpec, sweep: str, store: StoreFolder, tell: Callable[[str], None], *, built_in: bool = True
) -> Executor:
    """Return the engine of a sweep.

    Args:
        spec: the executor section.
        sweep: the sweep's name.
        store: where its trials are.
        tell: is given a line for each device that is left alone.
        built_in: the trials are this package's own; a command brings its own modules.

    Raises:
        MachineError: the engine is not installed or not to be reached, or this machine has not what was asked.
    """
    if spec.kind == "slurm":
        from scaling.executor.slurm import SlurmExecutor

        return SlurmExecutor(spec, sweep, store.root / "slurm")
    if spec.kind == "ray":
        from scaling.executor.ray import RayExecutor

        return RayExecutor(spec, store.root / "ray.log")
    from scaling.executor.devices import choose, local_slots
    from scaling.hardware import scan_gpus

    found = choose(scan_gpus(), use_busy=spec.use_busy_gpus)
    slots = local_slots(spec, found)
    for line in found.lines():
        tell(line)
    if spec.kind == "debug":
        from scaling.executor.debug import DebugExecutor

        return DebugExecutor(slots[0])
    from scaling.executor.local import LocalExecutor

    return LocalExecutor(slots, processes=max(1, spec.gpus_per_trial), modules=PRELOADED if built_in else ())


def check(spec: ExecutorSpec, trials: Sequence[TrialSpec], *, ask: bool = True) -> str | None:
    """Refuse what this machine or cluster could never run.

    Args:
        spec: the executor section.
        trials: what it would run.
        ask: ask the machine or cluster what it has; an engine that is opened next does so itself.

    Returns:
        Why the cluster could not be asked, where it could not.

    Raises:
        UsageError: a batch that a trial's processes cannot share evenly; several processes under ``debug``.
        MachineError: no node has what one trial asks for.
    """
    _refuse_uneven(spec, trials)
    if spec.kind == "debug" and spec.gpus_per_trial > 1:
        raise UsageError(
            "executor.debug_alone",
            f"debug trains in one process, executor.gpus_per_trial asks for {spec.gpus_per_trial}",
            hint="add --set executor.gpus_per_trial=1",
        )
    if not ask:
        return None
    try:
        _refuse_impossible(spec)
    except MachineError as error:
        if error.code not in ("slurm.missing", "slurm.no_answer", "ray.gone", "ray.missing"):
            raise
        return f"not checked against the {spec.kind} cluster: {error.what}"
    return None


def _refuse_uneven(spec: ExecutorSpec, trials: Sequence[TrialSpec]) -> None:
    count = max(1, spec.gpus_per_trial)
    for trial in trials:
        windows = trial.train.batch_tokens // trial.data.context
        if windows % count:
            raise UsageError(
                "executor.uneven_batch",
                f"{trial.label}: a batch of {windows} windows cannot be shared evenly by {count} processes",
                where="executor.gpus_per_trial",
                hint="choose train.batch_tokens / data.context as a multiple of it",
            )


def _refuse_impossible(spec: ExecutorSpec) -> None:
    if spec.kind == "slurm":
        from scaling.executor.slurm_plan import impossible

        problems = impossible(spec)
        if problems:
            raise MachineError(
                "executor.impossible",
                "; ".join(problems),
                why="such a job would wait for ever, or be refused",
                hint="ask for less, or for another partition: executor.slurm.partition",
            )
    elif spec.kind == "ray":
        from scaling.executor.ray import RayExecutor

        with TemporaryDirectory() as folder:
            RayExecutor(spec, Path(folder) / "ray.log").close()
    else:
        from scaling.executor.devices import choose, local_slots
        from scaling.hardware import scan_gpus

        local_slots(spec, choose(scan_gpus(), use_busy=True))  # who is busy now may be free when it runs


def batch_script(spec: SweepSpec, trials: int) -> str | None:
    """Return what SLURM would be given, with the store's default place; ``None`` for other engines."""
    if spec.executor.kind != "slurm":
        return None
    from scaling.executor import slurm_plan

    return slurm_plan.batch_script(spec.executor, spec.name, Path("runs", spec.name, "slurm").resolve(), trials)
