"""Files as raw frames: every column as its author wrote it, whole numbers of any length kept."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.errors import MachineError, NotEnoughData, UsageError

_READ_BYTES = 2**20


def read_raw(path: Path) -> tuple[pd.DataFrame, str]:
    """Read a file by its ending.

    Returns:
        The raw frame, numbered from row 1, and the kind of file.

    Raises:
        UsageError: no such file, an unknown ending, or not a file of that kind.
        MachineError: Parquet without pyarrow.
        NotEnoughData: it has no rows.
    """
    if not path.is_file():
        raise UsageError("tables.missing", f"no such file: {path}", where=str(path), hint="check the path")
    kind = path.suffix.lower().lstrip(".")
    kind = {"ndjson": "jsonl", "txt": "tsv", "tab": "tsv", "pq": "parquet"}.get(kind, kind)
    if kind not in _READERS:
        raise UsageError(
            "tables.unknown_kind",
            f"{path.name} has no known ending",
            where=str(path),
            hint=f"rename it to one of {', '.join('.' + k for k in _READERS)}, or give a folder of a tracker",
        )
    try:
        frame = _READERS[kind](path)
    except (ValueError, OSError) as error:  # pandas' and json's parse errors are ValueErrors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            "tables.unreadable", f"{path.name} is not a {kind} table: {reason}", where=str(path)
        ) from error
    if frame.empty:
        raise NotEnoughData("tables.empty", f"{path.name} has no rows", where=str(path), hint="check the export")
    return number_rows(frame), kind


def number_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with rows counted from 1, as problems name them, and text column names."""
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1), axis=0).rename(columns=lambda name: str(name).strip())


def fingerprint(paths: Iterable[Path]) -> str:
    """Return the sha256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig")


def _read_tsv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", encoding="utf-8-sig")


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise MachineError(
            "tables.no_pyarrow",
            "Parquet needs pyarrow, which is not installed",
            where=str(path),
            hint="pip install 'scaling-bench[parquet]', or save the table as CSV",
        ) from error


def _read_jsonl(path: Path) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig") as file:
        return frame_of(json.loads(line) for line in file if line.strip())


def _read_json(path: Path) -> pd.DataFrame:
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    if isinstance(document, dict):
        rows = [value for value in document.values() if isinstance(value, list) and value]
        if rows and all(not isinstance(value, dict) for value in rows[0]):
            return pd.DataFrame({name: pd.Series(v, dtype=object) for name, v in document.items()})  # by columns
        document = rows[0] if len(rows) == 1 else [document]
    if not isinstance(document, list):
        raise ValueError("neither a list of rows nor a mapping of columns")
    return frame_of(document)


def frame_of(rows: Iterable[object]) -> pd.DataFrame:
    """Return rows (mappings, perhaps nested) as a frame; nested keys are joined by dots.

    Raises:
        ValueError: a row is not a mapping.
    """
    flat = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise ValueError(f"row {number} is not an object")
        nested = any(isinstance(value, Mapping) for value in row.values())
        flat.append(flatten(row) if nested else row)
    return pd.DataFrame.from_records(flat)


def flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping with its keys joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        key = f"{prefix}{name}"
        flat |= flatten(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return flat


_READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "parquet": _read_parquet,
    "jsonl": _read_jsonl,
    "json": _read_json,
}
