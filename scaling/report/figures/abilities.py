"""Abilities: each probe by two metrics side by side, with every seed, and against the loss."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.laws.emergence import AbilityResult, Call, Word, wilson
from scaling.report.axes import linear_axis, log_axis, plain, power_of_ten
from scaling.report.draw import INK, MUTED, Figure, canvas, level, line, marks, words
from scaling.report.figures.foretold import LINE, TOLD, Foretold, draw_over, foretell, frame_of
from scaling.report.figures.foretold import table as foretold_table
from scaling.report.look import SYMBOLS, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.units import format_flops, format_si

ANCHOR, LOSS_ANCHOR = "fig-abilities", "fig-ability-loss"
_CLAIM, _LOSS_CLAIM = "Which abilities appear, and by which metric", "Does the loss tell the score?"
_NONE = "this sweep measured no ability: its trials were scored by validation loss only"
_SEED_COLOURS = ("var(--c-blue)", "var(--c-orange)", "var(--c-green)", "var(--c-purple)", "var(--c-vermillion)")
_MEAN = Style("mean over seeds", INK, "", "solid")
_FLOOR = Style("floor: what needs no ability", MUTED, "", "dash")
_HEIGHT = 250
_MAX_TICKS = 3
_LEAST_SPAN = 0.7  # nats: a coin's worth of doubt, so that noise about a level does not fill the drawing
_LEFT, _RIGHT = (0.0, 0.455), (0.545, 1.0)  # halves of a drawing
_AXES = {  # column -> what the switch calls it, and the axis
    "flops_train": ("compute", "Training FLOPs C"),
    "tokens": ("tokens", "Tokens D"),
    "energy_gpu_j": ("energy", "GPU energy, J"),
}


@dataclass(frozen=True, slots=True)
class Curves:
    """Scores of one probe against one scale.

    Attributes:
        result: the probe with its verdict.
        scale: name of the column in ``x``.
        title: of the axis.
        rows: x, seed, score, low, high (95 % binomial), logprob, label, in order of x.
    """

    result: AbilityResult
    scale: str
    title: str
    rows: pd.DataFrame

    @property
    def means(self) -> pd.DataFrame:
        """Mean score and log-probability at each x."""
        return self.rows.groupby("x", sort=True)[["score", "logprob"]].mean().reset_index()


def data(material: Material) -> list[list[Curves]]:
    """Return for each probe its curves over every scale that was recorded."""
    return [_curves(material, result) for result in material.ability_results]


def _curves(material: Material, result: AbilityResult) -> list[Curves]:
    every = material.abilities[material.abilities["probe"] == result.probe]
    judged = result.rows.assign(energy_gpu_j=None, flops_train=None)
    size = result.axis.name == "params_total"
    found = [_over(result, "x", "Parameters N" if size else "Training FLOPs C", judged)]
    for column, (_, title) in _AXES.items():
        if every[column].notna().all() and not (column == "flops_train" and not size):
            found.append(_over(result, column, title, every.assign(x=every[column].astype(float))))
    return found


def _over(result: AbilityResult, scale: str, title: str, rows: pd.DataFrame) -> Curves:
    items = rows["items"].astype(float)
    ends = [
        wilson(s * n, n) if n == n else (s, s)
        for s, n in zip(rows["score"].astype(float), items, strict=True)
    ]  # fmt: skip
    frame = pd.DataFrame(
        {
            "x": rows["x"].astype(float),
            "seed": rows["seed"].astype(str),
            "score": rows["score"].astype(float),
            "low": [low for low, _ in ends],
            "high": [high for _, high in ends],
            "logprob": pd.to_numeric(rows["logprob"], errors="coerce"),
            "params_total": rows["params_total"].astype(float),
            "tokens": rows["tokens"].astype(float),
            "items": items,
        }
    )
    return Curves(result, scale, title, frame[frame["x"] > 0].sort_values(["x", "seed"]).reset_index(drop=True))


def seed_style(seeds: Sequence[str], seed: str) -> Style:
    """Return the colour and marker of a seed."""
    i = list(seeds).index(seed)
    return Style(f"seed {seed}", _SEED_COLOURS[i % len(_SEED_COLOURS)], SYMBOLS[i % len(SYMBOLS)])


def draw(found: Curves, seeds: Sequence[str]) -> Figure:
    """Draw the score on the left, the log-probability on the right, over one scale."""
    has_logprob = found.rows["logprob"].notna().any()
    across = _sparse(log_axis(found.title, found.rows["x"], power_of_ten if "FLOPs" in found.title else format_si))
    left = {**across, "domain": _LEFT if has_logprob else (0, 1)}
    figure = canvas(left, linear_axis(range=[-0.04, 1.04], title={"text": ""}))
    figure.update_layout(margin={"l": 46, "r": 14, "t": 26, "b": 46})
    _half(figure, found, seeds, "score")
    _name(figure, 0, "exact match")
    if found.result.floor is not None:
        level(figure, found.result.floor, _FLOOR.dash, _FLOOR.colour)
    if has_logprob:
        least = min(float(found.rows["logprob"].min()), -_LEAST_SPAN)
        figure.update_layout(
            xaxis2={**across, "domain": _RIGHT, "anchor": "y2"},
            yaxis2=linear_axis(anchor="x2", title={"text": ""}, range=[1.06 * least, -0.06 * least]),
        )
        _name(figure, _RIGHT[0], "log-prob. (nats)")
        before = len(figure.data)
        _half(figure, found, seeds, "logprob")
        for trace in figure.data[before:]:
            trace.update(xaxis="x2", yaxis="y2")
    return figure


def _sparse(axis: Mapping[str, Any]) -> dict[str, Any]:
    """Return an axis with at most three labelled ticks: each drawing is half a column wide."""
    keep = slice(None, None, -(-len(axis["tickvals"]) // _MAX_TICKS) or 1)
    return {**axis, "tickvals": axis["tickvals"][keep], "ticktext": axis["ticktext"][keep], "tickangle": 0}


def _name(figure: Figure, x: float, text: str) -> None:
    """Write what a half shows above it."""
    place = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    figure.add_annotation(x=x, y=1.02, text=text, font={"size": 11, "color": MUTED}, **place)


def _half(figure: Figure, found: Curves, seeds: Sequence[str], column: str) -> None:
    for seed, part in found.rows.groupby("seed", sort=True):
        error = (part["high"] - part["low"]) / 2 if column == "score" else None
        hover = [_hover(row, column) for row in part.to_dict("records")]
        marks(figure, part["x"], part[column], seed_style(seeds, str(seed)), hover, size=7, error=error)
    if found.scale == "x":  # along other scales sizes and horizons mix: no line joins them
        line(figure, found.means["x"], found.means[column], _MEAN.colour, width=1.5, group=_MEAN.label)


def _hover(row: Mapping[Any, Any], column: str) -> str:
    head = f"seed {row['seed']}, {format_si(row['params_total'])} parameters, {format_si(row['tokens'])} tokens"
    if column == "logprob":
        return words([head, f"{row['logprob']:.3f} nats"])
    return words([head, f"{row['score']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"])


def panel(material: Material) -> Panel:
    """Return every probe by two metrics, or why there is none."""
    found = data(material)
    if not found:
        return absent(ANCHOR, _CLAIM, _NONE)
    seeds = sorted({seed for curves in found for seed in curves[0].rows["seed"]})
    plots = tuple(
        Plot.switched(f"ability-{curves[0].result.probe}", _heading(curves[0].result), _choices(curves, seeds), _HEIGHT)
        for curves in found
    )
    axis = found[0][0].result.axis
    return Panel(
        anchor=ANCHOR,
        claim=_claim(material.ability_results),
        caption=(
            f"Left: share of items answered exactly, with 95 % binomial intervals. Right: mean log-probability per "
            f"answer token of the same weights. Read against size: {axis.rule}. A score that leaps where the "
            "log-probability climbs evenly is a threshold of the metric; a rise is unpredicted only where both lie "
            "beyond what smooth fits of the smaller sizes promise."
        ),
        plots=plots,
        legend=legend([*(seed_style(seeds, s) for s in seeds), _MEAN, _FLOOR]),
        table=_table(found),
        broad=True,
    )


def _choices(curves: Sequence[Curves], seeds: Sequence[str]) -> list[Choice]:
    labels = {"x": "size", **{column: label for column, (label, _) in _AXES.items()}}
    return [Choice(c.scale, labels[c.scale], draw(c, seeds)) for c in curves]


def _heading(result: AbilityResult) -> str:
    verdict = "emergent" if result.verdict.emergent else result.verdict.word.value
    return f"{result.probe} ({result.ability}): {verdict}"


def _claim(results: Sequence[AbilityResult]) -> str:
    emergent = sum(r.verdict.emergent for r in results)
    counts = [(word.value, sum(r.verdict.word is word for r in results)) for word in Word]
    told = ", ".join(f"{n} {word}" for word, n in counts if n)
    return f"{len(results)} probes: {told}; {emergent or 'none'} emergent by the written rule"


def _table(found: Iterable[Sequence[Curves]]) -> Table:
    columns = (
        Column("probe", "Probe"), Column("ability", "Ability"), Column("x", "Scale", "count"), Column("seed", "Seed"),
        Column("score", "Exact match", "score"), Column("low", "95 % low", "score"),
        Column("high", "95 % high", "score"), Column("logprob", "Log-probability (nats/token)", "number"),
        Column("tokens", "Tokens", "count"),
    )  # fmt: skip
    rows = [c[0].rows.assign(probe=c[0].result.probe, ability=c[0].result.ability) for c in found]
    return Table.of("ability-points", "Scores by probe, size and seed", columns, pd.concat(rows), filterable=True)


def verdicts(material: Material) -> tuple[Table, ...]:
    """Return the verdict on every probe with its reason, the numbers behind it, and what is foretold of it."""
    told = (
        Column("probe", "Probe"),
        Column("ability", "Ability"),
        Column("verdict", "Verdict"),
        Column("floor", "Floor", "score"),
        Column("score", "Score at the largest", "score"),
        Column("solved", "Seeds that solved it"),
        Column("sentence", "Why"),
    )
    evidence = (
        Column("probe", "Probe"),
        Column("sizes", "Sizes", "whole"),
        Column("items", "Items", "whole"),
        Column("z", "Surprise z", "number"),
        Column("z_logprob", "z of log-prob.", "number"),
        Column("p", "Corrected p", "number"),
        Column("palm", "PaLM discontinuity", "number"),
        Column("breakthroughness", "BIG-bench breakthroughness", "number"),
        Column("minimum_jump", "Least detectable jump", "number"),
        Column("by_loss", "Against the loss"),
    )
    rows = [_verdict(r) for r in material.ability_results]
    return (
        Table.of("abilities", "Verdict on each probe", told, rows),
        Table.of("ability-evidence", "What each verdict rests on", evidence, rows),
        foretold_table(foretell(material.ability_results)),
    )


def _verdict(result: AbilityResult) -> dict[str, object]:
    judged, facts = result.verdict, result.verdict.score.facts
    surprise = judged.score.surprise
    return {
        "probe": result.probe,
        "ability": result.ability,
        "verdict": "emergent" if judged.emergent else judged.word.value,
        "floor": result.floor,
        "score": result.top,
        "solved": f"{result.solved[-1][1]} of {result.solved[-1][2]}",
        "sentence": judged.sentence,
        "sizes": facts.sizes,
        "items": None if facts.items is None else facts.items[1],
        "z": None if surprise is None else surprise.z,
        "z_logprob": None if judged.logprob is None else judged.logprob.z,
        "p": result.p_corrected,
        "palm": facts.palm,
        "breakthroughness": facts.breakthroughness,
        "minimum_jump": facts.minimum_jump,
        "by_loss": None if result.by_loss is None else result.by_loss.call.value,
    }


def loss_panel(material: Material) -> Panel:
    """Return scores against the validation loss, all sizes and horizons on one curve per probe."""
    frame = material.abilities
    if frame.empty:
        return absent(LOSS_ANCHOR, _LOSS_CLAIM, _NONE)
    if frame["loss_nats"].isna().all():
        return absent(LOSS_ANCHOR, _LOSS_CLAIM, "no validation loss was recorded beside these scores")
    left = [
        r
        for r in material.ability_results
        if (frame.loc[frame["probe"] == r.probe, "score"] > (r.floor or 0) + 0.05).any()
    ]
    if not left:
        return absent(LOSS_ANCHOR, _LOSS_CLAIM, "no probe left its floor")
    foretold = foretell(left)
    plots = [
        Plot(
            f"ability-loss-{r.probe}",
            f"{r.probe}: score against loss",
            _against_loss(frame, r, foretold[r.probe], material.unit),
            220,
        )
        for r in left
    ]
    told = [r for r in material.ability_results if r.by_loss is not None and r.by_loss.call is Call.UNPREDICTED_RISE]
    names = ", ".join(r.probe for r in told)
    rest = f"{names} still rise beyond what higher losses promise"
    return Panel(
        anchor=LOSS_ANCHOR,
        claim=f"Read against the loss, {rest if told else 'no probe rises beyond what higher losses promise'}",
        caption=(
            "Every size at every horizon; colour and shape by seed. Where all sizes and horizons fall on one curve the "
            "loss tells the score; where they part, size or data matter beyond it. The loss runs from high to low. The "
            "line is the second step of a forecast, loss to score, through the judged sizes: solid where losses were "
            f"seen, dashed below.{_stayed(material, left)}"
        ),
        plots=tuple(plots),
        legend=legend(
            [
                *(seed_style(_seeds(frame), s) for s in _seeds(frame)),
                *([LINE, TOLD] if any(isinstance(told, Foretold) for told in foretold.values()) else []),
            ]
        ),
        table=_loss_table(left, frame),
    )


def _stayed(material: Material, left: Sequence[AbilityResult]) -> str:
    """Name the probes that are not drawn."""
    drawn = {r.probe for r in left}
    names = [r.probe for r in material.ability_results if r.probe not in drawn]
    return f" Not drawn, as no size or horizon lifted it off its floor: {', '.join(names)}." if names else ""


def _loss_table(results: Sequence[AbilityResult], frame: pd.DataFrame) -> Table:
    columns = (
        Column("probe", "Probe"),
        Column("seed", "Seed"),
        Column("params_total", "Parameters", "count"),
        Column("tokens", "Tokens", "count"),
        Column("flops_train", "FLOPs", "flops"),
        Column("loss_nats", "Loss (nats)", "loss"),
        Column("score", "Exact match", "score"),
    )
    return Table.of("ability-by-loss", "Scores beside their loss", columns, frame_of(results, frame))


def _seeds(frame: pd.DataFrame) -> list[str]:
    return sorted({str(s) for s in frame["seed"]})


def _against_loss(frame: pd.DataFrame, result: AbilityResult, told: Foretold | str, unit: str) -> Figure:
    rows = frame[(frame["probe"] == result.probe) & frame["loss_nats"].notna()]
    ahead = told.losses if isinstance(told, Foretold) else ()
    across = log_axis(f"Validation loss, {unit}", [*rows["loss_nats"].astype(float), *ahead], plain)
    across["range"] = across["range"][::-1]
    figure = canvas(across, linear_axis(range=[-0.04, 1.04]))
    if isinstance(told, Foretold):
        draw_over(figure, told)
    for seed, part in rows.groupby(rows["seed"].astype(str), sort=True):
        hover = [
            words([
                f"{format_si(float(r['params_total']))} parameters, {format_si(float(r['tokens']))} tokens",
                f"score {r['score']:.3f} at {r['loss_nats']:.3f} nats, {format_flops(float(r['flops_train']))}",
            ])
            for r in part.to_dict("records")
        ]  # fmt: skip
        marks(figure, part["loss_nats"], part["score"], seed_style(_seeds(frame), str(seed)), hover, size=6)
    if result.floor is not None:
        level(figure, result.floor, _FLOOR.dash, _FLOOR.colour)
    return figure
