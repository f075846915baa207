"""The other answers of ``scaling estimate``: devices side by side, and the score on published runs."""

import math
from pathlib import Path
from typing import Any

from scaling.cli import output
from scaling.cost.accuracy import Score, Scored, score_rows, scores
from scaling.cost.document import to_json
from scaling.cost.estimate import Estimate, estimate
from scaling.cost.published import published_runs, read_table
from scaling.cost.request import Request
from scaling.hardware import Match
from scaling.units import format_si

SCHEMA = 1
_NOTE = (
    "Utilisation rests on runs that are not scored (scaling/cost/utilisation_runs.csv) and on papers; the exponent of "
    "its size rule, the TPUs' middle and the boards' share of rated power were settled after seeing these rows. Rows "
    "of rated or assumed power x hours test a convention, not an energy."
)


def run_comparison(common: dict[str, Any], cards: list[Match], as_json: bool) -> None:
    """Print one estimate per device. Raises ``UsageError`` as ``estimate`` does."""
    answers = [(match, estimate(Request(**common, match=match))) for match in cards]
    if as_json:
        output.print_json({"schema": SCHEMA, "estimates": [to_json(answer) for _, answer in answers]})
        return
    console = output.stdout()
    for line in comparison_lines(answers):
        console.print(line, markup=False, soft_wrap=True)


def comparison_lines(answers: list[tuple[Match, Estimate]]) -> list[str]:
    """Return a table of the devices, and what to know of each."""
    heads = ("device", "GPU MWh", "site MWh [80 %]", "GPU-hours", "days", "t CO2e", "rental", "devices at least")
    rows = [heads, *(_compared(match, answer) for match, answer in answers)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"note: {match.note}" for match, _ in answers if match.note]
    missing = dict.fromkeys(f"– {part}: {why}" for _, a in answers for part, why in a.missing.items() if part in _SHOWN)
    return [*table, *notes, *missing]


_SHOWN = ("days", "carbon", "rental_cost", "devices_at_least")


def _compared(match: Match, answer: Estimate) -> tuple[str, ...]:
    site, held = answer.energy_site_kwh.scaled(1e-3), answer.memory
    mids = (answer.gpu_hours, answer.days, answer.carbon_t, answer.rental_cost)
    return (
        match.accelerator.name,
        f"{answer.energy_gpu_kwh.mid / 1e3:.3g}",
        f"{site.mid:.3g} [{site.low:.3g}, {site.high:.3g}]",
        *("–" if value is None else format_si(value.mid) for value in mids),
        "–" if held is None or held.devices is None else str(held.devices),
    )


def run_accuracy(table: Path | None, as_json: bool) -> None:
    """Print how the default estimate does on published runs. Raises ``UsageError`` for a table that is none."""
    rows = score_rows(published_runs() if table is None else read_table(table))
    if not rows:
        from scaling.errors import NotEnoughData

        raise NotEnoughData("estimate.nothing_to_score", "no run of the table has size, tokens, card and energy")
    found = scores(rows)
    if as_json:
        output.print_json(
            {
                "schema": SCHEMA,
                "scores": {name: value.to_json() for name, value in found.items()},
                "runs": [row.to_json() for row in rows],
                "note": _NOTE,
            }
        )
        return
    console = output.stdout()
    for line in (*_scored_lines(rows), "", *_score_lines(found), "", _NOTE):
        console.print(line, markup=False, soft_wrap=True)


def _scored_lines(rows: list[Scored]) -> list[str]:
    head = f"{'run':<24}{'published MWh':>14}{'estimate MWh':>14}{'ratio':>7}  interval, MWh"
    return [head, *(_scored_line(row) for row in rows)]


def _scored_line(row: Scored) -> str:
    span = row.predicted_kwh.scaled(1e-3)
    flags = f"{'' if row.covered else '  outside'}{'' if row.measured else '  rated or assumed power'}"
    return (
        f"{row.model:<24}{row.published_kwh / 1e3:>14.4g}{span.mid:>14.4g}{span.mid * 1e3 / row.published_kwh:>7.2f}"
        f"  {span.low:.3g} to {span.high:.3g}{flags}"
    )


def _score_lines(found: dict[str, Score]) -> list[str]:
    head = f"{'':<26}{'runs':>5}{'median factor':>15}{'within 2x':>11}{'in the 80 % interval':>22}{'high/low':>10}"
    return [
        head,
        *(
            f"{name:<26}{s.runs:>5}{math.exp(s.median_log_error):>15.2f}{s.within_2x:>11.0%}{s.coverage:>22.0%}"
            f"{s.median_width:>10.1f}"
            for name, s in found.items()
        ),
    ]
