"""Published training runs: facts with their sources (``published_runs.csv``), for ``--like`` and for the score."""

import csv
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from scaling.errors import UsageError

_CONVENTIONS = ("TDP", "assumed", "not stated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published run; ``None`` where its source gives no figure.

    Attributes:
        model, family, year: name, group that reported it, first year.
        params, params_total, tokens: active and all parameters, tokens seen.
        accelerator: card of the catalogue.
        count: devices.
        gpu_hours: device-hours.
        energy_kwh: reported energy, or hours times the reported power.
        energy_gpu_kwh: its part in the boards, where that was read apart.
        energy_basis: how the figure came about.
        boards_only: ``energy_kwh`` is of the boards.
        pue: of the site; ``None`` when ``energy_kwh`` leaves it out.
        measured: whether measured power stands behind it, not a rated one.
        source, note: where it is published; what to beware of.
    """

    model: str
    family: str
    year: int
    params: float | None
    params_total: float | None
    tokens: float | None
    accelerator: str
    count: int | None
    gpu_hours: float | None
    energy_kwh: float | None
    energy_gpu_kwh: float | None
    energy_basis: str
    boards_only: bool
    pue: float | None
    measured: bool
    source: str
    note: str


@cache
def published_runs() -> tuple[Published, ...]:
    """Return the shipped table."""
    return tuple(read_runs(files("scaling.cost").joinpath("published_runs.csv").read_text(encoding="utf-8")))


def read_table(path: Path) -> tuple[Published, ...]:
    """Return a table of the same columns from a file. Raises ``UsageError`` where it is not one."""
    try:
        return tuple(read_runs(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise UsageError(
            "estimate.not_published",
            f"not a table of published runs: {error!r}",
            where=str(path),
            hint="it needs the columns of scaling/cost/published_runs.csv",
        ) from error


def read_runs(text: str) -> Iterable[Published]:
    """Read the table. Raises ``KeyError`` or ``ValueError`` where it is not one."""
    return [_read(row) for row in csv.DictReader(text.splitlines())]


def _read(row: dict[str, str]) -> Published:
    boards = _number(row["gpu_energy_mwh"], 1e3)
    with_pue = row["energy_includes_pue"] == "y" and boards is None
    conventional = any(word in row["energy_basis"] for word in _CONVENTIONS) or "extrapolated" in row["power_scope"]
    return Published(
        model=row["model"],
        family=row["family"],
        year=int(row["year"]),
        params=_number(row["params_active_b"], 1e9),
        params_total=_number(row["params_total_b"], 1e9),
        tokens=_number(row["tokens_b"], 1e9),
        accelerator=row["accelerator"],
        count=int(row["accel_count"]) if row["accel_count"] else None,
        gpu_hours=_number(row["accel_hours"], 1.0),
        energy_kwh=_number(row["energy_mwh"], 1e3),
        energy_gpu_kwh=boards,
        energy_basis=row["energy_basis"],
        boards_only=boards is not None or row["energy_scope"] == "GPU",
        pue=float(row["pue"] or 1.1) if with_pue else None,
        measured=not conventional,
        source=row["source"],
        note=row["note"],
    )


def _number(text: str, factor: float) -> float | None:
    return float(text) * factor if text else None


def find_published(name: str) -> Published:
    """Return the run that a name means: ``gpt-3``, ``GPT-3-175B``, ``llama-65b``.

    Raises:
        UsageError: no run, or several, are called that, or its size or tokens are not published.
    """
    runs = published_runs()
    exact = [r for r in runs if _plain(r.model) == _plain(name)]
    found = exact or [r for r in runs if _plain(r.model).startswith(_plain(name)) and _plain(name)]
    if len(found) != 1:
        raise _not_one(name, found)
    run = found[0]
    if run.params is None or run.tokens is None:
        raise UsageError(
            "estimate.like_unknown_work",
            f"the size or the tokens of {run.model} are not published",
            where=run.source,
            hint="choose another run, or give --params and --tokens",
        )
    return run


def _not_one(name: str, found: list[Published]) -> UsageError:
    by_name = {_plain(r.model): r.model for r in published_runs()}
    near = difflib.get_close_matches(_plain(name), by_name, n=4, cutoff=0.3)
    names = [r.model for r in found] or [by_name[n] for n in near] or list(by_name.values())
    what = "fits several published runs" if found else "is none of the published runs"
    return UsageError(
        "estimate.unknown_run",
        f"{name!r} {what}",
        hint=f"{'write one of' if found else 'nearest'}: {', '.join(names)}",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "", name.lower())
