"""From a file or a tracker's folder to points: map, read numbers, complete C or D, check."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData, UsageError
from scaling.provenance import Provenance
from scaling.store.columns import POINTS
from scaling.tables import trackers
from scaling.tables.checks import check
from scaling.tables.files import fingerprint, read_raw
from scaling.tables.history import choose_steps
from scaling.tables.mapping import FIELDS, map_columns
from scaling.tables.numbers import to_numbers, unwrap
from scaling.tables.table import Mapped, Problem, Table
from scaling.units import parse_count

Steps = Literal["last", "all"]
_NUMBERS = {
    "params", "params_non_embedding", "params_matmul", "tokens", "tokens_unique", "epochs", "flops", "loss",
    "perplexity", "bpb", "seed", "step", "energy", "train_s",
}  # fmt: skip
_SIZES = ("params", "params_non_embedding", "params_matmul")
_ENDED = frozenset({"done", "finished", "success", "completed", "imported"})
_UNFINISHED = frozenset({"crashed", "failed", "killed", "running", "pending", "interrupted", "scheduled", "preempted"})
_MOST = 0.5  # of the runs with several rows
_NO_RUN = "each row is its own run"


def read_table(path: Path | str, columns: Mapping[str, str] | None = None, steps: Steps = "last") -> Table:
    """Read points from a table or a tracker's folder.

    Args:
        path: a CSV, TSV, Parquet, JSON or JSONL file, or a folder of W&B runs, ``mlruns`` or TensorBoard events.
        columns: field -> column (``column*1e9`` to scale, a number such as ``124M`` for all rows); fields that are
            not named are guessed from the columns' names. Fields: ``params``, ``params_non_embedding``,
            ``params_matmul``, ``tokens``, ``tokens_unique``, ``epochs``, ``flops``, ``loss``, ``perplexity``,
            ``bpb``, ``energy`` (joules), ``train_s``, ``seed``, ``run``, ``label``, ``step``, ``family``, ``data``,
            ``validation``, ``status``.
        steps: for runs logged step by step, the ``last`` loss of each run or ``all`` of them.

    Returns:
        The table. Missing tokens become C / (6N), missing FLOPs 6ND; ``notes`` says so.

    Raises:
        UsageError: no such file, a column is not there, or which one is meant cannot be told.
        MachineError: Parquet without pyarrow.
        NotEnoughData: no rows, or none left.
    """
    path = Path(path)
    raw, kind, files = trackers.read_folder(path) if path.is_dir() else (*read_raw(path), [path])
    reader = _Reader(raw, path, dict(columns or {}))
    points = reader.points(steps)
    return Table(
        points=points,
        mapping=reader.mapping,
        notes=tuple(reader.notes),
        problems=tuple(reader.problems),
        source=path,
        sha256=fingerprint(files),
        kind=kind,
    )


class _Reader:
    """One table on its way to points: collects mapping, notes and problems as it goes."""

    def __init__(self, raw: pd.DataFrame, path: Path, given: dict[str, str]) -> None:
        self.raw = raw
        self.path = path
        self.mapping, self.notes = map_columns(raw.columns, given, str(path))
        self.problems: list[Problem] = []
        self._refuse_laws()
        self._need("loss" in self.mapping or "perplexity" in self.mapping, "loss", "loss")
        self._need(any(size in self.mapping for size in _SIZES), "size", "params")
        self._need("tokens" in self.mapping or "flops" in self.mapping, "tokens or FLOPs", "tokens")

    def points(self, steps: Steps) -> pd.DataFrame:
        """Return the points, all columns of the store, in the order of the rows."""
        frame = self._finished(self._fields())
        if "step" in frame:
            frame, said = choose_steps(frame, steps)
            self.notes += said
        if frame.empty:
            raise NotEnoughData("tables.no_points", "no row is left to fit", where=str(self.path))
        frame = self._complete(frame)
        if "epochs" not in frame and "tokens_unique" in frame:
            frame["epochs"] = frame["tokens"] / frame["tokens_unique"]
        frame["tokens_per_param"] = frame["tokens"] / frame["params"]
        frame["flops_6nd"] = 6.0 * frame["params"] * frame["tokens"]
        return frame.reindex(columns=[*POINTS]).reset_index(drop=True)

    def _refuse_laws(self) -> None:
        names = {str(c).strip().lower(): c for c in self.raw.columns}
        if {"alpha", "beta", "e"} <= set(names) and "loss" not in self.mapping:
            floor = to_numbers(self.raw[names["e"]]).values.median()
            log = f"; its E of {floor:.3g} reads like ln E (E = {np.exp(floor):.3g})" if floor < 1 else ""
            raise UsageError(
                "tables.laws",
                f"{self.path.name} holds parameters of fitted laws, not points{log}",
                where=str(self.path),
                why="a law is fitted to losses of training runs",
                hint="give the table of runs: size, tokens or FLOPs, loss",
            )

    def _need(self, there: bool, what: str, field: str) -> None:
        if not there:
            raise UsageError(
                "tables.no_column",
                f"no column of {self.path.name} reads like the {what}",
                where=str(self.path),
                why=f"its columns: {', '.join(map(str, self.raw.columns))}",
                hint=f'name it: --column {field}="NAME"',
            )

    def _fields(self) -> pd.DataFrame:
        """Return the mapped columns under the store's names, numbers as float64."""
        own = [c for c in POINTS if c in self.raw and c not in {m.column for m in self.mapping.values()}]
        frame = self.raw[own].copy()
        for field, mapped in self.mapping.items():
            frame[FIELDS[field][0] or field] = self._column(field, mapped)
        if "perplexity" in frame:
            frame = self._loss_from_perplexity(frame)
        if "energy_gpu_j" in frame and "energy_gpu_provenance" not in frame:
            frame["energy_gpu_provenance"] = Provenance.SAMPLED_POWER.value
            self.notes.append(
                f"GPU energy in {self.mapping['energy'].column} is taken as read from a sensor; where it is a model, "
                "say so in a column energy_gpu_provenance (modelled_load)."
            )
        return self._runs(frame)

    def _column(self, field: str, mapped: Mapped) -> "pd.Series[float] | pd.Series[str]":
        if mapped.how == "constant":
            constant = parse_count(mapped.column) if field in _NUMBERS else mapped.column
            return pd.Series(constant, index=self.raw.index)
        column = self.raw[mapped.column]
        if field not in _NUMBERS:
            return column.astype("str").where(column.notna(), None)
        read = to_numbers(column)
        if read.bad:
            text = f"{read.example!r} in {mapped.column} is not a number; read as missing"
            self.problems.append(Problem.at("not_a_number", read.bad, text))
        return read.values * mapped.factor

    def _loss_from_perplexity(self, frame: pd.DataFrame) -> pd.DataFrame:
        if "loss_nats" not in frame:
            column = self.mapping.pop("perplexity").column
            self.mapping = {**self.mapping, "loss": Mapped(column=f"ln({column})", how="computed")}
            self.notes.append(f"The loss is the logarithm of the perplexity in {column}.")
            with np.errstate(divide="ignore", invalid="ignore"):
                frame["loss_nats"] = np.log(frame["perplexity"])
        self.mapping = {f: m for f, m in self.mapping.items() if f != "perplexity"}
        return frame.drop(columns="perplexity")

    def _runs(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Name the run of each row, the unit that intervals resample."""
        if "trial" in frame and self.mapping["run"].how == "guessed":
            frame = self._only_runs(frame)
        if "trial" not in frame:
            frame["trial"] = "row" + frame.index.astype("str")
            self.mapping["run"] = Mapped(column="row number", how="computed")
            self.notes.append(f"No column names runs: {_NO_RUN}.")
            if "step" in frame and frame["step"].nunique() > 1:
                frame["trial"] = "run"
                self.notes[-1] = "No column names runs, and there are steps: all rows are one run (--column run=NAME)."
        unnamed = frame["trial"].isna()
        frame["trial"] = frame["trial"].mask(unnamed, "row" + frame.index.astype("str").to_series(frame.index))
        frame["label"] = frame["label"].fillna(frame["trial"]) if "label" in frame else frame["trial"]
        return self._whole_seeds(frame)

    def _only_runs(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Take back the guess of a run where most of the "runs" have several sizes; tell of a few that do."""
        sizes = frame[self._size()].where(lambda size: (size > 0) & (size < np.inf))
        groups = sizes.groupby(frame["trial"])
        mixed = groups.nunique() > 1
        if not mixed.any():
            return frame
        column = self.mapping["run"].column
        if mixed.sum() > _MOST * (groups.size() > 1).sum():
            self.mapping.pop("run")
            text = f"{column} is shared by rows of different sizes, so it names no runs; {_NO_RUN}"
            self.problems.append(Problem(code="not_a_run", what=text))
            return frame.drop(columns="trial")
        rows = frame.index[frame["trial"].isin(mixed.index[mixed])]
        self.problems.append(Problem.at("mixed_run", rows, f"the run named in {column} has rows of different sizes"))
        return frame

    def _whole_seeds(self, frame: pd.DataFrame) -> pd.DataFrame:
        if "seed" in frame and frame["seed"].isna().any():
            rows = frame.index[frame["seed"].isna()]
            self.problems.append(Problem.at("seed_missing", rows, "the seed is missing; no seed is used"))
            self.mapping.pop("seed")
            return frame.drop(columns="seed")
        return frame.astype({"seed": "int64"}) if "seed" in frame else frame

    def _finished(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Leave out runs that their tracker says did not finish."""
        status = frame["status"].fillna("").str.strip().str.lower() if "status" in frame else None
        frame = frame.drop(columns="status", errors="ignore").assign(state="done")
        if status is None or not status.isin(_ENDED | _UNFINISHED | {"diverged"}).any():
            self.mapping.pop("status", None)
            return frame
        out = status.isin(_UNFINISHED)
        if out.any():
            kinds = ", ".join(sorted(status[out].unique()))
            text = f"the run did not finish ({kinds}); left out"
            self.problems.append(Problem.at("unfinished", frame.index[out], text))
        frame["state"] = frame["state"].mask(status == "diverged", "diverged")
        return frame[~out]

    def _size(self) -> str:
        return next(FIELDS[size][0] for size in _SIZES if size in self.mapping)

    def _complete(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Fill in C or D where the table has only one of them, and check what it has."""
        params = frame[self._size()]
        if self._size() != "params_total":
            self.notes.append(f"No total count of parameters: 6ND and D/N are about {self._size()}.")
        computed = set()
        if "flops_train" not in frame:
            frame["flops_train"] = 6.0 * params * frame["tokens"]
            self._computed("flops", "6ND", "No column of FLOPs: C is computed as 6ND.")
            computed.add("flops_train")
        elif "tokens" not in frame:
            frame["tokens"] = frame["flops_train"] / (6.0 * params)
            self._computed("tokens", "C/(6N)", "No column of tokens: D is computed as C/(6N).")
            computed.add("tokens")
        else:
            frame["flops_train"], problem = unwrap(frame["flops_train"], params, frame["tokens"])
            self.problems += [problem] if problem else []
        frame["params"] = params
        self.problems += check(frame, frozenset(computed))
        return frame

    def _computed(self, field: str, rule: str, note: str) -> None:
        self.mapping[field] = Mapped(column=rule, how="computed")
        self.notes.append(note)
