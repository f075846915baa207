"""What engines share that have a queue of their own: SLURM, Ray, and any other that takes jobs and cancels them.

Such an engine says how to launch, look and kill. The rest is the same for all of them and lies here: it is asked every
few seconds only, its silence is borne for a while, and a job that does not heed its cancellation is killed.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scaling.errors import MachineError
from scaling.executor.job import NodeJob
from scaling.executor.protocol import Phase, Slot, Status, Task
from scaling.spec.schema import ExecutorSpec

_REPORT_S = 15.0  # after its grace: a job ends its trial itself and writes how


class ClusterExecutor(ABC):
    """Runs attempts as jobs of a cluster's own queue, each a ``NodeRun`` on the node that the queue chose.

    Args:
        spec: the sweep's executor section.
        module: the trial's module.

    Attributes:
        name, outlives_runner, patience_s: as in ``protocol.Executor``.
        look_every_s: how often the engine is asked.
        silence_s: how long an engine that once answered may then be silent.
        most_jobs: of one launch.
        alone: no other job shares a trial's node.
    """

    name: str
    places = False
    outlives_runner: bool
    patience_s: float
    look_every_s = 2.0
    silence_s = 0.0
    most_jobs = 1000
    alone = False

    def __init__(self, spec: ExecutorSpec, module: str) -> None:
        self._spec, self._module = spec, module
        self._jobs: dict[str, Status] = {}
        self._looked_s = self._answered_s = -math.inf
        self._kill_s: dict[str, float] = {}

    @abstractmethod
    def launch(self, jobs: Sequence[NodeJob]) -> list[str]:
        """Give jobs to the engine; return a handle for each. Raises ``MachineError`` when it refuses them."""

    @abstractmethod
    def look(self) -> Mapping[str, Status]:
        """Return what the engine says of the jobs it knows. Raises ``MachineError`` when it does not answer."""

    @abstractmethod
    def kill(self, handle: str) -> None:
        """End a job now. Raises ``MachineError``, which is not heeded: the job ends itself, or has ended."""

    @abstractmethod
    def logs(self, handle: str) -> Path:
        """Return the file with what the engine kept of the job's output."""

    @abstractmethod
    def close(self) -> None:
        """Let go: end what cannot outlive the runner, and leave the rest to the engine. May be called twice."""

    def capacity(self) -> tuple[Slot, ...] | None:
        """Return ``None``: the cluster's affair."""
        return None

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Launch attempts as jobs. Raises ``MachineError``."""
        jobs = [self._job(task) for task in tasks]
        parts = [jobs[first : first + self.most_jobs] for first in range(0, len(jobs), self.most_jobs)]
        handles = [handle for part in parts for handle in self.launch(part)]
        self._looked_s = -math.inf
        return handles

    def _job(self, task: Task) -> NodeJob:
        spec, processes = self._spec, max(1, self._spec.gpus_per_trial)
        return NodeJob(
            store=str(task.store.resolve()),
            trial=task.trial,
            attempt=task.attempt.number,
            module=self._module,
            processes=processes,
            threads=max(1, (spec.cpus_per_trial or 1) // processes),
            alone=self.alone,
        )

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return what the engine says of each job, asked at most every ``look_every_s`` anew."""
        handles, now = list(handles), time.monotonic()
        for handle in [h for h, at in self._kill_s.items() if now >= at]:
            self._end(handle)
        if handles and now - self._looked_s >= self.look_every_s:
            self._hear(now)
        return {handle: self._status(handle) for handle in handles}

    def _hear(self, now: float) -> None:
        try:
            self._jobs |= self.look()
        except MachineError:
            if now - self._answered_s > self.silence_s:
                raise
        else:
            self._answered_s = now
        self._looked_s = now

    def _status(self, handle: str) -> Status:
        return self._jobs.get(handle) or Status(Phase.UNKNOWN, message=f"{self.name} knows no job {handle}")

    def cancel(self, handle: str, grace_s: float) -> None:
        """End a job that waits now; one that runs has been asked to, and is killed should it not heed that."""
        if self._status(handle).phase is Phase.WAITING:
            self._end(handle)
        else:
            self._kill_s[handle] = time.monotonic() + grace_s + _REPORT_S

    def _end(self, handle: str) -> None:
        self._kill_s.pop(handle, None)
        try:
            self.kill(handle)
        except MachineError:  # it has ended meanwhile; or nobody answers, and its own grace ends it
            return
