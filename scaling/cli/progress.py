"""What the user sees while a sweep runs: a live table on a terminal, dated lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from scaling.cli.tally import Tally
from scaling.executor.handles import Attached
from scaling.executor.progress import Glance, Job, Observer, Running
from scaling.executor.protocol import Executor
from scaling.store.state import State, TrialState
from scaling.units import format_si

REDRAW_S = 1.0
LINE_EVERY_S = 600.0
_MARKS = {State.DONE: "done", State.DIVERGED: "DIVERGED", State.FAILED: "FAILED", State.INTERRUPTED: "stopped"}


class Lines:
    """Dated lines, one per event and one every ten minutes.

    Args:
        tally: how far the sweep is.
        write: writes one line.
    """

    def __init__(self, tally: Tally, write: Callable[[str], None]) -> None:
        self._tally = tally
        self._write = write
        self._next_s = time.monotonic() + LINE_EVERY_S
        self._running: Sequence[Running] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is left open."""

    def _line(self, text: str) -> None:
        self._write(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S%z}  {text}")

    def started(self, job: Job, attempt: int, slot: str) -> None:
        """Write that an attempt began."""
        self._tally.started(job)
        self._line(f"start    {job.label} on {slot}" + (f", attempt {attempt}" if attempt > 1 else ""))

    def ended(self, job: Job, state: TrialState) -> None:
        """Write how a trial ended, and how far the sweep is."""
        self._tally.update([r.look() for r in self._running])
        self._tally.close(job, state)
        reason = f": {state.reason}" if state.reason else ""
        self._line(f"{_MARKS.get(state.state, state.state):<8} {job.label}{reason} ({self._tally.words()})")

    def note(self, text: str) -> None:
        """Write anything else."""
        self._line(text)

    def tick(self, running: Sequence[Running]) -> None:
        """Write a line every ten minutes."""
        self._running = running
        if time.monotonic() < self._next_s:
            return
        self._next_s += LINE_EVERY_S
        glances = [r.look() for r in running]
        self._tally.update(glances)
        self._line("running  " + self._tally.words() + "; " + "; ".join(_brief(g) for g in glances))


def _brief(glance: Glance) -> str:
    loss = "starting" if glance.loss_nats is None else f"step {glance.step} loss {glance.loss_nats:.3f}"
    return f"{glance.label} {loss}"


class LiveTable:
    """A row per slot and one bar for the sweep, redrawn once a second.

    Args:
        tally: how far the sweep is.
        console: a terminal.
        watts: returns the power of each slot that has a meter, by the slot's name.
    """

    def __init__(self, tally: Tally, console: Console, watts: Callable[[], dict[str, float]]) -> None:
        self._tally = tally
        self._watts = watts
        self._bar = Progress(BarColumn(), TextColumn("{task.description}"), console=console)
        self._task = self._bar.add_task("", total=1.0)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._next_s = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def started(self, job: Job, attempt: int, slot: str) -> None:
        """The next redraw shows it."""
        self._tally.started(job)

    def ended(self, job: Job, state: TrialState) -> None:
        """Keep a line above the table for a trial that did not simply finish."""
        self._tally.close(job, state)
        if state.state is not State.DONE:
            mark = _MARKS.get(state.state, state.state)
            self._live.console.print(f"{mark} {job.label}: {state.reason or ''}", markup=False, highlight=False)

    def note(self, text: str) -> None:
        """Keep a line above the table."""
        self._live.console.print(text, markup=False, highlight=False)

    def tick(self, running: Sequence[Running]) -> None:
        """Redraw when a second has passed."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + REDRAW_S
        glances = [r.look() for r in running]
        self._tally.update(glances)
        self._bar.update(self._task, completed=self._tally.share, description=self._tally.words())
        self._live.update(Group(running_table(glances, self._watts()), self._bar), refresh=True)


def running_table(glances: Sequence[Glance], watts: dict[str, float]) -> Table:
    """Return the table of running trials; ``–`` where there is nothing to show."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("slot", "trial"):
        table.add_column(name, no_wrap=True)
    for name in ("step", "loss", "tokens/s", "W"):
        table.add_column(name, justify="right", no_wrap=True)
    for g in glances:
        table.add_row(
            g.slot,
            g.label,
            "–" if g.step is None else f"{g.step:,}",
            "–" if g.loss_nats is None else f"{g.loss_nats:.3f}",
            "–" if g.tokens_per_s is None else format_si(g.tokens_per_s),
            f"{watts[g.slot]:.0f}" if g.slot in watts else "–",
        )
    return table


@contextmanager
def observe(
    executor: "Executor",
    jobs: "Sequence[Job]",
    todo: "Sequence[Job]",
    attached: "Sequence[Attached]",
    states: "Mapping[str, TrialState]",
) -> "Iterator[Observer]":
    """Show a run on stderr: a live table on a terminal, dated lines elsewhere."""
    from scaling.cli.output import say, stderr
    from scaling.cli.power import power_reader

    slots = executor.capacity()
    todo = [*todo, *(a.job for a in attached)]
    waiting = {job.folder.id for job in todo}
    before = [job for job in jobs if job.folder.id not in waiting and states[job.folder.id].state.finished]
    tally = Tally(todo, before, len(todo) if slots is None else len(slots))
    console = stderr()
    places = f"queued on {executor.name}" if slots is None else f"{len(slots)} at a time"
    running = f", {len(attached)} of them on {executor.name} since an earlier run" if attached else ""
    say(f"{len(todo)} trials to train{running}, {len(before)} there already; {places}")
    view = LiveTable(tally, console, power_reader(slots or ())) if console.is_terminal else Lines(tally, say)
    with view:
        yield view
