"""What is said to SLURM and asked of it: options, the batch script, the queue, and what its nodes have."""

import getpass
import importlib.util
import math
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scaling.errors import MachineError
from scaling.executor.local import search_path
from scaling.executor.protocol import Phase, Status
from scaling.spec.schema import ExecutorSpec

ARRAY_LIMIT = 1000  # of a default slurm.conf (MaxArraySize 1001)
_COLUMNS = "%i|%T|%N|%r"  # job, state, nodes, why it waits
_SILENCE_S = 600.0  # a controller that is being restarted
_QUEUED = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "CONFIGURING"})
_ACTIVE = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})


def need_submitit() -> None:
    """Raise ``MachineError`` where the extra is not installed."""
    if importlib.util.find_spec("submitit") is None:
        raise MachineError(
            "slurm.no_submitit",
            "the SLURM executor needs submitit",
            hint="pip install 'scaling-bench[slurm]'",
        )


def job_name(sweep: str) -> str:
    """Return the name of a sweep's jobs in the queue."""
    return f"scaling-{sweep}"


def parameters(spec: ExecutorSpec, sweep: str) -> dict[str, Any]:
    """Return what submitit writes into the batch script."""
    slurm = spec.slurm
    own = {"time", "grace", "at_once", "gres", "reservation", "exclusive"}
    found: dict[str, Any] = {
        **slurm.model_dump(exclude=own, exclude_none=True),
        "job_name": job_name(sweep),
        "time": max(1, math.ceil(slurm.time / 60)),
        "signal_delay_s": math.ceil(slurm.grace),
        "cpus_per_task": spec.cpus_per_trial or max(1, spec.gpus_per_trial),
        "array_parallelism": slurm.at_once or ARRAY_LIMIT,
        "setup": [f"export {key}={shlex.quote(value)}" for key, value in _environment().items()],
        "additional_parameters": {"requeue": True},
    }
    if slurm.exclusive:
        found["exclusive"] = True
    if spec.gpus_per_trial:
        found["gres"] = slurm.gres or f"gpu:{spec.gpus_per_trial}"
    if slurm.reservation:
        found["additional_parameters"]["reservation"] = slurm.reservation
    return found


def _environment() -> dict[str, str]:
    return {"PYTHONSAFEPATH": "1", **search_path()}


def batch_script(spec: ExecutorSpec, sweep: str, folder: Path, trials: int) -> str:
    """Return the batch script of a sweep's first array, as submitit writes it; needs no cluster."""
    need_submitit()
    from submitit.slurm import slurm

    command = f"{shlex.quote(sys.executable)} -u -m submitit.core._submit {shlex.quote(str(folder))}"
    array = min(trials, ARRAY_LIMIT) if trials > 1 else None
    text = slurm._make_sbatch_string(command=command, folder=folder, map_count=array, **parameters(spec, sweep))
    return str(text)


def impossible(spec: ExecutorSpec) -> list[str]:
    """Return why no node of the partition could ever run a trial; empty when one could. Raises ``MachineError``."""
    partition = ["-p", spec.slurm.partition] if spec.slurm.partition else []
    nodes = [line.split("|") for line in ask("sinfo", "-h", "-o", "%c|%G", *partition).splitlines()]
    if not nodes:
        return [f"SLURM has no partition {spec.slurm.partition!r}"]
    cpus, gpus = max(int(c.rstrip("+")) for c, _ in nodes), max(count_gpus(gres) for _, gres in nodes)
    wanted = parameters(spec, "")["cpus_per_task"]
    problems = []
    if spec.gpus_per_trial > gpus:
        problems.append(f"executor.gpus_per_trial is {spec.gpus_per_trial}: no node has more than {gpus} GPUs")
    if wanted > cpus:
        problems.append(f"a trial takes {wanted} cores (executor.cpus_per_trial): no node has more than {cpus}")
    return problems


def count_gpus(gres: str) -> int:
    """Count the GPUs of a node in sinfo's words: ``gpu:h100:4(S:0-1),lustre:1`` has 4."""
    parts = re.split(r",(?![^(]*\))", gres)
    counts = [re.fullmatch(r"gpu(?::[^:(]+)?:(\d+)(?:\(.*\))?", part) for part in parts]
    return sum(int(match.group(1)) for match in counts if match)


class Queue:
    """The user's jobs of a sweep, ended ones too as long as SLURM remembers them.

    Args:
        sweep: the sweep's name.
    """

    def __init__(self, sweep: str) -> None:
        self._name = job_name(sweep)
        self._jobs: dict[str, Status] = {}
        self._answered_s = -math.inf

    def look(self) -> None:
        """Read the queue; a controller that is silent for a while leaves things as they were.

        Raises:
            MachineError: it never answered, or not for ten minutes.
        """
        now = time.monotonic()
        try:
            text = ask("squeue", "-h", "-r", "-t", "all", "-u", getpass.getuser(), "-n", self._name, "-o", _COLUMNS)
        except MachineError:
            if now - self._answered_s > _SILENCE_S:
                raise
            return
        self._answered_s = now
        self._jobs |= {job: read_state(*rest) for job, *rest in (line.split("|", 3) for line in text.splitlines())}

    def status(self, handle: str) -> Status:
        """Return what the queue said of a job when it was last read."""
        return self._jobs.get(handle) or Status(Phase.UNKNOWN, message=f"SLURM knows no job {handle}")


def read_state(state: str, node: str, reason: str) -> Status:
    """Translate a state of squeue. What is neither queued nor active has ended, as far as SLURM knows."""
    if state in _QUEUED:
        return Status(Phase.WAITING, message=f"{state.lower()}: {reason}")
    if state in _ACTIVE:
        return Status(Phase.RUNNING, place=node)
    return Status(Phase.ENDED, place=node, message=f"SLURM says {state} on {node or 'no node'}")


def last_line(path: Path) -> str:
    """Return the last line of a log, or nothing where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def ask(*command: str) -> str:
    """Run one of SLURM's commands and return what it prints. Raises ``MachineError`` when it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError as error:
        raise MachineError(
            "slurm.missing",
            f"there is no {command[0]} on this machine",
            hint="run this on a login node of the cluster; elsewhere --executor local, or --shard",
        ) from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        words = (getattr(error, "stderr", "") or "no answer within a minute").strip()
        raise MachineError(
            "slurm.no_answer",
            f"{command[0]} failed: {words.splitlines()[-1]}",
            where=" ".join(command),
            hint="jobs that run go on; when SLURM answers again, the same `scaling run` finds them",
        ) from error
