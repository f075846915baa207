"""An imported store: points that another program made, with the file they came from.

::

    runs/NAME/
      imported.json    source file and its sha256, which column filled which field, notes, problems
      points.csv       the points, in the columns of ``scaling.store.columns.POINTS``
      abilities.csv    scores of an evaluation harness, where there are any

It holds what its table told and nothing else: throughput, energy and environment are "not in the imported table".
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import UsageError
from scaling.provenance import Provenance
from scaling.store.columns import ABILITIES, POINTS, TRIALS
from scaling.store.files import MAX_LOG_BYTES, bad_record, dump_json, read_bytes, read_json, write_atomic
from scaling.store.records import FORMAT

REASON = "not in the imported table"
_TEXT = (
    "trial", "label", "family", "anneal", "energy_gpu_provenance", "state", "validation_fingerprint",
    "data_fingerprint", "objective", "loss_unit",
)  # fmt: skip
_OF_TRIAL = (
    "trial",
    "label",
    "family",
    "seed",
    "state",
    "params_total",
    "params_active",
    "params_non_embedding",
    "params_matmul",
)


@dataclass(frozen=True, slots=True)
class Imported:
    """Points of an imported store.

    Attributes:
        points: one row per point, in the columns of a store.
        abilities: one row per point and task, for results of an evaluation harness.
        origin: where they come from (``imported.json``): ``name``, ``source``, ``mapping``, ``conventions``,
            ``notes``, ``problems``.
    """

    points: pd.DataFrame
    origin: Mapping[str, Any]
    abilities: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*ABILITIES]))

    @classmethod
    def of(cls, points: pd.DataFrame, origin: Mapping[str, Any], abilities: pd.DataFrame | None = None) -> "Imported":
        """Return points under the columns of a store; what they lack is missing."""
        frame = points.reindex(columns=[*POINTS])
        how = frame["energy_gpu_provenance"]
        frame["energy_gpu_provenance"] = how.mask(how.isna(), Provenance.UNAVAILABLE.value).astype("str")
        frame["energy_gpu_shared"] = frame["energy_gpu_shared"].astype("boolean").fillna(False).astype(bool)
        scores = pd.DataFrame(columns=[*ABILITIES]) if abilities is None else abilities
        return cls(frame, MappingProxyType(dict(origin)), scores)

    @property
    def sweep(self) -> Mapping[str, Any]:
        """What stands for the sweep: a name and the origin; it fixed no cuts and planned no trials."""
        return MappingProxyType({"name": self.origin["name"], "imported": dict(self.origin)})

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong in the source, a sentence each."""
        return tuple(str(problem["what"]) for problem in self.origin["problems"])

    def trials(self) -> pd.DataFrame:
        """Return one row per run; GPU energy as the table has it, throughput and the rest missing as "imported"."""
        usable = self.points["params_total"] > 0  # a gap in one row of a run hides no other row
        order = self.points.assign(usable=usable).sort_values(["usable", "tokens"], kind="stable", na_position="first")
        last = order.drop_duplicates("trial", keep="last").sort_index()
        frame = last[[*_OF_TRIAL, "tokens", "loss_nats", "bpb"]].reindex(columns=[*TRIALS])
        reasons = [c for c in TRIALS if c.endswith("_reason")]
        frame[[*reasons, "reason"]] = REASON
        frame["horizons"] = frame["trial"].map(self._horizons()).fillna("")
        frame[[c for c in TRIALS if c.endswith("_provenance")]] = Provenance.UNAVAILABLE.value
        told = last.reindex(columns=["energy_gpu_j", "energy_gpu_provenance"])
        known = pd.to_numeric(told["energy_gpu_j"], errors="coerce").notna()
        told["energy_gpu_reason"] = "as the table tells, training alone"
        for column in told:
            frame[column] = told[column].astype(object).where(known, frame[column])
        return frame.reset_index(drop=True)

    def _horizons(self) -> dict[str, str]:
        """Return the tokens of each run's points as text, separated by spaces, by run."""
        known = self.points[self.points["tokens"].between(0, np.inf, inclusive="neither")].sort_values("tokens")
        runs = known.groupby("trial", sort=False)["tokens"]
        return {str(trial): " ".join(f"{count:.17g}" for count in tokens.to_numpy()) for trial, tokens in runs}


def write_imported(root: Path, found: Imported) -> None:
    """Write an imported store, points first, so that a torn one is no store.

    Raises:
        UsageError: the folder already holds a store.
        MachineError: it cannot be written.
    """
    held = next((n for n in ("sweep.json", "imported.json") if (root / n).exists()), None)
    if held is not None:
        raise UsageError(
            "store.exists",
            f"{root} already holds a store ({held})",
            where=str(root),
            why="records are never overwritten",
            hint=f"give another folder: --out {root}-2",
        )
    text = found.points.to_csv(index=False).encode()
    write_atomic(root / "points.csv", text)
    if len(found.abilities):
        write_atomic(root / "abilities.csv", found.abilities.to_csv(index=False).encode())
    origin = {"format": FORMAT, **found.origin, "points_sha256": hashlib.sha256(text).hexdigest()}
    write_atomic(root / "imported.json", dump_json(origin))


def read_imported(root: Path) -> tuple[Imported, tuple[str, ...]]:
    """Read an imported store.

    Returns:
        The points with their origin, and a warning when ``points.csv`` was changed after the import.

    Raises:
        BadRecord: one of the two files is missing or damaged.
    """
    path = root / "points.csv"
    origin = read_json(root / "imported.json")
    try:
        data = read_bytes(path, MAX_LOG_BYTES)
        types = dict.fromkeys(_TEXT, "str")
        points = pd.read_csv(io.BytesIO(data), dtype=types)
        _check(root / "imported.json", points, origin)
        found = Imported.of(points, origin, _read_abilities(root / "abilities.csv"))
    except FileNotFoundError as error:
        raise bad_record(path, "an imported store without its points.csv") from error
    except (ValueError, KeyError, TypeError) as error:
        raise bad_record(path, f"{path.name} is not a table of points: {error}") from error
    same = hashlib.sha256(data).hexdigest() == origin.get("points_sha256")
    changed = () if same else (f"points.csv is not the one that was imported: its sha256 differs ({path})",)
    return found, (*changed, *found.warnings)


def _read_abilities(path: Path) -> pd.DataFrame | None:
    """Return the scores of an imported store; ``None`` where it has none."""
    if not path.is_file():
        return None
    text = {"trial": "str", "label": "str", "probe": "str", "ability": "str"}
    frame = pd.read_csv(io.BytesIO(read_bytes(path, MAX_LOG_BYTES)), dtype=text)
    lost = [c for c in ("trial", "params_total", "probe", "score") if c not in frame]
    if lost:
        raise ValueError(f"abilities.csv lacks {', '.join(lost)}")
    return frame.reindex(columns=[*ABILITIES])


def _check(path: Path, points: pd.DataFrame, origin: Mapping[str, Any]) -> None:
    needed = ("name", "source", "mapping", "conventions", "notes", "problems")
    absent = [key for key in needed if key not in origin]
    if absent or not all(isinstance(p, dict) and "what" in p for p in origin["problems"]):
        raise bad_record(path, f"imported.json lacks {', '.join(absent) or 'the text of a problem'}")
    lost = [c for c in ("trial", "tokens", "flops_train", "loss_nats") if c not in points]
    if lost:
        raise ValueError(f"it lacks {', '.join(lost)}")
