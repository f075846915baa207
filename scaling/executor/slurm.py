"""SLURM through submitit: each trial a task of a job array, which goes on when the runner ends.

SLURM says what waits, why, and where the rest runs; how an attempt ended is read from its own files by the runner.
"""

import math
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from scaling.errors import MachineError
from scaling.executor.handles import Handle
from scaling.executor.job import NodeJob, NodeRun
from scaling.executor.protocol import Phase, Slot, Status, Task
from scaling.executor.slurm_site import ARRAY_LIMIT, Queue, ask, last_line, need_submitit, parameters
from scaling.spec.schema import ExecutorSpec
from scaling.store.files import unwritable

LOOK_EVERY_S = 2.0
_REPORT_S = 15.0  # after its grace: a job ends its trial itself and writes how


class ArrayTask:
    """What submitit carries to the node and calls there; again after a requeue."""

    def __init__(self, job: NodeJob, grace_s: float) -> None:
        self._job, self._grace_s = job, grace_s
        self._run: NodeRun | None = None

    def __call__(self) -> int:
        """Run the attempt."""
        env = os.environ
        array = env.get("SLURM_ARRAY_JOB_ID")
        handle = f"{array}_{env['SLURM_ARRAY_TASK_ID']}" if array else env["SLURM_JOB_ID"]
        place = f"slurm job {handle} on {env.get('SLURMD_NODENAME', 'a node')}"
        self._run = NodeRun(self._job, Handle(executor=SlurmExecutor.name, handle=handle, place=place))
        return self._run.run()

    def checkpoint(self) -> Any:  # noqa: ANN401  # submitit has no types
        """Called when the job's time is nearly up or it is preempted: save, then be queued again."""
        from submitit.helpers import DelayedSubmission

        if self._run is not None:
            self._run.end(self._grace_s)
        return DelayedSubmission(ArrayTask(self._job, self._grace_s))


class SlurmExecutor:
    """Submits attempts as job arrays.

    Args:
        spec: the sweep's executor section.
        sweep: its name, for the jobs.
        folder: where batch scripts, pickles and logs of jobs go; all nodes see it.
        module: the trial's module.
    """

    name = "slurm"
    places = False
    outlives_runner = True
    patience_s = 20.0  # a job of a lost node is NODE_FAIL for some seconds before it is queued again

    def __init__(self, spec: ExecutorSpec, sweep: str, folder: Path, module: str = "scaling.trial") -> None:
        need_submitit()
        self._spec, self._sweep, self._folder, self._module = spec, sweep, folder, module
        self._queue = Queue(sweep)
        self._looked_s = -math.inf
        self._kill_s: dict[str, float] = {}

    def capacity(self) -> tuple[Slot, ...] | None:
        """Return ``None``: the cluster's affair."""
        return None

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Submit attempts as arrays. Raises ``MachineError`` when SLURM refuses them."""
        parts = [tasks[first : first + ARRAY_LIMIT] for first in range(0, len(tasks), ARRAY_LIMIT)]
        return [handle for part in parts for handle in self._submit(part)]

    def _submit(self, tasks: Sequence[Task]) -> list[str]:
        from submitit import SlurmExecutor as Submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            engine = Submitit(folder=self._folder, max_num_timeout=1000)
            engine.update_parameters(**parameters(self._spec, self._sweep))
            jobs = engine.submit_array([ArrayTask(self._job(task), self._spec.slurm.grace) for task in tasks])
        except OSError as error:
            raise unwritable(self._folder, error) from error
        except (FailedJobError, FailedSubmissionError, RuntimeError) as error:
            raise MachineError(
                "slurm.refused",
                f"SLURM did not take the jobs: {str(error).strip().splitlines()[-1]}",
                hint="read the batch script that `scaling plan` prints, and try its options with srun",
            ) from error
        self._looked_s = -math.inf
        return [str(job.job_id) for job in jobs]

    def _job(self, task: Task) -> NodeJob:
        spec, processes = self._spec, max(1, self._spec.gpus_per_trial)
        return NodeJob(
            store=str(task.store.resolve()),
            trial=task.trial,
            attempt=task.attempt.number,
            module=self._module,
            processes=processes,
            threads=max(1, (spec.cpus_per_trial or 1) // processes),
            alone=spec.slurm.exclusive,
        )

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return what the queue says of each job, at most every two seconds anew."""
        handles, now = list(handles), time.monotonic()
        if handles and now - self._looked_s >= LOOK_EVERY_S:
            self._queue.look()
            self._looked_s = now
        for handle in [h for h, at in self._kill_s.items() if now >= at]:
            self._end(handle)
        return {handle: self._status(handle) for handle in handles}

    def _status(self, handle: str) -> Status:
        status = self._queue.status(handle)
        if status.phase in (Phase.WAITING, Phase.RUNNING):
            return status
        return replace(status, message="; ".join(filter(None, [status.message, last_line(self.logs(handle))])))

    def cancel(self, handle: str, grace_s: float) -> None:
        """End a job that waits now; one that runs has been asked to, and is killed should it not heed that."""
        if self._status(handle).phase is Phase.WAITING:
            self._end(handle)
        else:
            self._kill_s[handle] = time.monotonic() + grace_s + _REPORT_S

    def _end(self, handle: str) -> None:
        self._kill_s.pop(handle, None)
        with suppress(MachineError):  # it has ended meanwhile; or nobody answers, and its own grace ends it
            ask("scancel", handle)

    def logs(self, handle: str) -> Path:
        """Return what the job wrote before and around its trial."""
        return self._folder / f"{handle}_0_log.err"

    def close(self) -> None:
        """Nothing: the jobs go on. See ``job_name`` for how to find them."""
