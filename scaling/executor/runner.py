"""Runs the trials of a sweep: fills free slots in the plan's order, judges what ends, retries once, stops cleanly.

Everything it knows at its end is in the files of the store, so it may be killed at any moment; the next run goes
on from there. It stops by itself at a time limit, at a budget, when trials fail alike, and when the store can no longer
be written; every stop lets the running trials checkpoint.
"""

import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType

from scaling.errors import MachineError
from scaling.executor.belief import Witness
from scaling.executor.booking import Booking
from scaling.executor.breaker import Breaker
from scaling.executor.budget import Purse, Use
from scaling.executor.grouping import Seats, join, seat
from scaling.executor.handles import Attached, Handle, write_handle
from scaling.executor.job import ask_to_stop
from scaling.executor.judge import Cancelled, goes_on, judge
from scaling.executor.progress import Job, Observer
from scaling.executor.protocol import Executor, Phase, Slot, Status, Task
from scaling.executor.rates import Spent, rates
from scaling.executor.started import Started
from scaling.executor.waking import Clock, Waker
from scaling.executor.watchdog import HANG_S
from scaling.store.files import BadRecord, disk_free_bytes
from scaling.store.layout import AttemptFolder
from scaling.store.state import EXIT_UNWRITABLE, State, TrialState, read_failure

POLL_S = 0.05
GRACE_S = 60.0  # for a checkpoint after the first Ctrl-C
MIN_FREE_BYTES = 32 * 2**20  # nothing is started on a disk fuller than this: the results must fit
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where the runner stops by itself; ``None`` is no limit.

    Attributes:
        trial_s: seconds of one attempt of a trial.
        sweep_s: seconds of this run of the sweep.
        grace_s: seconds between asking an attempt to end and killing it.
        hang_s: seconds of silence after which a trial counts as hung (``executor.watchdog``).
        trials: attempts that this run may start.
        same_failures: equal failures in a row that stop the sweep.
        min_free_bytes: room on the store's disk below which nothing is started.
    """

    trial_s: float | None = None
    sweep_s: float | None = None
    grace_s: float = GRACE_S
    hang_s: float = HANG_S
    trials: int | None = None
    same_failures: int = 3
    min_free_bytes: int = MIN_FREE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of a sweep came to.

    Attributes:
        states: of the trials that this run started and ended, by trial id.
        interrupted: the user stopped it.
        detached: attempts that the engine goes on with, without this runner.
        stopped: what stopped it, or ``None``.
        left: labels of the trials that a limit left out.
        used: GPU seconds and joules of all runs of the sweep, where a budget was kept.
    """

    states: dict[str, TrialState] = field(default_factory=dict)
    interrupted: bool = False
    detached: int = 0
    stopped: str | None = None
    left: tuple[str, ...] = ()
    used: Use | None = None


class Runner:
    """Runs jobs on an executor to their ends.

    Args:
        executor: who starts processes.
        jobs: what is to be run, in order.
        observer: who is told.
        limits: when to stop.
        attached: attempts that the executor holds from an earlier run.
        purse: the sweep's budget, or ``None``.
        earlier: what trials of earlier runs took, to judge by what a further one will take of the budget.
        clock: this machine's, but for a simulation.
    """

    def __init__(
        self,
        executor: Executor,
        jobs: Sequence[Job],
        observer: Observer,
        limits: Limits,
        attached: Sequence[Attached] = (),
        purse: Purse | None = None,
        earlier: Sequence[Spent] = (),
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Waker()
        self._executor = executor
        self._queue = deque(jobs)
        self._observer = observer
        self._limits = limits
        self._purse = purse
        self._free = deque(executor.capacity() or ())
        self._breaker = Breaker(tuple(slot.name for slot in self._free), limits.same_failures)
        self._running = [self._known(a.job, a.attempt, None, a.handle, executor.name, None, []) for a in attached]
        self._left: list[Job] = []
        self._started = 0
        self._spent = list(earlier)
        self._fault: MachineError | None = None
        self._states: dict[str, TrialState] = {}
        self._signals = 0
        self._signals_seen = 0
        self._stopped: str | None = None
        self._short: str | None = None

    def run(self) -> Outcome:
        """Run until nothing is left to do or somebody stops it.

        Raises:
            MachineError: the store cannot be written or no process started; what ran was let to end before.
        """
        began = self._clock.now()
        with self._listening(), self._clock:
            while self._queue or self._running:
                if self._signals and self._executor.outlives_runner:
                    break
                self._heed_signals()
                self._keep_limits(began)
                self._fill()
                self._collect()
                self._observer.tick([view for r in self._running if r.began is not None for view in r.views()])
                if self._running:
                    self._clock.wait(POLL_S)
        if self._fault is not None:
            raise self._fault
        return Outcome(
            states=self._states,
            interrupted=self._signals > 0,
            detached=len(self._running),
            stopped=self._stopped or self._short,
            left=tuple(member.label for job in self._left for member in (job, *job.others)),
            used=None if self._purse is None else self._purse.used,
        )

    def _fill(self) -> None:
        """Give the executor what it can take: a trial for each free slot, or all at once where it has a queue."""
        places = self._executor.places
        tasks: list[tuple[Job, Task, Seats]] = []
        try:
            while self._queue and (self._free or not places) and self._may_start() and self._bring_ready():
                job, slot = self._queue.popleft(), self._free.popleft() if places else None
                self._started += 1 + len(job.others)
                attempt = job.folder.new_attempt()
                tasks.append((job, self._task(job, attempt, slot), seat(job, attempt)))
            if not tasks and not self._running:
                self._leave_waiting()
            handles = self._executor.submit([task for _, task, _ in tasks]) if tasks else []
            for (job, task, others), handle in zip(tasks, handles, strict=True):
                self._note_start(job, task, others, handle)
        except MachineError as error:
            self._pause(error)

    def _bring_ready(self) -> bool:
        """Put the first job that can start in front: one whose weights are there. Returns whether there is one."""
        place = next((i for i, job in enumerate(self._queue) if job.ready), None)
        if place:
            job = self._queue[place]
            del self._queue[place]
            self._queue.appendleft(job)
        return place is not None

    def _leave_waiting(self) -> None:
        """Set aside the jobs that wait for weights which nothing that runs will leave behind."""
        waiting = [job for job in self._queue if not job.ready]
        if waiting and len(waiting) == len(self._queue):
            self._observer.note(f"{len(waiting)} trials are left out: the trials that they start from have not ended")
            self._left += waiting
            self._queue.clear()

    def _known(
        self,
        job: Job,
        attempt: AttemptFolder,
        slot: Slot | None,
        handle: str,
        place: str,
        began: float | None,
        others: Seats,
    ) -> Started:
        booking, witness = Booking(slot.environment if slot else {}), Witness(self._executor.patience_s)
        return Started(job, attempt, slot, handle, place, began, booking, witness, others, self._clock.now)

    def _task(self, job: Job, attempt: AttemptFolder, slot: Slot | None) -> Task:
        root, hang_s = job.folder.root, self._limits.hang_s
        return Task(store=root, trial=job.folder.id, attempt=attempt, slot=slot, hang_s=hang_s)

    def _note_start(self, job: Job, task: Task, others: Seats, handle: str) -> None:
        place = task.slot.name if task.slot else f"{self._executor.name} job {handle}"
        began = self._clock.now() if self._executor.places else None
        self._running.append(self._known(job, task.attempt, task.slot, handle, place, began, others))
        outlives = self._executor.outlives_runner
        write_handle(task.attempt, Handle(executor=self._executor.name, handle=handle, place=place, outlives=outlives))
        for member, attempt in [(job, task.attempt), *others]:
            self._observer.started(member, attempt.number, place)

    def _may_start(self) -> bool:
        """Look for room and budget before a start; what cannot be afforded is set aside."""
        root = self._queue[0].folder.root
        free = disk_free_bytes(root)
        if free is not None and free < self._limits.min_free_bytes:
            self._pause(_full(str(root), free))
            return False
        if self._limits.trials is not None and self._started >= self._limits.trials:
            self._leave_the_rest(f"the limit of {self._limits.trials} started trials was reached")
            return False
        while self._queue and not self._affords(self._queue[0]):
            self._left.append(self._queue.popleft())
            self._short = "the budget does not reach for what is left"
        return bool(self._queue)

    def _leave_the_rest(self, why: str) -> None:
        """Start nothing more; let what runs go on."""
        self._left += self._queue
        self._queue.clear()
        self._stopped = why

    def _affords(self, job: Job) -> bool:
        if self._purse is None:
            return True
        gpus = Booking(self._free[0].environment).gpus if self._free else 0
        to_come = (self._purse.expected(r.booking.gpus * self._to_come_s(r)) for r in self._running)
        committed = [*(r.use() for r in self._running), *to_come]
        return self._purse.affords(gpus, self._expected_s(job) or 0.0, committed)

    def _to_come_s(self, running: Started) -> float:
        expected = self._expected_s(running.job)
        return 0.0 if expected is None else max(0.0, expected - running.seconds)

    def _expected_s(self, job: Job) -> float | None:
        """Seconds that a job takes at the rates of the sweep; ``None`` before one has ended."""
        found, members = rates(self._spent), (job, *job.others)
        return None if found is None else sum(found[0] * max(m.horizons) + found[1] * m.flops for m in members)

    def _collect(self) -> None:
        statuses = self._executor.poll([r.handle for r in self._running])
        for running in list(self._running):
            asked = running.cancelled is not None
            status = running.witness.weigh(statuses[running.handle], running.latest(), asked=asked)
            running.see(status)
            if status.phase in (Phase.RUNNING, Phase.WAITING):
                continue
            self._running.remove(running)
            if running.slot is not None:
                self._free.append(running.slot)
            try:
                self._ended(running, status)
            except MachineError as error:
                self._pause(error)

    def _ended(self, running: Started, status: Status) -> None:
        state = judge(running.job, running.latest(), status, running.cancelled)
        if self._purse is not None:
            self._purse.book(running.final_use())
        running.booking.close()
        if state.state is State.DONE:
            seconds = running.seconds / (1 + len(running.others))
            self._spent.append(Spent(max(running.job.horizons), running.job.flops, seconds))
        if status.exit_code == EXIT_UNWRITABLE and state.state is State.INTERRUPTED:
            self._pause(_full(str(running.attempt.path), None))
        if not self._tried_elsewhere(running, state):
            taken_away = running.slot is None and running.cancelled is None and goes_on(running.latest(), state)
            self._close(replace(running.job, others=()), state, taken_away)
            self._end_others(running, status)

    def _end_others(self, running: Started, status: Status) -> None:
        """Judge the further members of a group; those of it that are tried again are tried together."""
        for job, attempt in running.others:
            self._close(job, judge(job, attempt, status, running.cancelled), taken_away=False)
        ids = {job.folder.id for job in (running.job, *running.job.others)}
        again = [job for job in self._queue if job.folder.id in ids]
        if len(again) > 1:
            self._queue = deque([join(again), *(job for job in self._queue if job.folder.id not in ids)])

    def _tried_elsewhere(self, running: Started, state: TrialState) -> bool:
        """Heed failures that repeat. Returns whether the trial was put back, to be tried in another slot."""
        if running.cancelled is not None:
            return False
        verdict = self._breaker.ended(running.job, running.place, state, _cause(running.latest()), running.seconds)
        if verdict.stop is not None and not self._stopping:
            self._stop_for(verdict.stop)
        if verdict.quarantine is None:
            return False
        self._free = deque(slot for slot in self._free if slot.name != verdict.quarantine)
        self._observer.note(f"{verdict.quarantine} is left alone: everything fails there; trying elsewhere")
        ids = {job.folder.id for job in verdict.elsewhere}
        self._queue = deque([*verdict.elsewhere, *(job for job in self._queue if job.folder.id not in ids)])
        self._states = {name: state for name, state in self._states.items() if name not in ids}
        return running.job.folder.id in ids

    def _close(self, job: Job, state: TrialState, taken_away: bool) -> None:
        if (state.retry or taken_away) and not self._stopping:
            again = "trying once more" if state.retry else "going on in another job"
            self._observer.note(f"{job.label}: {state.reason}; {again}")
            self._queue.appendleft(job)
            return
        self._states[job.folder.id] = state
        self._observer.ended(job, state)

    @property
    def _stopping(self) -> bool:
        return self._signals > 0 or self._stopped is not None or self._fault is not None

    def _stop_for(self, why: str) -> None:
        self._left += self._queue
        self._stopped = why
        self._stop(Cancelled("interrupted", why), self._limits.grace_s)

    def _pause(self, fault: MachineError) -> None:
        """Stop because the machine refuses: trials checkpoint if they can, and the error is raised at the end."""
        if self._fault is None:
            self._fault = fault
            self._stop(Cancelled("interrupted", fault.what), self._limits.grace_s)

    def _keep_limits(self, began: float) -> None:
        now, limits = self._clock.now(), self._limits
        if limits.sweep_s is not None and now - began > limits.sweep_s and not self._stopping:
            self._stop_for(f"the sweep's time limit of {limits.sweep_s:g} s was reached")
        if self._purse is not None and not self._stopping:
            used_up = self._purse.exceeded(r.use() for r in self._running)
            if used_up is not None:
                self._stop_for(used_up)
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

    def _cancel(self, running: Started, why: Cancelled, grace_s: float) -> None:
        running.cancelled = why
        if running.slot is None:
            ask_to_stop(running.attempt, grace_s)
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


def _cause(attempt: AttemptFolder) -> str | None:
    try:
        failure = read_failure(attempt)
    except BadRecord:
        return None
    return None if failure is None else failure.cause


def _full(where: str, free_bytes: int | None) -> MachineError:
    room = "" if free_bytes is None else f" ({free_bytes / 2**20:.0f} MiB free)"
    return MachineError(
        "run.store_unwritable",
        f"the store can no longer be written{room}: the sweep pauses",
        where=where,
        why="every published result is whole; the trials that ran go on from their last checkpoint",
        hint=f"make room (df -h '{where}'), then repeat the same command",
    )
