"""Runs the trials of a sweep: fills free slots in the plan's order, judges what ends, retries once, stops cleanly.

Everything it knows at its end is in the files of the store, so it may be killed at any moment; the next run goes
on from there.
"""

import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from scaling.executor.handles import Attached, Handle, write_handle
from scaling.executor.judge import Cancelled, judge
from scaling.executor.progress import Glance, Job, Observer, glance
from scaling.executor.protocol import Executor, Phase, Slot, Status, Task
from scaling.store.layout import AttemptFolder
from scaling.store.state import TrialState

POLL_S = 0.05
GRACE_S = 60.0  # for a checkpoint after the first Ctrl-C
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where the runner stops by itself, in seconds; ``None`` is no limit.

    Attributes:
        trial_s: one attempt of a trial.
        sweep_s: this run of the sweep.
        grace_s: between asking an attempt to end and killing it.
    """

    trial_s: float | None = None
    sweep_s: float | None = None
    grace_s: float = GRACE_S


@dataclass(slots=True)
class _Running:
    """An attempt that was started and has not been judged.

    ``began`` stays ``None`` while the engine keeps it waiting: limits count from its start.
    """

    job: Job
    attempt: AttemptFolder
    slot: Slot | None
    handle: str
    place: str
    began: float | None
    cancelled: Cancelled | None = None

    def look(self) -> Glance:
        return glance(self.job, self.latest(), self.place)

    def latest(self) -> AttemptFolder:
        """The attempt that counts: an engine that starts a job again on another node makes a new one."""
        return self.attempt if self.slot else self.job.folder.latest_attempt() or self.attempt

    def see(self, status: Status) -> None:
        self.place = status.place or self.place
        if status.phase is Phase.RUNNING and self.began is None:
            self.began = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of a sweep came to.

    Attributes:
        states: of the trials that this run started and ended, by trial id.
        interrupted: the user stopped it.
        detached: attempts that the engine goes on with, without this runner.
        stopped: which limit stopped it, or ``None``.
    """

    states: dict[str, TrialState] = field(default_factory=dict)
    interrupted: bool = False
    detached: int = 0
    stopped: str | None = None


class Runner:
    """Runs jobs on an executor to their ends.

    Args:
        executor: who starts processes.
        jobs: what is to be run, in order.
        observer: who is told.
        limits: when to stop.
        attached: attempts that the executor holds from an earlier run.
    """

    def __init__(
        self,
        executor: Executor,
        jobs: Sequence[Job],
        observer: Observer,
        limits: Limits,
        attached: Sequence[Attached] = (),
    ) -> None:
        self._executor = executor
        self._queue = deque(jobs)
        self._observer = observer
        self._limits = limits
        self._free = deque(executor.capacity() or ())
        self._running = [_Running(a.job, a.attempt, None, a.handle, executor.name, None) for a in attached]
        self._states: dict[str, TrialState] = {}
        self._signals = 0
        self._signals_seen = 0
        self._stopped: str | None = None

    def run(self) -> Outcome:
        """Run until nothing is left to do or somebody stops it.

        Raises:
            MachineError: the store cannot be written or no process started; close the executor then.
        """
        began = time.monotonic()
        with self._listening():
            while self._queue or self._running:
                if self._signals and self._executor.outlives_runner:
                    break
                self._heed_signals()
                self._keep_limits(began)
                self._fill()
                self._collect()
                self._observer.tick([r for r in self._running if r.began is not None])
                if self._running:
                    time.sleep(POLL_S)
        return Outcome(
            states=self._states,
            interrupted=self._signals > 0,
            detached=len(self._running),
            stopped=self._stopped,
        )

    def _fill(self) -> None:
        """Give the executor what it can take: a trial for each free slot, or all at once where it has a queue."""
        places = self._executor.places
        number = min(len(self._queue), len(self._free)) if places else len(self._queue)
        if number == 0:
            return
        jobs = [self._queue.popleft() for _ in range(number)]
        slots = [self._free.popleft() if places else None for _ in jobs]
        tasks = [
            Task(store=job.folder.root, trial=job.folder.id, attempt=job.folder.new_attempt(), slot=slot)
            for job, slot in zip(jobs, slots, strict=True)
        ]
        for job, task, handle in zip(jobs, tasks, self._executor.submit(tasks), strict=True):
            place = task.slot.name if task.slot else self._executor.name
            write_handle(task.attempt, Handle(executor=self._executor.name, handle=handle, place=place))
            began = time.monotonic() if places else None
            self._running.append(_Running(job, task.attempt, task.slot, handle, place, began))
            self._observer.started(job, task.attempt.number, place)

    def _collect(self) -> None:
        statuses = self._executor.poll([r.handle for r in self._running])
        for running in list(self._running):
            status = statuses[running.handle]
            running.see(status)
            if status.phase in (Phase.RUNNING, Phase.WAITING):
                continue
            self._running.remove(running)
            if running.slot is not None:
                self._free.append(running.slot)
            self._close(running.job, judge(running.job, running.latest(), status, running.cancelled))

    def _close(self, job: Job, state: TrialState) -> None:
        stopping = self._signals > 0 or self._stopped is not None
        if state.retry and not stopping:
            self._observer.note(f"{job.label}: {state.reason}; trying once more")
            self._queue.appendleft(job)
            return
        self._states[job.folder.id] = state
        self._observer.ended(job, state)

    def _keep_limits(self, began: float) -> None:
        now, limits = time.monotonic(), self._limits
        if limits.sweep_s is not None and now - began > limits.sweep_s and self._stopped is None:
            self._stopped = f"the sweep's time limit of {limits.sweep_s:g} s was reached"
            self._stop(Cancelled("interrupted", self._stopped), limits.grace_s)
        if limits.trial_s is None:
            return
        for running in self._running:
            if running.cancelled is None and running.began is not None and now - running.began > limits.trial_s:
                reason = f"the trial's time limit of {limits.trial_s:g} s was reached"
                self._cancel(running, Cancelled("time_limit", reason), limits.grace_s)

    def _heed_signals(self) -> None:
        """First signal: no new starts, let trials checkpoint. Second: kill now."""
        if self._signals == self._signals_seen:
            return
        self._signals_seen = self._signals
        now = self._signals > 1
        self._observer.note("killing all trials" if now else "stopping: trials checkpoint and end; again to kill now")
        self._stop(Cancelled("interrupted", "stopped by the user"), 0.0 if now else self._limits.grace_s)

    def _stop(self, why: Cancelled, grace_s: float) -> None:
        self._queue.clear()
        for running in self._running:
            self._cancel(running, running.cancelled or why, grace_s)

    def _cancel(self, running: _Running, why: Cancelled, grace_s: float) -> None:
        running.cancelled = why
        self._executor.cancel(running.handle, grace_s)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    @contextmanager
    def _listening(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._on_signal) for number in _STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
