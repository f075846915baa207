"""Folders that experiment trackers write, as raw frames: one row per run and logged step."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from scaling.errors import NotEnoughData, UsageError
from scaling.tables.files import number_rows
from scaling.tables.trackers import mlflow, tensorboard, wandb
from scaling.tables.trackers.runs import Row

Reader = Callable[[list[Path]], list[Row]]

# kind -> (files that show it, reader of those files), in order of trial
_TRACKERS: Mapping[str, tuple[Callable[[Path], list[Path]], Reader]] = {
    "wandb": (wandb.find, wandb.read),
    "mlflow": (mlflow.find, mlflow.read),
    "tensorboard": (tensorboard.find, tensorboard.read),
}


def read_folder(folder: Path) -> tuple[pd.DataFrame, str, list[Path]]:
    """Read the runs in a folder.

    Returns:
        The raw frame with ``run``, ``step``, settings and metrics; the tracker; the files read, in order.

    Raises:
        UsageError: no tracker known here wrote this folder.
        NotEnoughData: its runs logged nothing.
    """
    for kind, (find, read) in _TRACKERS.items():
        files = find(folder)
        if files:
            rows = read(files)
            if not rows:
                raise NotEnoughData("tables.empty", f"the {kind} runs in {folder} logged nothing", where=str(folder))
            return number_rows(pd.DataFrame.from_records(rows)), kind, files
    raise UsageError(
        "tables.unknown_folder",
        f"{folder} is neither a store nor a tracker's folder",
        where=str(folder),
        why="no sweep.json, imported.json, W&B run, MLflow run or TensorBoard event file lies in it",
        hint="give the folder that `scaling run` wrote, such as runs/quickstart, or a table",
    )
