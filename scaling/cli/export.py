"""``scaling export``: a store's results as tables that any tool reads, with a data dictionary."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from scaling.store import Store


class Format(StrEnum):
    """File formats."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


class Tracker(StrEnum):
    """Trackers that runs can be written for."""

    WANDB = "wandb"
    MLFLOW = "mlflow"
    TENSORBOARD = "tensorboard"


_NEXT = {
    Tracker.WANDB: "upload them with: wandb sync {folder}/wandb/offline-run-*",
    Tracker.MLFLOW: "look at them with: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {folder}/mlruns",
    Tracker.TENSORBOARD: "look at them with: tensorboard --logdir {folder}/tensorboard",
}


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A store, such as runs/quickstart.")],
    file_format: Annotated[Format, typer.Option("--format", help="File format.")] = Format.CSV,
    to: Annotated[
        Tracker | None, typer.Option("--to", help="Write runs of this tracker instead, offline, into the folder.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to; DIR/export by default.")] = None,
) -> None:
    """Write points, trials, curves and samples as files, with a dictionary of their columns; or as a tracker's runs.

    Example:  scaling export runs/quickstart --format csv --out tables

    Example:  scaling export runs/quickstart --to tensorboard
    """
    from scaling.cli.output import say, stdout
    from scaling.cli.source import whole
    from scaling.cli.study import whole_sweep
    from scaling.store import load

    directory = whole_sweep(directory)
    if to is not None:
        _send(load(directory), to, out or directory / "export")
        return
    if file_format is Format.PARQUET:
        _need_pyarrow()
    store = whole(load(directory))
    console = stdout()
    for path in write(store, file_format, out or directory / "export"):
        console.print(str(path), markup=False, soft_wrap=True)
    for warning in store.warnings:
        say(f"warning: {warning}")


def _send(store: "Store", to: Tracker, folder: Path) -> None:
    from scaling.cli.output import say, stdout
    from scaling.tables.send import send

    names = send(store, to.value, folder)
    stdout().print(f"{len(names)} runs of {store.sweep.get('name')} in {folder}", markup=False, soft_wrap=True)
    say("hint: " + _NEXT[to].format(folder=folder))


def _need_pyarrow() -> None:
    from importlib.util import find_spec

    from scaling.errors import MachineError

    if find_spec("pyarrow") is None:
        raise MachineError(
            "export.no_pyarrow",
            "Parquet needs pyarrow, which is not installed",
            hint="pip install 'scaling-bench[parquet]', or use --format csv",
        )


def write(store: "Store", file_format: Format, folder: Path) -> list[Path]:
    """Write the tables and their dictionary; returns the files. Raises ``MachineError``."""
    from scaling.store.files import dump_json, write_atomic

    frames = {
        "points": store.points(stage=None),
        "trials": store.trials(stage=None),
        "abilities": store.abilities(stage=None),
        "tuned": store.tuned(),
        "best_of": store.best_of(),
        "curves": store.curves(stage=None),
        "samples": store.samples(),
    }
    paths = []
    for name, frame in frames.items():
        path = folder / f"{name}.{file_format}"
        write_atomic(path, encode(frame, file_format))
        paths.append(path)
    dictionary = folder / "dictionary.json"
    write_atomic(dictionary, dump_json(data_dictionary(store, file_format)))
    return [*paths, dictionary]


def encode(frame: "pd.DataFrame", file_format: Format) -> bytes:
    """Return a table as the bytes of a file. Missing values are empty in CSV and null elsewhere."""
    if file_format is Format.CSV:
        return frame.to_csv(index=False).encode()
    if file_format is Format.JSON:
        # Through the standard library, which keeps every digit; pandas rounds to 15 decimals.
        rows = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
        return (json.dumps(rows, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
    return frame.to_parquet(None, index=False)


def data_dictionary(store: "Store", file_format: Format) -> dict[str, Any]:
    """Return the meaning and unit of every column, and where the tables come from."""
    from scaling.store.columns import ABILITIES, BEST_OF, CURVES, POINTS, SAMPLES, TRIALS, TUNED

    tables: dict[str, Mapping[str, tuple[str, str]]] = {
        "points": POINTS,
        "trials": TRIALS,
        "abilities": ABILITIES,
        "tuned": TUNED,
        "best_of": BEST_OF,
        "curves": CURVES,
        "samples": SAMPLES,
    }
    return {
        "sweep": store.sweep.get("name"),
        "missing": "an empty field in CSV, null in JSON and Parquet: not measured, never zero",
        "tables": {
            f"{name}.{file_format}": {
                column: {"unit": unit, "meaning": meaning} for column, (unit, meaning) in columns.items()
            }
            for name, columns in tables.items()
        },
    }
