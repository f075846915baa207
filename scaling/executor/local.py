"""The local executor: a fresh child process per attempt, under a supervisor, on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaling.executor.command import start_logged, trial_command
from scaling.executor.forging import Forged, Forging
from scaling.executor.processes import adopt_orphans, kill_marked
from scaling.executor.protocol import Phase, Slot, Status, Task
from scaling.store.files import read_json
from scaling.store.layout import AttemptFolder

MARK = "SCALING_ATTEMPT"  # in the environment of everything an attempt starts


@dataclass(slots=True)
class _Child:
    """A supervisor that this executor started."""

    process: subprocess.Popen[bytes] | Forged
    attempt: AttemptFolder
    kill_at: float | None = None  # monotonic time at which a cancelled attempt has had its grace


class LocalExecutor:
    """Runs attempts as child processes of this one.

    Start attempts from the main thread: the kernel's death signal fires when the *thread* that started the
    child ends.

    Args:
        slots: places to run.
        module: module run as ``python -m MODULE STORE TRIAL ATTEMPT``.
        processes: processes that train one trial together.
        modules: what the trial's module imports: loaded once, in a process that trials on the CPU are forked from.
    """

    name = "local"
    places = True
    outlives_runner = False
    patience_s = 0.0

    def __init__(
        self,
        slots: tuple[Slot, ...],
        module: str = "scaling.trial",
        *,
        processes: int = 1,
        modules: tuple[str, ...] = (),
    ) -> None:
        self._slots = slots
        self._processes = processes
        self._module = module
        self._forging = Forging(modules, slots, processes)
        self._children: dict[str, _Child] = {}
        adopt_orphans()

    def capacity(self) -> tuple[Slot, ...]:
        """Return the slots."""
        return self._slots

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Start attempts. Raises ``MachineError`` when no process or log file can be made."""
        return [self._submit(task) for task in tasks]

    def _submit(self, task: Task) -> str:
        slot = task.slot or self._slots[0]
        order = {
            "attempt": str(task.attempt.path.resolve()),
            "command": trial_command(self._module, task, self._processes),
            "cpus": slot.cpus,
            "parent": os.getpid(),
            "hang_s": task.hang_s,
        }
        environment = {
            "SCALING_SLOTS": str(len(self._slots)),  # a trial that ran alone may book the machine's counters
            **slot.environment,
            MARK: str(task.attempt.path.resolve()),
        }
        process = self._forging.start(
            order, task.attempt.log_path, environment, {MARK: str(task.store.resolve())}
        ) or start_logged(
            [sys.executable, "-P", "-m", "scaling.executor.shim", json.dumps(order)], task.attempt.log_path, environment
        )
        handle = str(task.attempt.path)
        self._children[handle] = _Child(process, task.attempt)
        return handle

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return what became of each attempt; a handle of an earlier runner is unknown."""
        return {handle: self._status(handle) for handle in handles}

    def _status(self, handle: str) -> Status:
        child = self._children.get(handle)
        if child is None:
            return Status(Phase.UNKNOWN)
        if child.process.poll() is None:
            if child.kill_at is not None and time.monotonic() >= child.kill_at:
                child.process.send_signal(signal.SIGHUP)
            return Status(Phase.RUNNING)
        del self._children[handle]
        return self._ended(child)

    def _ended(self, child: _Child) -> Status:
        assert child.process.returncode is not None
        try:
            record = read_json(child.attempt.exit_path)
        except FileNotFoundError:
            # The supervisor could not tell: it was killed, or was told to end everything at once.
            kill_marked(MARK, str(child.attempt.path.resolve()), session=child.process.pid)
            return Status(Phase.ENDED, _signal_of(child.process.returncode))
        return Status(Phase.ENDED, int(record["exit_code"]), bool(record.get("out_of_memory")))

    def cancel(self, handle: str, grace_s: float) -> None:
        """Ask an attempt to end (SIGTERM), and kill it after ``grace_s`` seconds; 0 kills it now."""
        child = self._children.get(handle)
        if child is None or child.process.poll() is not None:
            return
        child.kill_at = time.monotonic() + grace_s
        child.process.send_signal(signal.SIGTERM if grace_s > 0 else signal.SIGHUP)

    def logs(self, handle: str) -> Path:
        """Return the attempt's log file."""
        return AttemptFolder(Path(handle), int(Path(handle).name[1:])).log_path

    def close(self) -> None:
        """Kill every attempt that still runs and wait for it."""
        for handle in list(self._children):
            self.cancel(handle, 0)
        for child in self._children.values():
            child.process.wait()
        self._children.clear()
        self._forging.close()


def _signal_of(code: int) -> int:
    """Exit code in our sense: a supervisor reports its own death by signal N as -N, or as 128 + N."""
    return 128 - code if code > 128 else code
