"""What ``plan`` says of a sweep on SLURM: the batch script, and what no node could ever run."""

import re
import shlex
import sys
from pathlib import Path

from scaling.executor.slurm import SlurmExecutor, need_submitit, parameters
from scaling.executor.tools import ask
from scaling.spec.schema import ExecutorSpec


def batch_script(spec: ExecutorSpec, sweep: str, folder: Path, trials: int) -> str:
    """Return the batch script of a sweep's first array, as submitit writes it; needs no cluster."""
    need_submitit()
    from submitit.slurm import slurm

    command = f"{shlex.quote(sys.executable)} -u -m submitit.core._submit {shlex.quote(str(folder))}"
    array = min(trials, SlurmExecutor.most_jobs) if trials > 1 else None
    text = slurm._make_sbatch_string(command=command, folder=folder, map_count=array, **parameters(spec, sweep))
    return str(text)


def impossible(spec: ExecutorSpec) -> list[str]:
    """Return why no node of the partition could ever run a trial; empty when one could. Raises ``MachineError``."""
    partition = ["-p", spec.slurm.partition] if spec.slurm.partition else []
    nodes = [line.split("|") for line in ask("slurm", "sinfo", "-h", "-o", "%c|%G", *partition).splitlines()]
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
