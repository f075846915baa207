"""How far a sweep is, and how long it will still take.

Progress is counted in FLOPs: the last rung can cost more than all others together. The time left comes from the rates
of this run's own trials (``executor.rates``).
"""

import time
from collections.abc import Sequence

from scaling.executor.progress import Glance, Job
from scaling.executor.rates import Spent, rates
from scaling.store.state import TrialState
from scaling.units import format_duration, format_flops


class Tally:
    """Counts trials and FLOPs, and forecasts the time left.

    Args:
        todo: trials of this run.
        done: trials that had ended before it.
        slots: trials at once.
    """

    def __init__(self, todo: Sequence[Job], done: Sequence[Job], slots: int) -> None:
        self.trials = len(todo) + len(done)
        self.flops = sum(job.flops for job in (*todo, *done))
        self.ended = len(done)
        self._slots = slots
        self._left = {job.label: job for job in todo}
        self._began: dict[str, float] = {}
        self._spent: dict[str, Spent] = {}
        self._running: dict[str, Spent] = {}

    def started(self, job: Job) -> None:
        """Note when an attempt began."""
        self._began[job.label] = time.monotonic()

    def update(self, glances: Sequence[Glance]) -> None:
        """Take the state of the trials that run now."""
        self._running = {g.label: Spent(g.tokens, g.flops, g.train_s) for g in glances}

    def close(self, job: Job, state: TrialState) -> None:
        """Count a trial that ended; one that was stopped is left to the next run."""
        if not state.state.finished:
            return
        self.ended += 1
        self._left.pop(job.label, None)
        self._running.pop(job.label, None)
        if job.label in self._began:
            seconds = time.monotonic() - self._began[job.label]
            self._spent[job.label] = Spent(max(job.horizons), job.flops, seconds)

    @property
    def share(self) -> float:
        """Share of the sweep's FLOPs that is done, 0 to 1."""
        left = sum(job.flops for job in self._left.values()) - sum(s.flops for s in self._running.values())
        return 1.0 - left / self.flops if self.flops else 1.0

    @property
    def eta_s(self) -> float | None:
        """Seconds left at this run's rates, or ``None`` before anything was trained."""
        found = rates([*self._spent.values(), *self._running.values()])
        if found is None:
            return None
        per_token, per_flop = found
        tokens = sum(max(job.horizons) for job in self._left.values()) - sum(s.tokens for s in self._running.values())
        flops = sum(job.flops for job in self._left.values()) - sum(s.flops for s in self._running.values())
        return (tokens * per_token + flops * per_flop) / max(1, min(self._slots, len(self._left)))

    def words(self) -> str:
        """Return progress and what is left, for people."""
        eta = f", about {format_duration(self.eta_s)} left" if self.eta_s else ""
        return f"{self.ended}/{self.trials} trials, {self.share:.0%} of {format_flops(self.flops)}{eta}"
