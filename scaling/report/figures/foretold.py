"""Scores foretold in two steps, compute to loss and loss to score, and what the same rule foretold of known sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws.analysis import Interval
from scaling.laws.emergence import AbilityResult, BackTest, ScoreForecast, back_test, forecast_score, score_line
from scaling.report.draw import INK, Figure, band, law, line, marks, words
from scaling.report.intervals import show
from scaling.report.look import Style
from scaling.report.panel import Column, Table
from scaling.units import format_flops, format_si

AHEAD = 10.0  # times the largest scale that was judged
LINE = Style("score by the loss, 95 % band", INK, "", "solid")
TOLD = Style("foretold at ten times the scale", "var(--c-vermillion)", "diamond-open")
_PLACES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """What two steps say of one probe.

    Attributes:
        result: the probe.
        forecast: loss and score at ten times the largest scale.
        tests: each of the largest sizes, foretold from the smaller ones.
        losses: where the curve of the second step is told, high to low.
        scores: the score there.
        seen: the least and the highest loss behind it.
    """

    result: AbilityResult
    forecast: ScoreForecast
    tests: tuple[BackTest, ...]
    losses: tuple[float, ...]
    scores: tuple[Interval, ...]
    seen: tuple[float, float]


def foretell(results: Sequence[AbilityResult]) -> dict[str, Foretold | str]:
    """Return by probe what is foretold, or why nothing is."""
    return {result.probe: _one(result) for result in results}


def _one(result: AbilityResult) -> Foretold | str:
    rows = result.rows
    if rows["loss_nats"].isna().any():
        return "no validation loss was recorded beside these scores"
    x, loss, score = (rows[c].to_numpy(dtype=float) for c in ("x", "loss_nats", "score"))
    items = None if rows["items"].isna().any() else rows["items"].to_numpy(dtype=float)
    floor = result.floor or 0.0
    try:
        told = forecast_score(x, loss, score, AHEAD * float(x.max()), floor=floor, n_items=items)
        tests = back_test(x, loss, score, floor=floor)
    except NotEnoughData as error:
        return error.what
    seen = float(loss.min()), float(loss.max())
    least = min(seen[0], told.loss.low if told.loss.low is not None else told.loss.value)
    places = sorted({*np.linspace(seen[1], least, _PLACES).tolist(), seen[0]}, reverse=True)
    line = score_line(x, loss, score, places, floor=floor, n_items=items)
    return Foretold(
        result=result, forecast=told, tests=tests, losses=tuple(places), scores=line, seen=seen
    )  # fmt: skip


def draw_over(figure: Figure, found: Foretold) -> None:
    """Lay the curve with its band, dashed below the losses seen, and the forecast over a drawing of score by loss."""
    band(figure, found.losses, [i.low for i in found.scores], [i.high for i in found.scores], group=LINE.label)
    path = sorted((x, i.value) for x, i in zip(found.losses, found.scores, strict=True))
    law(figure, [x for x, _ in path], [y for _, y in path], found.seen, group=LINE.label, width=1.5)
    told = found.forecast
    if told.score.low is not None and told.score.high is not None:
        line(figure, [told.loss.value] * 2, [told.score.low, told.score.high], TOLD.colour, width=1.2, group=TOLD.label)
    hover = [words([f"foretold at {_at(found)}", f"loss {show(told.loss)} nats, score {show(told.score)}"])]
    marks(figure, [told.loss.value], [told.score.value], TOLD, hover, size=9)


def _at(found: Foretold) -> str:
    told = found.forecast
    name = found.result.axis.name
    return f"{format_si(told.x)} parameters" if name == "params_total" else format_flops(told.x)


def held(tests: Sequence[BackTest]) -> str | None:
    """Say how many back-tests their interval held; ``None`` without any."""
    return f"{sum(t.covered for t in tests)} of {len(tests)}" if tests else None


def table(found: dict[str, Foretold | str]) -> Table:
    """Return the forecast of every probe with its back-tests, or why there is none."""
    columns = (
        Column("probe", "Probe"),
        Column("at", "At"),
        Column("loss", "Loss (nats)"),
        Column("score", "Score"),
        Column("held", "Earlier forecasts held"),
        Column("note", "Note"),
    )
    rows = [{"probe": probe, **dict(_cells(told))} for probe, told in found.items()]
    note = (
        "Two steps: a power law of the loss along the path that the scores are read on, and a logistic of the score in "
        "the loss; both averaged over all courses that the points allow (2412.04403, 2403.08540). Earlier forecasts: "
        "each of the largest sizes from all smaller ones; 95 % intervals."
    )
    return Table.of("ability-forecasts", "Scores at ten times the scale", columns, rows, note=note)


def _cells(told: Foretold | str) -> Iterator[tuple[str, str | None]]:
    if isinstance(told, str):
        yield "note", f"none: {told}"
        return
    yield "at", _at(told)
    yield "loss", show(told.forecast.loss)
    yield "score", show(told.forecast.score)
    yield "held", held(told.tests)
    yield "note", told.forecast.weak


def frame_of(results: Sequence[AbilityResult], abilities: pd.DataFrame) -> pd.DataFrame:
    """Return every score beside its loss, for the table of the figure."""
    names = ["probe", "seed", "params_total", "tokens", "flops_train", "loss_nats", "score"]
    kept = abilities[abilities["probe"].isin([r.probe for r in results])]
    return kept[names].sort_values(["probe", "flops_train", "seed"], ignore_index=True)
