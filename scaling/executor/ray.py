"""Ray core tasks on the user's own cluster: a trial is a child process of its task, and ends with the runner.

Ray prints on the standard output of its driver whatever it is told, and takes signal handlers for itself; so the driver
is a helper process, this module run as ``python -m scaling.executor.ray ADDRESS DESCRIPTOR``.
"""

import importlib.util
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scaling.errors import MachineError
from scaling.executor.cluster import ClusterExecutor
from scaling.executor.command import search_path
from scaling.executor.handles import Handle
from scaling.executor.helper import Helper, serve
from scaling.executor.job import NodeJob, NodeRun
from scaling.executor.protocol import Phase, Status
from scaling.executor.tools import why_silent
from scaling.spec.schema import ExecutorSpec

_VARIABLES = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}  # unless the user set them


def run_task(job: dict[str, Any], name: str) -> int:
    """Run an attempt on the node that Ray chose; called again on another where that one was lost."""
    import ray

    node = ray.get_runtime_context().get_node_id()[:8]
    return NodeRun(NodeJob(**job), Handle(executor="ray", handle=name, place=f"ray node {node}")).run()


class RayExecutor(ClusterExecutor):
    """Submits attempts as tasks; Ray's own words go to ``log``.

    Raises:
        MachineError: Ray is not installed, or its cluster does not answer or has no node that can run a trial.
    """

    name = "ray"
    outlives_runner = False
    patience_s = 15.0
    look_every_s = 1.0

    def __init__(self, spec: ExecutorSpec, log: Path, module: str = "scaling.trial") -> None:
        super().__init__(spec, module)
        if importlib.util.find_spec("ray") is None:
            hint = "pip install 'scaling-bench[ray]', as the cluster has"
            raise MachineError("ray.missing", "the Ray executor needs ray", hint=hint)
        address, self._log = spec.ray.address, log
        if (why := why_silent(address)) is not None:
            raise self._gone(f"no Ray cluster answers at {address}: {why}")
        self._driver = Helper("Ray's driver", __name__, [address], log, _VARIABLES, self._gone)
        try:
            self._refuse_impossible(self._driver.first)
        except MachineError:
            self.close()
            raise

    def _gone(self, what: str) -> MachineError:
        return MachineError(
            "ray.gone",
            what,
            where=str(self._log),
            why="trials on Ray end with their driver; those that ran go on from their last checkpoint",
            hint="is the cluster up (ray status), with RAY_AUTH_MODE=token for all of it? Then repeat the command",
        )

    def _refuse_impossible(self, nodes: Sequence[dict[str, float]]) -> None:
        for resource, wanted in (("GPU", self._spec.gpus_per_trial), ("CPU", self._spec.cpus_per_trial or 1)):
            most = max((node.get(resource, 0.0) for node in nodes), default=0.0)
            if wanted > most:
                raise MachineError(
                    "executor.impossible",
                    f"a trial asks for {wanted} {resource}s, no node of the cluster has more than {most:g}",
                    why="such a task would wait for ever",
                    hint=f"lower executor.{resource.lower()}s_per_trial; 0 GPUs train on the CPU",
                )

    def launch(self, jobs: Sequence[NodeJob]) -> list[str]:
        """Submit tasks. Raises ``MachineError`` when the driver has ended."""
        options = {"num_gpus": self._spec.gpus_per_trial, "num_cpus": self._spec.cpus_per_trial or 1}
        handles: list[str] = self._driver.ask({"submit": [asdict(job) for job in jobs], "options": options})
        return handles

    def look(self) -> dict[str, Status]:
        """Return what Ray says of each task; it does not tell what waits."""
        words = self._driver.ask({})
        return {h: Status(Phase.RUNNING) if w is None else Status(Phase.ENDED, message=w) for h, w in words.items()}

    def kill(self, handle: str) -> None:
        """Kill the worker of a task."""
        self._driver.ask({"kill": handle})

    def logs(self, handle: str) -> Path:
        """Return what Ray said."""
        return self._log

    def close(self) -> None:
        """End the driver, and every task with it."""
        self._driver.close()


class Tasks:
    """The driver's tasks: ``{"submit": [job, …], "options": …}``, ``{"kill": name}``, or ``{}`` to hear of all."""

    def __init__(self, address: str) -> None:
        import ray

        self._ray: Any = ray  # its types do not fit its use
        environment = {"env_vars": {"PYTHONSAFEPATH": "1", **search_path()}}
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=environment)
        self.nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self._running: dict[str, Any] = {}
        self._words: dict[str, str | None] = {}  # of each task; ``None`` while it runs

    def answer(self, request: dict[str, Any]) -> list[str] | dict[str, str | None]:
        """Submit (returns names), kill, and return what Ray says of each task."""
        if jobs := request.get("submit"):
            options = {"max_retries": 20, "scheduling_strategy": "SPREAD", **request["options"]}  # where a node is lost
            task = self._ray.remote(**options)(run_task)
            new = {name: task.remote(job, name) for job in jobs if (name := f"{job['trial']}-{job['attempt']}")}
            self._running |= new
            self._words |= dict.fromkeys(new)
            return list(new)
        if request.get("kill") in self._running:
            self._ray.cancel(self._running[request["kill"]], force=True)
        tasks = list(self._running.values())
        done = set(self._ray.wait(tasks, num_returns=len(tasks), timeout=0)[0]) if tasks else set()
        for name in [name for name, task in self._running.items() if task in done]:
            self._words[name] = self._word_on(self._running.pop(name))
        return self._words

    def _word_on(self, task: object) -> str:
        try:
            return f"its task returned {self._ray.get(task)}"
        except self._ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            return f"Ray says {type(error).__name__}: {lines[-1] if lines else ''}"


if __name__ == "__main__":
    from scaling.executor.ray import Tasks as Driver  # by its name: what is pickled here is found on the nodes

    driver = Driver(sys.argv[1])
    serve(int(sys.argv[2]), driver.nodes, driver.answer)
