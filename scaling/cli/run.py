"""``scaling run``: train what a sweep asks for and is not there yet, then fit and report."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scaling.cli.foreign import CommandSweep
    from scaling.cli.limits import Options
    from scaling.cli.planning import Resolved
    from scaling.cli.timing import Expected
    from scaling.executor.handles import Attached
    from scaling.executor.progress import Job
    from scaling.executor.protocol import Executor
    from scaling.executor.runner import Outcome
    from scaling.executor.sweep import Planned
    from scaling.store.layout import StoreFolder
    from scaling.store.records import EndRecord
    from scaling.store.state import TrialState

_ASK_ABOVE_S = 30 * 60.0


SetsOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one value of the file.")
]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", metavar="TRIAL", help="Run this trial only: an id or a label.")
]
EngineOption = Annotated[
    str, typer.Option("--executor", metavar="KIND", help="local, slurm, ray or debug, instead of the file's.")
]
ShardOption = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Run part I of N only; repeat for each part, anywhere.")
]
AcceptOption = Annotated[
    bool, typer.Option("--accept-changes", help="Let the sweep ask for other trials than its store holds.")
]
CalibrateOption = Annotated[
    bool | None, typer.Option(help="Measure this machine first, if it never was (15 s). Default: for sweeps worth it.")
]


def command(
    sweep: Annotated[
        str,
        typer.Argument(metavar="SPEC", help="A sweep file, a study of several, or a shipped one such as quickstart."),
    ],
    sets: SetsOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="The store's folder; runs/NAME by default.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a long sweep.")] = False,
    only: OnlyOption = None,
    engine: EngineOption = "",
    shard: ShardOption = "",
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again.")] = False,
    accept_changes: AcceptOption = False,
    calibrate: CalibrateOption = None,
    lr_check: Annotated[
        bool, typer.Option("--lr-check", help="Add half and twice the learning rate at the smallest and largest size.")
    ] = False,
    max_time: Annotated[str, typer.Option("--max-time", help="Stop after so long: 90m, 8h.")] = "",
    max_trials: Annotated[int | None, typer.Option("--max-trials", min=1, help="Start at most so many.")] = None,
    max_gpu_hours: Annotated[
        float | None, typer.Option("--max-gpu-hours", min=0, help="Budget of the sweep in GPU-hours, all runs.")
    ] = None,
    max_energy: Annotated[
        str, typer.Option("--max-energy", help="Budget of the sweep in measured energy: 1.5kWh.")
    ] = "",
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, help="Budget of the sweep at the prices of its limits.")
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Train only: no fit, no report.")] = False,
    resamples: Annotated[int, typer.Option("--resamples", min=0, help="Bootstrap resamples of the fits.")] = 1000,
) -> None:
    """Run a sweep: train what is missing, meter it, fit the laws, write the report. Repeat it to resume.

    Example:  scaling run quickstart
    """
    from scaling.cli.limits import Options
    from scaling.cli.study import run_study
    from scaling.spec.study import load_study

    asked = Asked(
        sweep=sweep,
        settings=[*(sets or ()), *settings(engine, lr_check)],
        out=out,
        yes=yes,
        only=only or (),
        shard=shard,
        retry_failed=retry_failed,
        accept_changes=accept_changes,
        calibrate=calibrate,
        options=Options(time=max_time, gpu_hours=max_gpu_hours, energy=max_energy, cost=max_cost, trials=max_trials),
        report=not no_report,
        resamples=resamples,
    )
    study = load_study(sweep, asked.settings)
    if study is None:
        run_one(asked)
    else:
        run_study(study, asked, run_one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asked for."""

    sweep: str
    settings: Sequence[str]
    out: Path | None
    yes: bool
    only: Sequence[str]
    shard: str
    retry_failed: bool
    accept_changes: bool
    calibrate: bool | None
    options: "Options"
    report: bool
    resamples: int


def run_one(asked: Asked) -> None:
    """Run one sweep. Exits with the code that it deserves."""
    from scaling.cli.foreign import CommandSweep, agree
    from scaling.cli.opening import open_engine, open_store, settle, wanted
    from scaling.cli.opening import states as states_of
    from scaling.cli.planning import resolve_any
    from scaling.executor.shards import Shard
    from scaling.executor.sweep import make_jobs

    clock = Clock()
    part = Shard.parse(asked.shard) if asked.shard else None
    with clock.phase("plan"):
        resolved = resolve_any(asked.sweep, asked.settings)
        store, lock = open_store(asked.out or Path("runs") / resolved.spec.name, part)
    with lock:
        with clock.phase("plan"):
            settle(store, resolved, asked.accept_changes)
            planned: Sequence[Planned] = resolved.trials
            mine = part.part(planned) if part else planned
            jobs = make_jobs(store, mine)
            executor = lock.enter_context(closing(open_engine(resolved, store)))
            attached, states = states_of(executor, jobs)
            chosen = {job.folder.id for job in make_jobs(store, mine, asked.only)}
            todo = [j for j in jobs if j.folder.id in chosen and wanted(states[j.folder.id], asked.retry_failed)]
        expected = outcome = None
        if todo or attached:
            if isinstance(resolved, CommandSweep):
                agree(resolved, yes=asked.yes)
            else:
                with clock.phase("calibrate"):
                    expected = _expect(executor, resolved, todo, asked.calibrate)
                _confirm(expected, len(todo), asked.yes)
            with clock.phase("train"):
                outcome = _train(store, resolved, asked.options, executor, jobs, todo, attached, states)
            states |= outcome.states
            if not attached:  # those of an earlier run are in no forecast
                _doubt(expected, [states[job.folder.id] for job in todo], clock)
        with _recorded(store, expected, outcome, clock):
            report = asked.report and part is None
            _finish(store, jobs, states, outcome, clock, report=report, resamples=asked.resamples)


def settings(engine: str, lr_check: bool) -> list[str]:
    """Return what the flags of ``run`` and ``plan`` set in a sweep."""
    return [*([f"executor.kind={engine}"] if engine else []), *(["lr_check=true"] if lr_check else [])]


class Clock:
    """Seconds by phase, for the last line."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Book the time inside under ``name``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.perf_counter() - began

    def words(self) -> str:
        """Return the total and its parts, for people."""
        from scaling.units import format_duration

        parts = ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in self.phases.items())
        return f"{format_duration(sum(self.phases.values()))}: {parts}"


def _expect(executor: "Executor", resolved: "Resolved", todo: "Sequence[Job]", calibrate: bool | None) -> "Expected":
    """Forecast the trials that will run, and say it; an engine's machines are not this one's to measure."""
    from scaling.cli.output import say
    from scaling.cli.timing import expect
    from scaling.units import format_duration

    ids = {job.folder.id for job in todo}
    slots = executor.capacity() if executor.name == "local" else None
    trials = [t for t in resolved.trials if t.id in ids]
    expected = expect(trials, resolved.spec.executor, slots or (), calibrate)
    if expected.train_s is not None:
        say(f"forecast: {len(todo)} trials in {format_duration(expected.train_s)}, {expected.slots} at a time")
    return expected


def _doubt(expected: "Expected | None", states: "Sequence[TrialState]", clock: Clock) -> None:
    """Say that the forecast was far off, where every trial ran to its end."""
    from scaling.cli.output import say
    from scaling.store.state import State

    if expected is None or any(state.state is not State.DONE for state in states):
        return
    astray = expected.astray(clock.phases["train"])
    if astray is not None:
        say(f"warning: {astray}")


@contextmanager
def _recorded(
    store: "StoreFolder", expected: "Expected | None", outcome: "Outcome | None", clock: Clock
) -> Iterator[None]:
    """Write what the run took so far, for the report inside; and again after it, which cannot tell its own seconds."""
    if expected is None or outcome is None:
        yield
        return
    expected.write(store, clock.phases, sorted(outcome.states))
    try:
        yield
    finally:
        expected.write(store, clock.phases, sorted(outcome.states))


def _confirm(expected: "Expected", trials: int, yes: bool) -> None:
    """Ask before a sweep that is predicted to be long, on a terminal only."""
    from scaling.errors import Interrupted
    from scaling.units import format_duration

    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    predicted_s = expected.train_s
    if predicted_s is None or predicted_s < _ASK_ABOVE_S:
        return
    question = f"{trials} trials, about {format_duration(predicted_s)}. Run them?"
    if not typer.confirm(question, default=True, err=True):
        raise Interrupted("run.declined", "nothing was run", hint="see `scaling plan`; answer ahead with --yes")


def _train(
    store: "StoreFolder",
    resolved: "Resolved | CommandSweep",
    options: "Options",
    executor: "Executor",
    jobs: "Sequence[Job]",
    todo: "Sequence[Job]",
    attached: "Sequence[Attached]",
    states: "Mapping[str, TrialState]",
) -> "Outcome":
    from scaling.cli.foreign import CommandSweep
    from scaling.cli.limits import open_purse, runner_limits
    from scaling.cli.progress import observe
    from scaling.executor.grouping import group_jobs
    from scaling.executor.host import HostWatch
    from scaling.executor.runner import Runner
    from scaling.executor.spent import spent_earlier

    grouped = todo
    if not isinstance(resolved, CommandSweep):
        grouped = group_jobs(todo, {t.id: t.spec for t in resolved.trials}, resolved.spec.executor, executor)
    limits = runner_limits(resolved.spec.limits, options)
    purse = open_purse(resolved.spec.limits, options, store, executor)
    earlier = () if purse is None else spent_earlier(jobs, states)
    here = HostWatch(store) if executor.places else None  # elsewhere this machine only waits
    with observe(executor, jobs, todo, attached, states) as observer:
        outcome = Runner(executor, grouped, observer, limits, attached, purse, earlier).run()
    if here is not None:
        here.finish(len(outcome.states), len(executor.capacity() or ()))
    return outcome


def _finish(
    store: "StoreFolder",
    jobs: "Sequence[Job]",
    states: "Mapping[str, TrialState]",
    outcome: "Outcome | None",
    clock: Clock,
    *,
    report: bool,
    resamples: int,
) -> None:
    """Say what came of it, fit and report, and exit with the code that it deserves."""
    from scaling.cli.output import say
    from scaling.errors import Interrupted
    from scaling.store.state import State

    if outcome is None:
        say(f"nothing to do: {count_words(list(states.values()))} in {store.root}")
    if outcome is not None and outcome.interrupted and outcome.detached:
        raise Interrupted(
            "run.detached",
            f"{outcome.detached} trials go on without this command; {count_words(list(states.values()))}",
            where=str(store.root),
            hint="the same command waits for them again; `scaling status` shows them; their engine can cancel them",
        )
    if outcome is not None and outcome.interrupted:
        raise Interrupted(
            "run.interrupted",
            f"stopped; {count_words(list(states.values()))}",
            where=str(store.root),
            hint="the same command goes on from here",
        )
    if report and (outcome is not None or not store.report_path.exists()):
        write_report(store, clock, resamples)
    elif store.report_path.exists():
        say(f"report: {store.report_path}; write it again with `scaling report {store.root}`")
    faults = [line for job in jobs for line in utilisation_faults(job)]
    for line in faults:
        say(f"fault: {line}")
    for line in dict.fromkeys(line for job in jobs for line in energy_warnings(job)):
        say(f"warning: {line}")
    unfinished = [job for job in jobs if states[job.folder.id].state not in (State.DONE, State.DIVERGED)]
    for job in unfinished:
        state = states[job.folder.id]
        say(f"{state.state} {job.label} ({job.folder.id}): {state.reason or 'not run'}")
    if outcome is not None:
        say(f"{count_words(list(states.values()))} in {clock.words()}")
        if outcome.stopped:
            left = f"; left out: {', '.join(outcome.left[:8])}" if outcome.left else ""
            more = f" and {len(outcome.left) - 8} more" if len(outcome.left) > 8 else ""
            say(f"stopped: {outcome.stopped}{left}{more}; the same command goes on from here")
    if any(states[job.folder.id].state is State.FAILED for job in unfinished):
        say("hint: run failed trials again with --retry-failed; their logs are trials/ID/aN/log.txt")
    if unfinished or faults:
        raise typer.Exit(1)


def utilisation_faults(job: "Job") -> list[str]:
    """Return what is impossible about the utilisation of a finished trial: more than all of a peak."""
    end = _end(job)
    if end is None or not end.utilisation.fault:
        return []
    reasons = (end.utilisation.reason, end.utilisation.reason_measured)
    return [f"{job.label}: MFU {reason}" for reason in reasons if reason and reason.startswith("computed")]


def energy_warnings(job: "Job") -> list[str]:
    """Return what a reader of a finished trial's joules should know."""
    end = _end(job)
    notes = () if end is None or end.energy_steady is None else end.energy_steady.notes
    return [f"{job.label}: {note}" for note in notes]


def _end(job: "Job") -> "EndRecord | None":
    from scaling.store.files import BadRecord

    try:
        return job.folder.end()
    except BadRecord:
        return None  # named among the unfinished


def count_words(states: "Sequence[TrialState]") -> str:
    """Count trials by state, for people: ``12 done, 1 failed``."""
    counts: dict[str, int] = {}
    for state in states:
        counts[state.state.value] = counts.get(state.state.value, 0) + 1
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "no trials"


def write_report(store: "StoreFolder", clock: Clock, resamples: int) -> None:
    """Fit, print the findings, and write the report beside the records."""
    from scaling.cli.output import say, stdout
    from scaling.report import render_material
    from scaling.report.gather import from_store
    from scaling.store import load
    from scaling.units import format_bytes

    with clock.phase("fit"):
        loaded = load(store.root)
        material = from_store(loaded, resamples=resamples)
    with clock.phase("report"):
        path = render_material(material, store.report_path)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    console = stdout()
    for finding in material.findings:
        console.print(f"[{finding.grade}] {finding.sentence}", markup=False, soft_wrap=True)
    console.print(f"report: {path} ({format_bytes(path.stat().st_size)})", markup=False, soft_wrap=True)
