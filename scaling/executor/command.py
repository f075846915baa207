"""How processes are started: a trial's command line, the way to this package, and a log for what they say."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import scaling
from scaling.errors import MachineError
from scaling.executor.protocol import Task
from scaling.store.files import unwritable

PRELOADED = (  # what a built-in trial imports: by name, loaded in other processes alone
    "scaling.trial.attempt",
    "torch._dynamo",  # by torch.optim, when the first optimizer is made
)


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


def search_path() -> dict[str, str]:
    """Let children find this package when it runs from a checkout; an installed one needs nothing."""
    home = str(Path(scaling.__file__).resolve().parent.parent)
    if home in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))}


def touch(log: Path) -> None:
    """Make a log file that is not there yet. Raises ``MachineError`` when it cannot be written."""
    try:
        log.open("ab").close()
    except OSError as error:
        raise unwritable(log, error) from error


def start_logged(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, with this one's variables and more; what it prints goes to ``log``.

    Raises:
        MachineError: no process can be made, or the log not be written.
    """
    touch(log)
    with log.open("ab") as file:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **search_path(), **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise MachineError(
                "executor.no_process",
                f"cannot start a process: {error.strerror}",
                where=command[0],
                hint="check memory and the limit on processes (free -h; ulimit -u)",
            ) from error
