"""What an engine's job does on its node: takes the attempt it was given, and runs it as this machine's own.

Engines start a job a second time when its node was lost or its time was up. A second start makes a further attempt,
so that one folder never has two writers: an old process that is still alive somewhere goes on in its own.
"""

import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scaling.errors import MachineError
from scaling.executor.handles import Handle, read_handle, write_handle
from scaling.executor.local import LocalExecutor
from scaling.executor.protocol import Phase, Slot, Task
from scaling.executor.slots import ALLOCATOR, THREADS
from scaling.store.files import publish, read_json, write_atomic
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.state import State, read_state

EXIT_SUPERSEDED = 77  # nothing left to do: the trial is done, or another job has it
LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeJob:
    """One attempt as an engine carries it to a node.

    Attributes:
        store: the store, at the same path on every node.
        trial: trial id.
        attempt: number of the attempt that was made for this job.
        module: the trial's module.
        processes: processes that train it together.
        threads: threads of each.
        alone: no other job shares the node.
    """

    store: str
    trial: str
    attempt: int
    module: str = "scaling.trial"
    processes: int = 1
    threads: int = 1
    alone: bool = False


class NodeRun:
    """One start of a job on a node.

    Args:
        job: what to run.
        name: what the engine calls the job, and the node.
    """

    def __init__(self, job: NodeJob, name: Handle) -> None:
        self._job = job
        self._name = name
        self._folder = TrialFolder(job.store, job.trial)
        self._first = self._folder.attempt(job.attempt)
        self._attempt: AttemptFolder | None = None
        self._cancel: Callable[[float], None] = lambda grace_s: None

    def run(self) -> int:
        """Run an attempt to its end and return its exit code. Raises ``MachineError`` where there is no store."""
        if not self._folder.spec_path.exists():
            raise MachineError(
                "executor.no_shared_store",
                f"the store is not to be seen on {socket.gethostname()}",
                where=self._job.store,
                why="every node reads and writes the same store",
                hint="give --out a folder on a file system that all nodes share",
            )
        self._attempt = self._take()
        return EXIT_SUPERSEDED if self._attempt is None else self._supervise(self._attempt)

    def end(self, grace_s: float) -> None:
        """Ask the trial to checkpoint and end, and wait for it; for a signal handler of the process that runs."""
        if self._attempt is None:
            return
        self._cancel(grace_s)
        deadline = time.monotonic() + grace_s
        while not self._attempt.exit_path.exists() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _take(self) -> AttemptFolder | None:
        """Return the attempt to run: the one made for this job, or a further one where that was begun before."""
        if read_state(self._folder, self._folder.read_spec().horizons).state in (State.DONE, State.DIVERGED):
            return None
        newest = self._folder.latest_attempt() or self._first
        if self._held_by_other(newest):
            return None
        begun = newest.claim_path.exists() or newest.exit_path.exists()
        attempt = self._folder.new_attempt() if begun else newest
        write_handle(attempt, self._name, by_job=True)
        return attempt

    def _held_by_other(self, attempt: AttemptFolder) -> bool:
        holder = read_handle(attempt)
        return holder is not None and holder.handle != self._name.handle

    def _supervise(self, attempt: AttemptFolder) -> int:
        job, asked = self._job, False
        with closing(LocalExecutor((self._slot(),), job.module, processes=job.processes)) as executor:
            task = Task(store=Path(job.store), trial=job.trial, attempt=attempt, slot=None)
            (handle,) = executor.submit([task])
            self._cancel = lambda grace_s: executor.cancel(handle, grace_s)
            while (status := executor.poll([handle])[handle]).phase is not Phase.ENDED:
                if self._held_by_other(self._folder.latest_attempt() or attempt):
                    self._cancel(0)
                elif not asked and (grace_s := stop_grace_s(self._first)) is not None:
                    asked = True
                    self._cancel(grace_s)
                time.sleep(LOOK_S)
        code = -9 if status.exit_code is None else status.exit_code
        publish(attempt.exit_path, {"exit_code": code, "out_of_memory": status.out_of_memory})
        return code

    def _slot(self) -> Slot:
        """The devices that the engine gave this job, and its threads."""
        threads = {key: str(self._job.threads) for key in THREADS}
        slots = "1" if self._job.alone else "shared"
        return Slot(name=self._name.place, environment={**threads, **ALLOCATOR, "SCALING_SLOTS": slots})


def ask_to_stop(attempt: AttemptFolder, grace_s: float) -> None:
    """Ask a job to checkpoint and end: by a file, which arrives under every engine. Raises ``MachineError``."""
    write_atomic(attempt.path / "stop.json", f'{{"grace_s": {grace_s:g}}}\n')


def stop_grace_s(attempt: AttemptFolder) -> float | None:
    """Return the seconds within which the job of an attempt shall end; ``None`` while nobody asked."""
    try:
        return float(read_json(attempt.path / "stop.json").get("grace_s", 0.0))
    except FileNotFoundError:
        return None
