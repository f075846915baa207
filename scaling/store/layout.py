"""Where everything lies in a store: plain folders, readable with ``cat``.

::

    runs/NAME/
      sweep.json                     the resolved spec, its origins, the trials
      report.html
      host/START.json                energy of the whole machine, one file per run
      replays/KEY.json               joules per token of one shape on one device, measured once for its trials
      timing/START.json              what a run took by phase, beside what was predicted, one file per run
      trials/ID/
        spec.json                    what the trial's process reads
        points/TOKENS.json           one per horizon, published once
        end/TOKENS.json              how the trial ended; the one with most tokens counts
        weights/TOKENS.safetensors
        out/                         of a command trial: what its trainer keeps between attempts
        a1/, a2/ …                   one folder per attempt: handle.json, claim.json, exit.json, failure.json,
                                     group.json, curve.jsonl, log.txt, power.csv, checkpoints/

Names that lead out of the store (``..``, links) are refused.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from scaling.errors import UsageError
from scaling.store import records
from scaling.store.files import bad_record, dump_json, publish, read_json, unwritable, write_atomic
from scaling.store.names import NAME, inside, safe_name
from scaling.store.records import EndRecord, Point

if TYPE_CHECKING:
    from pydantic import BaseModel

    from scaling.spec.command import CommandTrialSpec
    from scaling.spec.schema import TrialSpec

T = TypeVar("T", bound="BaseModel")
_ATTEMPT = re.compile(r"a([1-9][0-9]{0,5})")
_TOKENS = re.compile(r"(0|[1-9][0-9]{0,18})\.json")


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """The folder of one attempt, written by that attempt's processes alone."""

    path: Path
    number: int

    @property
    def claim_path(self) -> Path:
        """Who runs the attempt: host, boot, process."""
        return self.path / "claim.json"

    @property
    def group_path(self) -> Path:
        """The trials and attempts that this attempt's process trains together, where it trains several."""
        return self.path / "group.json"

    @property
    def handle_path(self) -> Path:
        """Which executor was given the attempt, under what handle, and the slot."""
        return self.path / "handle.json"

    @property
    def exit_path(self) -> Path:
        """Exit code or signal of the trial's process, written by its supervisor."""
        return self.path / "exit.json"

    @property
    def failure_path(self) -> Path:
        """Why the attempt ended without a result (``records.Failure``)."""
        return self.path / "failure.json"

    @property
    def curve_path(self) -> Path:
        """Training as it went, one ``records.CurveLine`` per line."""
        return self.path / "curve.jsonl"

    @property
    def log_path(self) -> Path:
        """Everything the trial's process printed."""
        return self.path / "log.txt"

    @property
    def power_path(self) -> Path:
        """Power samples of the trial's devices."""
        return self.path / "power.csv"

    @property
    def checkpoint_dir(self) -> Path:
        """State to resume from."""
        return self.path / "checkpoints"


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a trial's folder, by names alone: numbers of its attempts, tokens of its records, ascending."""

    attempts: list[int]
    points: list[int]
    ends: list[int]


class TrialFolder:
    """The folder of one trial.

    Args:
        root: the store.
        trial_id: the trial; must be a plain folder name.

    Raises:
        UsageError: the name could lead out of the store.
        BadRecord: the folder is a link that does.
    """

    def __init__(self, root: Path | str, trial_id: str) -> None:
        self.root = Path(root)
        self.id = safe_name(trial_id)
        self.path = inside(self.root, self.root.joinpath("trials", self.id))

    @property
    def spec_path(self) -> Path:
        """The resolved trial spec."""
        return self.path / "spec.json"

    def is_command(self) -> bool:
        """Whether the trial is somebody else's command. Raises ``BadRecord`` when its spec is missing or damaged."""
        return self._spec_data().get("family") == "command"

    def read_spec(self) -> "TrialSpec":
        """Read the spec of a built-in trial. Raises ``BadRecord`` when it is missing, damaged or a command's."""
        from scaling.spec.schema import TrialSpec

        return self._checked(TrialSpec, self._spec_data())

    def read_command_spec(self) -> "CommandTrialSpec":
        """Read the spec of a command trial. Raises ``BadRecord`` when it is missing, damaged or a built-in one's."""
        from scaling.spec.command import CommandTrialSpec

        return self._checked(CommandTrialSpec, self._spec_data())

    def read_any_spec(self) -> "TrialSpec | CommandTrialSpec":
        """Read the spec of either kind. Raises ``BadRecord``."""
        from scaling.spec.command import CommandTrialSpec
        from scaling.spec.schema import TrialSpec

        data = self._spec_data()
        is_command = data.get("family") == "command"
        return self._checked(CommandTrialSpec, data) if is_command else self._checked(TrialSpec, data)

    def _checked(self, kind: "type[T]", data: dict[str, Any]) -> "T":
        from pydantic import ValidationError

        try:
            return kind.model_validate_json(dump_json(data, indent=None))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise bad_record(self.spec_path, f"spec.json is not a trial spec: {place}: {first['msg']}") from error

    def _spec_data(self) -> dict[str, Any]:
        try:
            return read_json(self.spec_path)
        except FileNotFoundError as error:
            raise bad_record(self.spec_path, f"trial {self.id} has no spec.json") from error

    def write_spec(self, spec: "TrialSpec | CommandTrialSpec") -> None:
        """Write the trial spec; a further horizon rewrites it, the id stays. Raises ``MachineError``.

        Should the machine go down just then, the next run finds it missing or torn and writes it again.
        """
        write_atomic(self.spec_path, dump_json(spec.model_dump(mode="json")), durable=False)

    def listing(self) -> Listing:
        """Look at names alone: the cheapest look at a trial. Raises ``BadRecord`` on a link that leads out."""
        folders = self._folders()
        points, ends = (self._records(kind) if kind in folders else [] for kind in ("points", "end"))
        return Listing(_numbers(folders), points, ends)

    def attempts(self) -> list[int]:
        """Return the numbers of the attempts made so far, ascending."""
        return _numbers(self._folders())

    def _folders(self) -> list[str]:
        try:
            with os.scandir(self.path) as entries:
                return [entry.name for entry in entries if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def attempt(self, number: int) -> AttemptFolder:
        """Return the folder of an attempt, which need not exist yet."""
        return AttemptFolder(self._child(f"a{number}"), number)

    def _child(self, name: str) -> Path:
        """Return a folder of this one; the way here was looked at when this object was made."""
        child = self.path / name
        return inside(self.root, child) if os.path.islink(child) else child  # noqa: PTH114  # half the time

    def latest_attempt(self) -> AttemptFolder | None:
        """Return the attempt made last, or ``None`` before the first."""
        numbers = self.attempts()
        return self.attempt(numbers[-1]) if numbers else None

    def new_attempt(self) -> AttemptFolder:
        """Create the next attempt's folder; two callers never get the same one. Raises ``MachineError``."""
        number = max(self.attempts(), default=0) + 1
        while True:
            attempt = self.attempt(number)
            try:
                attempt.path.mkdir(parents=True)
            except FileExistsError:
                number += 1
            except OSError as error:
                raise unwritable(attempt.path, error) from error
            else:
                return attempt

    def publish_point(self, point: Point) -> bool:
        """Publish a point at its horizon; the first wins. Returns whether this call did."""
        return publish(self.path / "points" / f"{point.tokens}.json", records.to_json(point))

    def publish_end(self, end: EndRecord) -> bool:
        """Publish the end state at the tokens reached; the first wins. Returns whether this call did."""
        return publish(self.path / "end" / f"{end.tokens}.json", records.to_json(end))

    def record_files(self, kind: str) -> dict[int, Path]:
        """Return the files of ``points`` or ``end`` by tokens, ascending; strange names are not records."""
        return {tokens: self.path.joinpath(kind, f"{tokens}.json") for tokens in self._records(kind)}

    def _records(self, kind: str) -> list[int]:
        try:
            names = os.listdir(self._child(kind))  # noqa: PTH208  # a name is all that is asked
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(match.group(1)) for match in map(_TOKENS.fullmatch, names) if match)

    def read_point(self, path: Path) -> Point:
        """Read one point. Raises ``BadRecord`` when it is damaged or belongs elsewhere."""
        data = read_json(path)
        try:
            point = records.point_from_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise bad_record(path, f"{path.name} is not a point: {_reason(error)}") from error
        self._belongs(path, point.trial, point.tokens)
        return point

    def read_end(self, path: Path) -> EndRecord:
        """Read one end record. Raises ``BadRecord`` when it is damaged or belongs elsewhere."""
        data = read_json(path)
        try:
            end = records.end_from_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise bad_record(path, f"{path.name} is not an end record: {_reason(error)}") from error
        self._belongs(path, end.trial, end.tokens)
        return end

    def points(self, listing: Listing | None = None) -> list[Point]:
        """Return the published points, fewest tokens first; ``listing``: where it is known. Raises ``BadRecord``."""
        found = (listing or self.listing()).points
        return [self.read_point(self.path.joinpath("points", f"{tokens}.json")) for tokens in found]

    def end(self, listing: Listing | None = None) -> EndRecord | None:
        """Return the end record with most tokens, or ``None``; ``listing`` as above. Raises ``BadRecord``."""
        found = (listing or self.listing()).ends
        return self.read_end(self.path.joinpath("end", f"{found[-1]}.json")) if found else None

    def replay_path(self, key: str) -> Path:
        """Return where the joules per token of a shape lie, shared by the trials of that shape."""
        return self.root / "replays" / f"{safe_name(key)}.json"

    def weights_path(self, tokens: int) -> Path:
        """Return where the weights at a horizon lie."""
        return self.path / "weights" / f"{tokens}.safetensors"

    def _belongs(self, path: Path, trial: str, tokens: int) -> None:
        if trial != self.id or str(tokens) != path.stem:
            raise bad_record(
                path,
                f"the record in {path.name} says trial {trial!r}, {tokens!r} tokens: it was made elsewhere",
            )


def _numbers(folders: Iterable[str]) -> list[int]:
    """Return the numbers of the attempts among the names of folders, ascending."""
    return sorted(int(match.group(1)) for match in map(_ATTEMPT.fullmatch, folders) if match)


def _reason(error: Exception) -> str:
    return f"key {error} is missing" if isinstance(error, KeyError) else str(error)


class StoreFolder:
    """The folder of one sweep. Constructing it touches nothing on disk."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    @property
    def sweep_path(self) -> Path:
        """The resolved spec, where each value came from, and the trials."""
        return self.root / "sweep.json"

    @property
    def report_path(self) -> Path:
        """The rendered report."""
        return self.root / "report.html"

    @property
    def host_dir(self) -> Path:
        """Energy of the whole machine, one file per run."""
        return self.root / "host"

    @property
    def timing_dir(self) -> Path:
        """Seconds of each run by phase, and what was predicted."""
        return self.root / "timing"

    @property
    def lock_path(self) -> Path:
        """Locked by the process that runs the sweep."""
        return self.root / ".lock"

    def trial(self, trial_id: str) -> TrialFolder:
        """Return the folder of a trial, which need not exist yet."""
        return TrialFolder(self.root, trial_id)

    def trial_ids(self) -> list[str]:
        """Return the trials that have a folder, by name; entries that are no folders are skipped."""
        try:
            with os.scandir(inside(self.root, self.root / "trials")) as entries:
                return sorted(e.name for e in entries if NAME.fullmatch(e.name) and e.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def read_sweep(self) -> dict[str, Any]:
        """Read ``sweep.json``.

        Raises:
            UsageError: there is no such folder, or it is not a store.
            BadRecord: the file is damaged.
        """
        if not self.root.is_dir():
            raise UsageError(
                "store.missing",
                f"no such store: {self.root}",
                where=str(self.root),
                hint="a sweep's store is runs/NAME; start one with `scaling run quickstart`",
            )
        try:
            return read_json(self.sweep_path)
        except FileNotFoundError as error:
            if (self.root / "imported.json").exists():
                raise UsageError(
                    "store.imported",
                    f"{self.root} holds imported points: there is no sweep behind them",
                    where=str(self.root),
                    why="what was imported has no trials to run, resume or sample",
                    hint=f"scaling fit {self.root}, or report, predict, compare, export",
                ) from error
            raise UsageError(
                "store.not_a_store",
                f"{self.root} is not a store: it has no sweep.json",
                where=str(self.root),
                hint="give the folder that `scaling run` wrote, such as runs/quickstart",
            ) from error

    def write_sweep(self, document: dict[str, Any]) -> None:
        """Replace ``sweep.json``. Raises ``MachineError``."""
        write_atomic(self.sweep_path, dump_json(document))
