"""From a sweep's executor section to the engine that runs it, each loaded only when it is asked for."""

from collections.abc import Callable

from scaling.errors import MachineError
from scaling.executor.protocol import Executor
from scaling.spec.schema import ExecutorSpec
from scaling.store.layout import StoreFolder


def open_executor(spec: ExecutorSpec, sweep: str, store: StoreFolder, tell: Callable[[str], None]) -> Executor:
    """Return the engine of a sweep.

    Args:
        spec: the executor section.
        sweep: the sweep's name.
        store: where its trials are.
        tell: is given a line for each device that is left alone.

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

    return LocalExecutor(slots, processes=max(1, spec.gpus_per_trial))


def refuse_impossible(spec: ExecutorSpec) -> None:
    """Raise ``MachineError`` for a request that this machine or cluster could never fill."""
    if spec.kind == "slurm":
        from scaling.executor.slurm_site import impossible

        problems = impossible(spec)
        if problems:
            raise MachineError(
                "executor.impossible",
                "; ".join(problems),
                why="such a job would wait for ever, or be refused",
                hint="ask for less, or for another partition: executor.slurm.partition",
            )
    elif spec.kind in ("local", "debug"):
        from scaling.executor.devices import choose, local_slots
        from scaling.hardware import scan_gpus

        local_slots(spec, choose(scan_gpus(), use_busy=True))  # who is busy now may be free when it runs
