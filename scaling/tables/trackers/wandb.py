"""Runs of Weights & Biases on disk.

A run is a folder ``run-*/files/`` with ``wandb-summary.json``, ``config.yaml`` and, where it was kept or exported,
``wandb-history.jsonl`` (one JSON object per logged step with ``_step``).

Its exported tables (a CSV with one row per run) are ordinary tables: ``_step``, ``Name`` and ``State`` are understood.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaling.errors import UsageError
from scaling.tables.files import flatten
from scaling.tables.trackers.runs import Row

_SUMMARY, _HISTORY, _CONFIG = "wandb-summary.json", "wandb-history.jsonl", "config.yaml"
_OWN = ("_runtime", "_timestamp", "_wandb")


def find(folder: Path) -> list[Path]:
    """Return the files of every run below a folder."""
    runs = {f.parent for name in (_SUMMARY, _HISTORY) for f in folder.rglob(name)}
    return [run / n for run in sorted(runs) for n in (_CONFIG, _SUMMARY, _HISTORY) if (run / n).is_file()]


def read(files: list[Path]) -> list[Row]:
    """Return one row per logged step of each run, or its summary where no history lies beside it."""
    return [row for run in dict.fromkeys(f.parent for f in files) for row in _run(run)]


def _run(folder: Path) -> list[Row]:
    name = folder.parent.name if folder.name == "files" else folder.name
    settings = _config(folder / _CONFIG) if (folder / _CONFIG).is_file() else {}
    if (folder / _HISTORY).is_file():
        lines = (folder / _HISTORY).read_text(encoding="utf-8").splitlines()
        logged = [_object(folder / _HISTORY, line, n) for n, line in enumerate(lines, start=1) if line.strip()]
    else:
        logged = [_object(folder / _SUMMARY, (folder / _SUMMARY).read_text(encoding="utf-8"), 1)]
    return [{"run": name, **settings, **_values(row), "step": row.get("_step", n)} for n, row in enumerate(logged)]


def _values(row: Mapping[str, Any]) -> Row:
    return {k: v for k, v in flatten(row).items() if not k.startswith(_OWN) and k not in ("_step", "run", "step")}


def _object(path: Path, text: str, line: int) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError("tables.bad_run", f"{path.name} is damaged: {error}", where=f"{path}:{line}") from error
    if not isinstance(value, dict):
        raise UsageError("tables.bad_run", f"{path.name} holds no JSON object", where=f"{path}:{line}")
    return value


def _config(path: Path) -> Row:
    """Return the settings of ``config.yaml``, in which each key holds ``{value: …}``."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise UsageError("tables.bad_run", f"{path.name} is not YAML: {error}", where=str(path)) from error
    if not isinstance(document, dict):
        return {}
    held = {k: v["value"] if isinstance(v, dict) and "value" in v else v for k, v in document.items()}
    return {k: v for k, v in flatten(held).items() if not k.startswith(_OWN) and not isinstance(v, list)}
