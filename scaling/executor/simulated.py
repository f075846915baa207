"""A cluster that is not there: the real runner on a clock that jumps, with trials that only end.

What runs is the scheduling code of every sweep (``runner.Runner``, its judging of files and its retries) on a store of
its own in memory. Simulated are the clock, how long a trial takes, and when a device fails. Every figure is modelled.
"""

import heapq
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from scaling.executor.progress import Job, Running
from scaling.executor.protocol import Phase, Slot, Status, Task
from scaling.executor.runner import Limits, Runner
from scaling.provenance import Reading
from scaling.store.layout import StoreFolder, TrialFolder
from scaling.store.records import EndRecord, Point, SteadyWindow, Utilisation
from scaling.store.state import State, TrialState

START_S = 30.0  # imports, the corpus, compilation: assumed
CHECKPOINT_S = 30.0  # as trials save
# Llama 3 (2407.21783, table 5): 419 unexpected interruptions in 54 days on 16,384 GPUs.
FAILURES_PER_GPU_HOUR = 419 / (54 * 24 * 16384)
_LOOKS = 2000  # of a simulated sweep, about: ends within a look are handled together
_KILLED = -9


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One trial as it is modelled: its id and label, seconds of its training, joules of its boards meanwhile."""

    id: str
    label: str
    flops: float
    seconds: float
    energy_j: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Devices, and how often one fails.

    Attributes:
        gpus: of the cluster.
        gpus_per_trial: of one trial; what does not fill a trial idles.
        failures_per_gpu_hour: each ends the attempt that ran there; the device is back at once.
        seed: of the failures.
    """

    gpus: int
    gpus_per_trial: int = 1
    failures_per_gpu_hour: float = FAILURES_PER_GPU_HOUR
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What came of it.

    Attributes:
        makespan_s: from the first start to the last end.
        utilisation: GPU seconds of training that counts, over GPUs x makespan.
        busy_gpu_s: GPU seconds with an attempt on them.
        lost_gpu_s: of these, spent on starts and on training that was repeated.
        energy_j: of the boards while busy; idle boards are left out.
        states: trials by their state at the end.
        attempts, failures: how many.
        look_every_s: ends are handled at this interval.
    """

    makespan_s: float
    utilisation: float
    busy_gpu_s: float
    lost_gpu_s: float
    energy_j: float
    states: Mapping[str, int]
    attempts: int
    failures: int
    look_every_s: float


class JumpingClock:
    """Time that passes when somebody waits: to the next end, at steps of ``every_s``."""

    def __init__(self, every_s: float) -> None:
        self._now, self._every_s = 0.0, every_s
        self.next_s = 0.0

    def now(self) -> float:
        """Return simulated seconds."""
        return self._now

    def wait(self, seconds: float) -> None:
        """Jump to the look at which the next end is seen."""
        steps = max(1, -(-(self.next_s - self._now) // self._every_s))
        self._now += steps * self._every_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is left open."""


@dataclass(slots=True)
class _Attempt:
    task: Task
    began_s: float
    end_s: float
    fails: bool


@dataclass(slots=True)
class SimulatedExecutor:
    """Slots whose attempts end when the model says so."""

    cluster: Cluster
    loads: Mapping[str, Load]
    clock: JumpingClock
    busy_s: float = 0.0
    energy_j: float = 0.0
    attempts: int = 0
    failures: int = 0
    name: str = "simulated"
    places: bool = True
    outlives_runner: bool = False
    patience_s: float = 0.0
    _dice: random.Random = field(default_factory=random.Random)
    _running: dict[str, _Attempt] = field(default_factory=dict)
    _ends: list[float] = field(default_factory=list)
    _saved_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._dice.seed(self.cluster.seed)

    def capacity(self) -> tuple[Slot, ...]:
        """Return a slot for each trial that fits."""
        return tuple(Slot(name=f"gpu {n}") for n in range(self.cluster.gpus // self.cluster.gpus_per_trial))

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Draw when each attempt ends."""
        rate = self.cluster.failures_per_gpu_hour * self.cluster.gpus_per_trial / 3600
        for task in tasks:
            left = START_S + self.loads[task.trial].seconds - self._saved_s.get(task.trial, 0.0)
            fails_after = self._dice.expovariate(rate) if rate > 0 else float("inf")
            now = self.clock.now()
            attempt = _Attempt(task, now, now + min(left, fails_after), fails_after < left)
            self._running[str(task.attempt.path)] = attempt
            heapq.heappush(self._ends, attempt.end_s)
            self.attempts += 1
        self.clock.next_s = self._ends[0]
        return [str(task.attempt.path) for task in tasks]

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return who has ended."""
        now = self.clock.now()
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        self.clock.next_s = self._ends[0] if self._ends else now
        running = Status(Phase.RUNNING)
        return {h: self._end(h) if self._running[h].end_s <= now else running for h in handles}

    def _end(self, handle: str) -> Status:
        attempt = self._running.pop(handle)
        load, ran_s = self.loads[attempt.task.trial], attempt.end_s - attempt.began_s
        self.busy_s += ran_s
        self.energy_j += load.energy_j / load.seconds * ran_s
        if attempt.fails:
            self.failures += 1
            saved = self._saved_s.get(load.id, 0.0) + max(0.0, ran_s - START_S) // CHECKPOINT_S * CHECKPOINT_S
            self._saved_s[load.id] = saved
            return Status(Phase.ENDED, _KILLED)
        _publish(TrialFolder(attempt.task.store, load.id))
        return Status(Phase.ENDED, 0)

    def cancel(self, handle: str, grace_s: float) -> None:
        """End it now, to be done again."""
        attempt = self._running[handle]
        attempt.end_s, attempt.fails = self.clock.now(), True

    def logs(self, handle: str) -> Path:
        """Return a log that nobody writes."""
        return Path(handle, "log.txt")

    def close(self) -> None:
        """Nothing runs."""


class _Silent:
    """Nobody watches."""

    def started(self, job: Job, attempt: int, slot: str) -> None: ...

    def ended(self, job: Job, state: TrialState) -> None: ...

    def note(self, text: str) -> None: ...

    def tick(self, running: Sequence[Running]) -> None: ...


def simulate(loads: Sequence[Load], cluster: Cluster) -> Simulation:
    """Run the trials, in order, on a cluster that is not there. For the main thread, as every run."""
    slots = cluster.gpus // cluster.gpus_per_trial
    ideal_s = max(sum(load.seconds for load in loads) / slots, *(load.seconds for load in loads))
    clock = JumpingClock(every_s=max(0.05, ideal_s / _LOOKS))
    executor = SimulatedExecutor(cluster, {load.id: load for load in loads}, clock)
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="simulated-", dir=memory if memory.is_dir() else None) as root:
        store = StoreFolder(root)
        jobs = [Job(folder=store.trial(x.id), label=x.label, horizons=(1,), flops=x.flops) for x in loads]
        outcome = Runner(executor, jobs, _Silent(), Limits(min_free_bytes=0), clock=clock).run()
    states = [state.state.value for state in outcome.states.values()] + [State.PENDING.value] * len(outcome.left)
    useful_s = sum(load.seconds for load in loads if _is_done(outcome.states.get(load.id)))
    return Simulation(
        makespan_s=clock.now(),
        utilisation=useful_s * cluster.gpus_per_trial / (cluster.gpus * clock.now()),
        busy_gpu_s=executor.busy_s * cluster.gpus_per_trial,
        lost_gpu_s=(executor.busy_s - useful_s) * cluster.gpus_per_trial,
        energy_j=executor.energy_j,
        states={state: states.count(state) for state in dict.fromkeys(states)},
        attempts=executor.attempts,
        failures=executor.failures,
        look_every_s=clock._every_s,
    )


def _is_done(state: TrialState | None) -> bool:
    return state is not None and state.state is State.DONE


_NONE = Reading.missing("simulated")


def _publish(folder: TrialFolder) -> None:
    """Publish what the runner looks for: one point and an end, with nothing measured in them."""
    folder.publish_point(
        Point(
            trial=folder.id,
            tokens=1,
            step=1,
            tokens_unique=None,
            epochs=None,
            flops_train=0.0,
            flops_train_full_attention=None,
            flops_6nd=0.0,
            loss_nats=0.0,
            loss_se_nats=None,
            bpb=None,
            anneal="simulated",
            train_s=0.0,
            energy_gpu_j=_NONE,
            validation_fingerprint="",
        )
    )
    folder.publish_end(
        EndRecord(
            trial=folder.id,
            state="done",
            reason=None,
            tokens=1,
            params_total=0,
            params_non_embedding=None,
            params_matmul=None,
            param_groups={},
            flops_per_token={},
            steady=SteadyWindow(step_first=0, step_last=0, seconds=0.0, tokens_per_s=None, reason="simulated"),
            utilisation=Utilisation(
                mfu=None, flops_convention="", peak_flops_per_s=None, peak_source=None, reason="simulated"
            ),
            memory_peak_bytes={},
            memory_predicted_bytes={},
            energy_gpu_j=_NONE,
            energy_cpu_j=_NONE,
            energy_ram_j=_NONE,
            power_idle_w=_NONE,
            seconds={},
            environment={},
        )
    )


def to_json(simulation: Simulation) -> dict[str, object]:
    """Return the plain JSON form."""
    return {**asdict(simulation), "states": dict(simulation.states)}
