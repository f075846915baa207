"""Scores the default estimate on published runs: what it says before the run against what was reported after it.

A run is compared in its own scope: boards alone or whole system, with the site's overhead only where the published
figure holds it (then with the published PUE, which its owner knew beforehand). Work is 6 N D of active parameters.
Runs whose "energy" is rated or assumed power x hours test a convention, so measured ones are scored apart.
"""

import csv
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scaling.cost.estimate import Request, estimate
from scaling.cost.factors import Range
from scaling.hardware import find_accelerator

_CONVENTIONS = ("TDP", "assumed", "not stated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One published run beside its estimate.

    Attributes:
        model: name of the run.
        published_kwh: reported or derived energy.
        predicted_kwh: estimate in the same scope.
        measured: the published figure rests on measured power, not on a rated one.
    """

    model: str
    published_kwh: float
    predicted_kwh: Range
    measured: bool

    @property
    def log_error(self) -> float:
        """|ln(predicted / published)|."""
        return abs(math.log(self.predicted_kwh.mid / self.published_kwh))

    @property
    def covered(self) -> bool:
        """Whether the published figure lies in the interval."""
        return self.predicted_kwh.low <= self.published_kwh <= self.predicted_kwh.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The score over some runs.

    Attributes:
        runs: how many.
        median_log_error: median |ln(predicted / published)|; ln 1.3 is 0.26.
        within_2x: share within a factor two.
        coverage: share inside the 80 % interval.
        median_width: median of high / low.
    """

    runs: int
    median_log_error: float
    within_2x: float
    coverage: float
    median_width: float


def score(rows: Iterable[Scored]) -> Score:
    """Score some runs. Raises ``ValueError`` when there are none."""
    scored = list(rows)
    if not scored:
        raise ValueError("no runs to score")
    return Score(
        runs=len(scored),
        median_log_error=statistics.median(s.log_error for s in scored),
        within_2x=sum(s.log_error <= math.log(2) for s in scored) / len(scored),
        coverage=sum(s.covered for s in scored) / len(scored),
        median_width=statistics.median(s.predicted_kwh.high / s.predicted_kwh.low for s in scored),
    )


def accuracy(table: Path) -> dict[str, Score]:
    """Score the estimate on a table of published runs: ``all``, ``measured power``, ``rated or assumed power``."""
    rows = score_rows(table)
    groups = {
        "all": rows,
        "measured power": [r for r in rows if r.measured],
        "rated or assumed power": [r for r in rows if not r.measured],
    }
    return {name: score(group) for name, group in groups.items() if group}


def score_rows(table: Path) -> list[Scored]:
    """Return every run of the table that has energy, size and tokens, beside its estimate."""
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    needed = ("energy_mwh", "tokens_b", "params_active_b", "accelerator")
    return [_scored(row) for row in rows if all(row[key] for key in needed)]


def _scored(row: Mapping[str, str]) -> Scored:
    boards = row["gpu_energy_mwh"]
    with_pue = row["energy_includes_pue"] == "y" and not boards
    gpu_only = bool(boards) or row["energy_scope"] == "GPU"
    pue = float(row["pue"] or 1.1) if with_pue else 1.0
    answer = estimate(
        Request(
            params=float(row["params_active_b"]) * 1e9,
            tokens=float(row["tokens_b"]) * 1e9,
            match=find_accelerator(row["accelerator"]),
            pue=pue,
        )
    )
    return Scored(
        model=row["model"],
        published_kwh=float(boards or row["energy_mwh"]) * 1000,
        predicted_kwh=answer.energy_gpu_kwh.scaled(pue) if gpu_only else answer.energy_site_kwh,
        measured=not any(word in row["energy_basis"] for word in _CONVENTIONS)
        and "extrapolated" not in row["power_scope"],
    )
