"""The command line of a trial's process, the same under every engine."""

import sys

from scaling.executor.protocol import Task


def trial_command(module: str, task: Task, processes: int = 1) -> list[str]:
    """Return the argument list that trains one attempt.

    Args:
        module: run as ``python -m MODULE STORE TRIAL ATTEMPT``.
        task: the attempt.
        processes: more than one are started by torchrun and train together (data parallel).
    """
    words = [module, str(task.store.resolve()), task.trial, str(task.attempt.number)]
    if processes > 1:
        words = ["scaling.training.launch", str(processes), *words]
    return [sys.executable, "-P", "-m", *words]
