"""MLflow's file store: ``mlruns/EXPERIMENT/RUN/{params,metrics,tags}/NAME`` and ``meta.yaml``.

A metric file has one line per value: ``timestamp value step`` (MLflow, "File store"); a name with slashes is a path.
"""

from collections.abc import Iterator
from pathlib import Path

from scaling.errors import UsageError
from scaling.tables.trackers.runs import Row, rows_of

_STATUS = {"1": "running", "2": "scheduled", "3": "finished", "4": "failed", "5": "killed"}


def find(folder: Path) -> list[Path]:
    """Return the files of every run under ``mlruns`` or its parent, deleted runs left out."""
    metas = [m for m in sorted(folder.rglob("meta.yaml")) if (m.parent / "metrics").is_dir()]
    alive = [m for m in metas if _meta(m).get("lifecycle_stage", "active") == "active"]
    return [f for meta in alive for f in (meta, *_files(meta.parent / "params"), *_files(meta.parent / "metrics"))]


def read(files: list[Path]) -> list[Row]:
    """Return one row per logged step of every run. Raises ``UsageError`` on a damaged metric file."""
    return [row for meta in files if meta.name == "meta.yaml" for row in _run(meta)]


def _run(meta: Path) -> list[Row]:
    facts, folder = _meta(meta), meta.parent
    settings = {_name(folder / "params", f): f.read_text(encoding="utf-8").strip() for f in _files(folder / "params")}
    status = _STATUS.get(facts.get("status", ""), facts.get("status", "").lower())
    settings |= {"status": status} if status else {}
    settings |= {"label": facts["run_name"]} if facts.get("run_name") else {}
    logged = [
        (step, _name(folder / "metrics", file), value)
        for file in _files(folder / "metrics")
        for step, value in _values(file)
    ]
    return rows_of(folder.name, settings, logged)


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.is_file()) if folder.is_dir() else []


def _name(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def _meta(path: Path) -> dict[str, str]:
    """Read the flat ``key: value`` lines of ``meta.yaml``; MLflow writes nothing nested there."""
    lines = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return {key.strip(): value.strip().strip("'\"") for key, colon, value in lines if colon}


def _values(path: Path) -> Iterator[tuple[int, float]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        parts = line.split()
        try:
            yield (int(parts[2]) if len(parts) > 2 else 0), float(parts[1])
        except (IndexError, ValueError) as error:
            raise UsageError(
                "tables.bad_metric",
                f"{path.name} holds a line that is not `timestamp value step`: {line[:60]!r}",
                where=f"{path}:{number}",
                hint="move the file away, or repair the line",
            ) from error
