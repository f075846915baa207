"""SLURM through submitit: each trial a task of a job array, which goes on when the runner ends.

SLURM says what waits, why, and where the rest runs; how an attempt ended is read from its own files by the runner.
"""

import getpass
import importlib.util
import math
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scaling.errors import MachineError
from scaling.executor.cluster import ClusterExecutor
from scaling.executor.command import search_path
from scaling.executor.handles import Handle
from scaling.executor.job import NodeJob, NodeRun
from scaling.executor.protocol import Phase, Status
from scaling.executor.tools import ask, last_line
from scaling.spec.schema import ExecutorSpec
from scaling.store.files import unwritable

_QUEUED = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "CONFIGURING"})
_ACTIVE = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})


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
        self._run = NodeRun(self._job, Handle(executor="slurm", handle=handle, place=place, outlives=True))
        return self._run.run()

    def checkpoint(self) -> Any:  # noqa: ANN401  # submitit has no types
        """Called when the job's time is nearly up or it is preempted: save, then be queued again."""
        from submitit.helpers import DelayedSubmission

        if self._run is not None:
            self._run.end(self._grace_s)
        return DelayedSubmission(ArrayTask(self._job, self._grace_s))


class SlurmExecutor(ClusterExecutor):
    """Submits attempts as job arrays; ``folder`` takes batch scripts, pickles and logs of jobs, seen by all nodes."""

    name = "slurm"
    outlives_runner = True
    patience_s = 20.0  # a job of a lost node is NODE_FAIL for some seconds before it is queued again
    silence_s = 600.0  # a controller that is being restarted
    most_jobs = 1000  # of a default slurm.conf (MaxArraySize 1001)

    def __init__(self, spec: ExecutorSpec, sweep: str, folder: Path, module: str = "scaling.trial") -> None:
        super().__init__(spec, module)
        need_submitit()
        self._sweep, self._folder, self.alone = sweep, folder, spec.slurm.exclusive

    def launch(self, jobs: Sequence[NodeJob]) -> list[str]:
        """Submit one array. Raises ``MachineError`` when SLURM refuses it."""
        from submitit import SlurmExecutor as Submitit
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            engine = Submitit(folder=self._folder, max_num_timeout=1000)
            engine.update_parameters(**parameters(self._spec, self._sweep))
            submitted = engine.submit_array([ArrayTask(job, self._spec.slurm.grace) for job in jobs])
        except OSError as error:
            raise unwritable(self._folder, error) from error
        except (FailedJobError, FailedSubmissionError, RuntimeError) as error:
            raise MachineError(
                "slurm.refused",
                f"SLURM did not take the jobs: {str(error).strip().splitlines()[-1]}",
                hint="read the batch script that `scaling plan` prints, and try its options with srun",
            ) from error
        return [str(job.job_id) for job in submitted]

    def look(self) -> dict[str, Status]:
        """Read the user's jobs of this sweep, ended ones too as long as SLURM remembers them."""
        whose = ["-u", getpass.getuser(), "-n", f"scaling-{self._sweep}"]
        text = ask("slurm", "squeue", "-h", "-r", "-t", "all", *whose, "-o", "%i|%T|%N|%r")
        return {job: read_state(*rest) for job, *rest in (line.split("|", 3) for line in text.splitlines())}

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return what the queue says of each job, and of one that is not there what it last wrote itself."""
        return {handle: self._explained(handle, status) for handle, status in super().poll(handles).items()}

    def _explained(self, handle: str, status: Status) -> Status:
        if status.phase in (Phase.WAITING, Phase.RUNNING):
            return status
        return replace(status, message="; ".join(filter(None, [status.message, last_line(self.logs(handle))])))

    def kill(self, handle: str) -> None:
        """Cancel a job."""
        ask("slurm", "scancel", handle)

    def logs(self, handle: str) -> Path:
        """Return what the job wrote before and around its trial."""
        return self._folder / f"{handle}_0_log.err"

    def close(self) -> None:
        """Nothing: the jobs go on, as ``scaling-NAME`` in the queue."""


def need_submitit() -> None:
    """Raise ``MachineError`` where the extra is not installed."""
    if importlib.util.find_spec("submitit") is None:
        hint = "pip install 'scaling-bench[slurm]'"
        raise MachineError("slurm.no_submitit", "the SLURM executor needs submitit", hint=hint)


def parameters(spec: ExecutorSpec, sweep: str) -> dict[str, Any]:
    """Return what submitit writes into the batch script."""
    slurm, variables = spec.slurm, {"PYTHONSAFEPATH": "1", **search_path()}
    own = {"time", "grace", "at_once", "gres", "reservation", "exclusive"}
    more = {"reservation": slurm.reservation} if slurm.reservation else {}
    return {
        **slurm.model_dump(exclude=own, exclude_none=True),
        "job_name": f"scaling-{sweep}",
        "time": max(1, math.ceil(slurm.time / 60)),
        "signal_delay_s": math.ceil(slurm.grace),
        "cpus_per_task": spec.cpus_per_trial or max(1, spec.gpus_per_trial),
        "array_parallelism": slurm.at_once or SlurmExecutor.most_jobs,
        "setup": [f"export {key}={shlex.quote(value)}" for key, value in variables.items()],
        **({"exclusive": True} if slurm.exclusive else {}),
        **({"gres": slurm.gres or f"gpu:{spec.gpus_per_trial}"} if spec.gpus_per_trial else {}),
        "additional_parameters": {"requeue": True, **more},
    }


def read_state(state: str, node: str, reason: str) -> Status:
    """Translate a state of squeue. What is neither queued nor active has ended, as far as SLURM knows."""
    if state in _QUEUED:
        return Status(Phase.WAITING, message=f"{state.lower()}: {reason}")
    if state in _ACTIVE:
        return Status(Phase.RUNNING, place=node)
    return Status(Phase.ENDED, place=node, message=f"SLURM says {state} on {node or 'no node'}")
