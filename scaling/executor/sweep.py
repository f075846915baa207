"""A sweep on disk: what is planned, what changed since last time, and what is left to run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from scaling import __version__
from scaling.errors import UsageError
from scaling.executor.progress import Job
from scaling.spec.command import CommandTrialSpec
from scaling.spec.schema import TrialSpec
from scaling.store.files import BadRecord
from scaling.store.layout import StoreFolder, TrialFolder
from scaling.store.records import FORMAT
from scaling.store.state import State, TrialState, read_attempts, read_state

_PATIENCE_S = 10.0


class Planned(Protocol):
    """A trial as the plan gives it."""

    @property
    def id(self) -> str:
        """Trial id."""

    @property
    def sha256(self) -> str:
        """The full hash that the id shortens."""

    @property
    def spec(self) -> TrialSpec | CommandTrialSpec:
        """What its process reads."""

    @property
    def flops_total(self) -> float:
        """Training FLOPs to the last horizon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How a plan differs from the one in the store; each a tuple of labels.

    Attributes:
        added: new trials, which will run.
        removed: trials no longer asked for; kept, marked as orphaned, left out of every fit.
        horizons: trials whose horizons changed.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    horizons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.horizons)

    def lines(self) -> list[str]:
        """Return the change for people, a line for each kind."""
        kinds = (("added", self.added), ("removed", self.removed), ("other horizons", self.horizons))
        return [f"{name}: {len(labels)} ({_shorten(labels)})" for name, labels in kinds if labels]


def _shorten(labels: Sequence[str], most: int = 6) -> str:
    return ", ".join(labels[:most]) + (f", and {len(labels) - most} more" if len(labels) > most else "")


def compare(before: Mapping[str, Any], trials: Sequence[Planned]) -> Change:
    """Compare the stored plan with a new one, by trial id."""
    old = {t["id"]: t for t in before.get("trials", [])}
    new = {t.id: t for t in trials}
    return Change(
        added=tuple(t.spec.label for t in trials if t.id not in old),
        removed=tuple(str(t["label"]) for name, t in old.items() if name not in new),
        horizons=tuple(
            t.spec.label for t in trials if t.id in old and old[t.id].get("horizons") != list(t.spec.horizons)
        ),
    )


def document(
    spec: Mapping[str, Any],
    origins: Mapping[str, str],
    source: str,
    data: Mapping[str, Any],
    trials: Sequence[Planned],
) -> dict[str, Any]:
    """Return ``sweep.json``.

    Args:
        spec: the resolved spec as plain JSON.
        origins: where each of its values came from.
        source: the file it was read from.
        data: identity and place of the corpus.
        trials: the plan, in order.
    """
    return {
        "format": FORMAT,
        "tool": {"name": "scaling", "version": __version__},
        "name": spec["name"],
        "title": spec.get("title", ""),
        "source": source,
        "spec": dict(spec),
        "origins": dict(origins),
        "data": dict(data),
        "trials": [
            {
                "id": t.id,
                "sha256": t.sha256,
                "label": t.spec.label,
                **({} if t.spec.stage == "pretrain" else {"stage": t.spec.stage}),
                "seed": t.spec.seed,
                "horizons": list(t.spec.horizons),
                "flops_train": t.flops_total,
            }
            for t in trials
        ],
    }


def settle_plan(
    store: StoreFolder, new: Mapping[str, Any], trials: Sequence[Planned], *, accept_changes: bool
) -> Change:
    """Write the plan and the trials' specs, unless the store holds another plan that nobody agreed to change.

    Raises:
        UsageError: the store belongs to another sweep, or the plan differs and ``accept_changes`` is false.
        MachineError: the store cannot be written.
    """
    before = store.read_sweep() if store.sweep_path.exists() else None
    change = Change() if before is None else _agree(store, before, new, trials, accept_changes)
    for trial in trials:
        folder = store.trial(trial.id)
        if _stored_spec(folder) != trial.spec:
            folder.write_spec(trial.spec)
    created = datetime.now(UTC).isoformat(timespec="seconds") if before is None else before.get("created")
    if before is None or {**before, "tool": None} != {**new, "created": created, "tool": None}:
        store.write_sweep({**new, "created": created})
    return change


def _stored_spec(folder: TrialFolder) -> TrialSpec | CommandTrialSpec | None:
    """Read what the trial's process would read; ``None`` where it is missing or damaged, to be written again."""
    try:
        return folder.read_any_spec()
    except BadRecord:
        return None


def _agree(
    store: StoreFolder,
    before: Mapping[str, Any],
    new: Mapping[str, Any],
    trials: Sequence[Planned],
    accept_changes: bool,
) -> Change:
    if before.get("name") != new["name"]:
        raise UsageError(
            "run.other_sweep",
            f"this store belongs to the sweep {before.get('name')!r}, not {new['name']!r}",
            where=str(store.root),
            hint="choose another folder with --out DIR",
        )
    change = compare(before, trials)
    begun = any(store.trial(name).attempts() for name in store.trial_ids())
    if change and begun and not accept_changes:
        raise UsageError(
            "run.spec_changed",
            "the sweep asks for other trials than the ones in its store: " + "; ".join(change.lines()),
            where=str(store.root),
            why="finished trials that still belong are kept and not run again; removed ones stay, marked as orphaned",
            hint="repeat the command with --accept-changes, or with --out DIR for a store of its own",
        )
    return change


def make_jobs(store: StoreFolder, trials: Sequence[Planned], only: Sequence[str] = ()) -> list[Job]:
    """Return the trials as jobs, or those that ``only`` names by id, start of an id, or label.

    Raises:
        UsageError: ``only`` names none or several.
    """
    jobs = [
        Job(
            folder=store.trial(t.id),
            label=t.spec.label,
            horizons=t.spec.horizons,
            flops=t.flops_total,
            needs=_needs(store, t.spec),
        )
        for t in trials
    ]
    if not only:
        return jobs
    wanted = {_named(jobs, name).folder.id for name in only}
    return [job for job in jobs if job.folder.id in wanted]


def _needs(store: StoreFolder, spec: TrialSpec | CommandTrialSpec) -> Path | None:
    """Return the weights that a trial starts from or stands on, ``None`` for one that needs no other."""
    if isinstance(spec, CommandTrialSpec):
        return None
    base = spec.base if spec.tune is None else spec.tune.base
    return None if base is None else store.trial(base.trial).weights_path(base.tokens)


def _named(jobs: Sequence[Job], name: str) -> Job:
    exact = [job for job in jobs if name in (job.folder.id, job.label)]
    found = exact or [job for job in jobs if name and job.folder.id.startswith(name)]
    if len(found) != 1:
        what = "no trial is" if not found else f"{len(found)} trials are"
        raise UsageError(
            "run.unknown_trial",
            f"{what} named {name!r}",
            hint="give an id or a label of `scaling plan` or `scaling status`",
        )
    return found[0]


def await_the_dead(folder: TrialFolder, patience_s: float = _PATIENCE_S) -> None:
    """Wait until the processes of a runner that was killed are gone; the caller holds the store's lock.

    Raises:
        UsageError: an attempt's process still runs.
    """
    deadline = time.monotonic() + patience_s
    while True:
        attempts = read_attempts(folder)
        last = attempts[-1] if attempts else None
        if last is None or last.exit_code is not None or not last.alive:
            return
        if time.monotonic() > deadline:
            raise UsageError(
                "run.still_running",
                f"an earlier attempt still runs: {last.claim}",
                where=str(folder.attempt(last.number).path),
                why="two processes must not train one trial",
                hint="end that process, then repeat the command",
            )
        time.sleep(0.05)


def settled_state(job: Job) -> TrialState:
    """Return the state of a trial as the holder of the store's lock sees it: nobody else runs it.

    A claim from another host or container cannot be checked from here; the lock says that its runner is gone.
    """
    try:
        await_the_dead(job.folder)
    except BadRecord:
        return read_state(job.folder, job.horizons)  # failed, with the damaged file named
    state = read_state(job.folder, job.horizons)
    if state.state is State.RUNNING:
        return TrialState(state=State.INTERRUPTED, reason=state.reason, attempts=state.attempts)
    return state
