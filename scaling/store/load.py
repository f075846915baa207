"""Read a store: everything that can be read, and a warning for everything that cannot.

Works on a copied, read-only folder and loads no torch. One damaged record hides nothing but itself.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from scaling.errors import ScalingError
from scaling.families import Params, get_family
from scaling.provenance import Reading
from scaling.store.files import bad_record, read_json, read_jsonl
from scaling.store.layout import StoreFolder, TrialFolder
from scaling.store.records import EndRecord, Point
from scaling.store.state import TrialState, read_state
from scaling.store.timing import RunTiming, read_timing, timing_files

if TYPE_CHECKING:
    import pandas as pd

    from scaling.spec.command import CommandTrialSpec
    from scaling.spec.schema import TrialSpec
    from scaling.store.imported import Imported

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One trial as its files tell it.

    Attributes:
        folder: where it lies.
        spec: what was asked.
        params: parameter counts by the family's arithmetic, there before the trial has run; of a command, by the
            sweep's arithmetic until its trainer has told.
        state: derived from the files.
        points: readable points, fewest tokens first.
        end: the end record with most tokens, or ``None``.
        curve: logged steps (JSON form of ``CurveLine``), joined over the attempts.
        orphaned: the sweep's spec no longer asks for it; kept, and shown as such.
    """

    folder: TrialFolder
    spec: "TrialSpec | CommandTrialSpec"
    params: Params
    state: TrialState
    points: tuple[Point, ...]
    end: EndRecord | None
    curve: tuple[Mapping[str, Any], ...]
    orphaned: bool


class Warnings(list[str]):
    """Problems met while reading, in order; ``damage`` has those that hide a record."""

    def __init__(self) -> None:
        super().__init__()
        self.damage: list[ScalingError] = []

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Return ``read()``, or ``None`` and a warning when what it reads is damaged."""
        try:
            return read()
        except ScalingError as error:
            self.damage.append(error)
            self.append(f"{error.what} ({error.where})" if error.where else error.what)
            return None


@dataclass(frozen=True, slots=True)
class Store:
    """A sweep's results, read once. Frames are made on demand and belong to the caller.

    Attributes:
        root: its folder.
        sweep: ``sweep.json``.
        records: the trials, in the order of the plan, orphaned ones last.
        host: energy of the whole machine over all runs of the sweep (``energy_cpu_j`` and ``energy_ram_j`` in
            the JSON form of a ``Reading``, ``seconds``, ``tool``, ``mode``, ``detail``, ``runs``), or ``None``.
        warnings: what could not be read, each with its file.
        imported: points that another program made; then there are no records.
        damage: the errors behind those warnings that hide a record.
        timings: what each run took and was predicted to take, oldest first.
    """

    root: Path
    sweep: Mapping[str, Any]
    records: tuple[TrialRecord, ...]
    host: Mapping[str, Any] | None
    warnings: tuple[str, ...] = field(default=())
    imported: "Imported | None" = None
    damage: tuple[ScalingError, ...] = field(default=())
    timings: tuple[RunTiming, ...] = field(default=())

    @classmethod
    def of_imported(cls, root: Path, imported: "Imported", warnings: tuple[str, ...]) -> "Store":
        """Return imported points as a store, on disk or not."""
        return cls(root, imported.sweep, (), None, warnings, imported)

    def points(self, stage: str | None = "pretrain") -> "pd.DataFrame":
        """Return one row per point of a stage (``None``: of all); see ``scaling.store.columns.POINTS``."""
        if self.imported is not None:
            return self.imported.points.copy()
        from scaling.store import frames

        return frames.points(self.records, stage)

    def abilities(self, stage: str | None = "pretrain") -> "pd.DataFrame":
        """Return one row per point and probe of a stage (``None``: of all); see ``scaling.store.columns.ABILITIES``."""
        if self.imported is not None:
            return self.imported.abilities.copy()
        from scaling.store import frames

        return frames.abilities(self.records, stage)

    def metrics(self) -> "pd.DataFrame":
        """Return one row per point and number measured beside the loss (see ``store.columns.METRICS``)."""
        from scaling.store import frames

        return frames.metrics(self.records)

    def places(self) -> "pd.DataFrame":
        """Return one row per point and stretch of places in a window (see ``store.columns.PLACES``)."""
        from scaling.store import frames

        return frames.places(self.records)

    def tuned(self) -> "pd.DataFrame":
        """Return one row per point of what came after pre-training; see ``scaling.store.columns.TUNED``."""
        from scaling.store import frames

        return frames.tuned(self.records)

    def best_of(self) -> "pd.DataFrame":
        """Return one row per n of best-of-n sampling; see ``scaling.store.columns.BEST_OF``."""
        from scaling.store import frames

        return frames.best_of(self.records)

    def trials(self, stage: str | None = "pretrain") -> "pd.DataFrame":
        """Return one row per trial of a stage (``None``: of all); see ``scaling.store.columns.TRIALS``."""
        if self.imported is not None:
            return self.imported.trials()
        from scaling.store import frames

        return frames.trials(self.records, self.timings, stage)

    def attempts(self) -> "pd.DataFrame":
        """Return one row per attempt that was booked; see ``scaling.store.columns.ATTEMPTS``."""
        from scaling.store import frames

        return frames.attempts(self.records)

    def curves(self, stage: str | None = "pretrain") -> "pd.DataFrame":
        """Return one row per logged step of a stage (``None``: of all); see ``scaling.store.columns.CURVES``."""
        from scaling.store import frames

        return frames.curves(self.records, stage)

    def samples(self) -> "pd.DataFrame":
        """Return one row per generated text; see ``scaling.store.columns.SAMPLES``."""
        from scaling.store import frames

        return frames.samples(self.records)

    def environments(self) -> "dict[str, Mapping[str, Any]]":
        """Return the environment of each trial that ended, by trial id."""
        return {r.folder.id: r.end.environment for r in self.records if r.end is not None}


def load(path: Path | str) -> Store:
    """Read a store, a sweep's or an imported one.

    Raises:
        UsageError: there is no such folder, or it is not a store.
        BadRecord: ``sweep.json`` itself, or a file of an imported store, is damaged.
    """
    folder = StoreFolder(Path(path))
    if (folder.root / "imported.json").exists() and not folder.sweep_path.exists():
        from scaling.store.imported import read_imported

        return Store.of_imported(folder.root, *read_imported(folder.root))
    sweep = folder.read_sweep()
    warnings = Warnings()
    planned = _planned_ids(sweep, warnings)
    found = warnings.attempt(folder.trial_ids) or []
    order = [*planned, *(name for name in found if name not in set(planned))]
    records = [_read_trial(folder, name, name not in set(planned), warnings) for name in order]
    return Store(
        root=folder.root,
        sweep=MappingProxyType(sweep),
        records=tuple(record for record in records if record is not None),
        host=_read_host(folder, warnings),
        timings=_read_timings(folder, warnings),
        warnings=tuple(dict.fromkeys(warnings)),
        damage=tuple(warnings.damage),
    )


def _planned_ids(sweep: Mapping[str, Any], warnings: Warnings) -> list[str]:
    listed = sweep.get("trials")
    if not isinstance(listed, list) or not all(isinstance(t, dict) and isinstance(t.get("id"), str) for t in listed):
        warnings.append("sweep.json does not list its trials; showing those that have a folder")
        return []
    return [trial["id"] for trial in listed]


def _read_trial(store: StoreFolder, name: str, orphaned: bool, warnings: Warnings) -> TrialRecord | None:
    folder = warnings.attempt(partial(store.trial, name))
    if folder is None:
        return None
    spec = warnings.attempt(folder.read_any_spec)
    if spec is None:
        return None
    end = warnings.attempt(folder.end)
    params = warnings.attempt(partial(trial_params, spec, end))
    if params is None:
        return None
    files = warnings.attempt(partial(folder.record_files, "points")) or {}
    read = [warnings.attempt(partial(folder.read_point, path)) for path in files.values()]
    return TrialRecord(
        folder=folder,
        spec=spec,
        params=params,
        state=read_state(folder, spec.horizons),
        points=tuple(point for point in read if point is not None),
        end=end,
        curve=read_curve(folder, warnings),
        orphaned=orphaned,
    )


def trial_params(spec: "TrialSpec | CommandTrialSpec", end: EndRecord | None = None) -> Params:
    """Return the parameter counts of a trial by its family's arithmetic, or as a command told them.

    Raises:
        UsageError: the family or its keys are unknown.
    """
    from scaling.spec.command import CommandTrialSpec

    if isinstance(spec, CommandTrialSpec):
        told = end or spec
        return Params(
            total=told.params_total, non_embedding=told.params_non_embedding, matmul=None, groups=MappingProxyType({})
        )
    family = get_family(spec.family)
    return family.params(family.build_config(spec.model, spec.data.vocab_size, spec.data.context))


def _read_timings(folder: StoreFolder, warnings: Warnings) -> tuple[RunTiming, ...]:
    read = [warnings.attempt(partial(read_timing, path)) for path in timing_files(folder)]
    return tuple(timing for timing in read if timing is not None)


def _read_host(folder: StoreFolder, warnings: Warnings) -> Mapping[str, Any] | None:
    if not folder.host_dir.is_dir() or folder.host_dir.is_symlink():
        return None
    paths = sorted(p for p in folder.host_dir.iterdir() if p.suffix == ".json" and not p.name.startswith("."))
    read = [warnings.attempt(partial(_read_host_run, path)) for path in paths]
    runs = [run for run in read if run is not None]
    if not runs:
        return None
    total: dict[str, Any] = {**runs[-1], "runs": len(runs), "seconds": sum(run["seconds"] for run in runs)}
    for name in ("energy_cpu_j", "energy_ram_j"):
        total[name] = reduce(operator.add, [run[name] for run in runs]).to_json()
    return total


def _read_host_run(path: Path) -> dict[str, Any]:
    document = read_json(path)
    try:
        readings = {name: Reading.from_json(document[name]) for name in ("energy_cpu_j", "energy_ram_j")}
        return {**document, **readings, "seconds": float(document["seconds"])}
    except (KeyError, TypeError, ValueError) as error:
        raise bad_record(path, f"{path.name} is not a record of host energy: {error}") from error


def read_curve(folder: TrialFolder, warnings: Warnings) -> tuple[Mapping[str, Any], ...]:
    """Join the curves of a trial's attempts: where two overlap, the later attempt, which went on, is right."""
    joined: dict[int, Mapping[str, Any]] = {}
    for number in folder.attempts():
        path = folder.attempt(number).curve_path
        lines = warnings.attempt(partial(_read_steps, path, warnings))
        if lines:
            first = min(lines)
            joined = {step: line for step, line in joined.items() if step < first} | lines
    return tuple(joined[step] for step in sorted(joined))


def _read_steps(path: Path, warnings: Warnings) -> dict[int, Mapping[str, Any]]:
    try:
        lines, torn = read_jsonl(path)
    except FileNotFoundError:
        return {}
    if torn:
        warnings.append(f"a torn last line was dropped ({path})")
    try:
        return {int(line["step"]): line for line in lines}
    except (KeyError, TypeError, ValueError) as error:
        raise bad_record(path, f"{path.name} holds a line that is not a step of training: {error}") from error
