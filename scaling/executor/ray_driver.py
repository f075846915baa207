"""Ray's driver, a child of the runner: ``python -m scaling.executor.ray_driver ADDRESS FD``.

Ray prints on the standard output of its driver whatever it is told, and takes signal handlers for itself; so it has a
process of its own. It reads a request as a line of JSON and answers with another on the descriptor ``FD``:
``{"submit": [job, …], "gpus": 1, "cpus": 1}`` with names, ``{"kill": [name, …]}`` with what ended and why.
"""

import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from scaling.executor.local import search_path
from scaling.executor.ray import run_task

_RETRIES = 20  # of a task whose node was lost


class Tasks:
    """The tasks of one run.

    Args:
        address: of the cluster.
    """

    def __init__(self, address: str) -> None:
        import ray

        self._ray: Any = ray  # its types do not fit its use
        environment = {"env_vars": {"PYTHONSAFEPATH": "1", **search_path()}}
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
        self._running: dict[str, Any] = {}
        self._ended: dict[str, str] = {}

    def nodes(self) -> list[dict[str, float]]:
        """Return what each living node has."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def submit(self, jobs: Sequence[dict[str, Any]], gpus: int, cpus: int) -> list[str]:
        """Submit jobs; return a name for each."""
        options = {"num_gpus": gpus, "num_cpus": cpus, "max_retries": _RETRIES, "scheduling_strategy": "SPREAD"}
        task = self._ray.remote(**options)(run_task)
        names = [f"{job['trial']}-{job['attempt']}" for job in jobs]
        for name, job in zip(names, jobs, strict=True):
            self._ended.pop(name, None)
            self._running[name] = task.remote(job, name)
        return names

    def ended(self, kill: Sequence[str]) -> dict[str, str]:
        """Kill some, and return what has ended so far, with Ray's word on it."""
        for name in kill:
            if name in self._running:
                self._ray.cancel(self._running[name], force=True)
        if self._running:
            ready, _ = self._ray.wait(list(self._running.values()), num_returns=len(self._running), timeout=0)
            done = set(ready)
            for name in [name for name, task in self._running.items() if task in done]:
                self._ended[name] = self._word_on(self._running.pop(name))
        return self._ended

    def _word_on(self, task: object) -> str:
        try:
            return f"its task returned {self._ray.get(task)}"
        except self._ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            return f"Ray says {type(error).__name__}: {lines[-1] if lines else ''}"


def main(address: str, answers: int) -> None:
    """Serve requests until the input ends."""
    with os.fdopen(answers, "w", encoding="utf-8") as out:
        tasks = Tasks(address)
        out.write(json.dumps(tasks.nodes()) + "\n")
        out.flush()
        for line in sys.stdin:
            request = json.loads(line)
            jobs = request.get("submit")
            answer = tasks.submit(jobs, request["gpus"], request["cpus"]) if jobs else tasks.ended(request["kill"])
            out.write(json.dumps(answer) + "\n")
            out.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
