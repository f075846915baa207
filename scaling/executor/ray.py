"""Ray core tasks on the user's own cluster: a trial is a child process of its task, and ends with the runner."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scaling.errors import MachineError
from scaling.executor.handles import Handle
from scaling.executor.job import NodeJob, NodeRun
from scaling.executor.protocol import Phase, Slot, Status, Task
from scaling.executor.ray_link import Driver
from scaling.spec.schema import ExecutorSpec

LOOK_EVERY_S = 1.0
_REPORT_S = 15.0  # after its grace: a job ends its trial itself and writes how


def run_task(job: dict[str, Any], name: str) -> int:
    """Run an attempt on the node that Ray chose; called again on another where that one was lost."""
    import ray

    node = ray.get_runtime_context().get_node_id()[:8]
    return NodeRun(NodeJob(**job), Handle(executor=RayExecutor.name, handle=name, place=f"ray node {node}")).run()


class RayExecutor:
    """Submits attempts as tasks.

    Args:
        spec: the sweep's executor section.
        log: where Ray's own words go.
        module: the trial's module.

    Raises:
        MachineError: Ray is not installed, or its cluster does not answer or has no node that can run a trial.
    """

    name = "ray"
    places = False
    outlives_runner = False
    patience_s = 15.0

    def __init__(self, spec: ExecutorSpec, log: Path, module: str = "scaling.trial") -> None:
        self._spec, self._log, self._module = spec, log, module
        self._driver = Driver(spec.ray.address, log)
        self._statuses: dict[str, Status] = {}
        self._looked_s = -LOOK_EVERY_S
        self._kill_s: dict[str, float] = {}
        try:
            self._refuse_impossible()
        except MachineError:
            self.close()
            raise

    def _refuse_impossible(self) -> None:
        for resource, wanted in (("GPU", self._spec.gpus_per_trial), ("CPU", self._spec.cpus_per_trial or 1)):
            most = max((node.get(resource, 0.0) for node in self._driver.nodes), default=0.0)
            if wanted > most:
                raise MachineError(
                    "executor.impossible",
                    f"a trial asks for {wanted} {resource}s, no node of the cluster has more than {most:g}",
                    why="such a task would wait for ever",
                    hint=f"lower executor.{resource.lower()}s_per_trial; 0 GPUs train on the CPU",
                )

    def capacity(self) -> tuple[Slot, ...] | None:
        """Return ``None``: the cluster's affair."""
        return None

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Submit attempts as tasks. Raises ``MachineError`` when the driver has ended."""
        jobs = [asdict(self._job(task)) for task in tasks]
        request = {"submit": jobs, "gpus": self._spec.gpus_per_trial, "cpus": self._spec.cpus_per_trial or 1}
        handles: list[str] = self._driver.ask(request)
        self._statuses |= dict.fromkeys(handles, Status(Phase.RUNNING))
        return handles

    def _job(self, task: Task) -> NodeJob:
        processes = max(1, self._spec.gpus_per_trial)
        return NodeJob(
            store=str(task.store.resolve()),
            trial=task.trial,
            attempt=task.attempt.number,
            module=self._module,
            processes=processes,
            threads=max(1, (self._spec.cpus_per_trial or 1) // processes),
        )

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return what Ray says of each task, at most every second anew; it does not tell what waits."""
        now = time.monotonic()
        if now - self._looked_s >= LOOK_EVERY_S:
            kill = [handle for handle, at in self._kill_s.items() if now >= at]
            self._kill_s = {handle: at for handle, at in self._kill_s.items() if now < at}
            ended = self._driver.ask({"kill": kill})
            self._statuses |= {handle: Status(Phase.ENDED, message=word) for handle, word in ended.items()}
            self._looked_s = now
        return {handle: self._statuses.get(handle, Status(Phase.UNKNOWN)) for handle in handles}

    def cancel(self, handle: str, grace_s: float) -> None:
        """Kill the task should it not heed the file by which it was asked to end."""
        self._kill_s[handle] = time.monotonic() + (grace_s + _REPORT_S if grace_s > 0 else 0.0)

    def logs(self, handle: str) -> Path:
        """Return what Ray said."""
        return self._log

    def close(self) -> None:
        """End the driver, and every task with it."""
        self._driver.close()
