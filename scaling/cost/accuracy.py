"""Scores the default estimate on published runs: what it says before the run against what was reported after it.

A run is compared in its own scope: boards alone or whole system, with the site's overhead only where the published
figure holds it (then with the published PUE, which its owner knew beforehand). Work is 6 N D of active parameters.
Runs whose "energy" is rated or assumed power x hours test a convention, so measured ones are scored apart.
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from scaling.cost.estimate import estimate
from scaling.cost.factors import Range
from scaling.cost.published import Published
from scaling.cost.request import Request
from scaling.hardware import find_accelerator


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

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        return {
            "model": self.model,
            "published_kwh": self.published_kwh,
            "predicted_kwh": self.predicted_kwh.to_json(),
            "predicted_over_published": self.predicted_kwh.mid / self.published_kwh,
            "in_interval": self.covered,
            "measured_power": self.measured,
        }


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

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        return asdict(self)


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


def scores(rows: Iterable[Scored]) -> dict[str, Score]:
    """Score ``all`` rows, then those with ``measured power`` and with ``rated or assumed power`` apart."""
    rows = list(rows)
    groups = {
        "all": rows,
        "measured power": [r for r in rows if r.measured],
        "rated or assumed power": [r for r in rows if not r.measured],
    }
    return {name: score(group) for name, group in groups.items() if group}


def score_rows(runs: Iterable[Published]) -> list[Scored]:
    """Return every run that has energy, size and tokens, beside its estimate."""
    return [_scored(run) for run in runs if run.energy_kwh and run.params and run.tokens and run.accelerator]


def _scored(run: Published) -> Scored:
    answer = estimate(
        Request(
            params=run.params,
            params_total=run.params_total,
            tokens=run.tokens,
            match=find_accelerator(run.accelerator),
            count=run.count,
            pue=run.pue or 1.0,
        )
    )
    published = run.energy_gpu_kwh or run.energy_kwh
    assert published is not None
    return Scored(
        model=run.model,
        published_kwh=published,
        predicted_kwh=answer.energy_gpu_kwh.scaled(run.pue or 1.0) if run.boards_only else answer.energy_site_kwh,
        measured=run.measured,
    )
