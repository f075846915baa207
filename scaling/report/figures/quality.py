"""How good is what each size makes, against the energy that its training took; where none was measured, its FLOPs.

Joules are those that a counter or sensor read. Modelled ones never stand in for them: the text says why they are
missing, and FLOPs, which are counted exactly, take their place.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.families import FAMILIES, Family, Quality
from scaling.report.axes import energy_axis, linear_axis, log_axis, plain, power_of_ten
from scaling.report.draw import FAINT, Figure, canvas, level, line, marks, words
from scaling.report.figures.energy import is_measured
from scaling.report.groups import texts
from scaling.report.look import Look, Style, legend
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.spec.corpus import VALIDITY
from scaling.store.measured import measured_energy
from scaling.units import format_energy, format_flops, format_si

ANCHOR = "fig-quality"
_CLAIM = "What a better sample costs"
_NONE = "nothing that these models make is judged: no family here makes samples of a quality that can be measured"
_CHECKED = Quality(metric=VALIDITY)  # of texts, where their corpus has rules
_GUESS = Style("what a guess has", "var(--ink-3)", "", "dash")
_BEST = Style("the best of its kind", "var(--ink-2)", "", "dot")
_GPU, _PROCESSORS = "GPU, its training", "processors, the whole trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The frames of one study: as in ``Material``, which has no name where it is alone."""

    study: str
    points: pd.DataFrame
    trials: pd.DataFrame
    metrics: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The sizes of one study by the quality of what they make.

    Attributes:
        study, family: whose.
        name: of the quality, in words.
        quality: what tells it.
        rows: one per size, means over seeds at its longest horizon: params_total, seeds, tokens, flops_train, quality,
            guess, best (missing where the family has none), energy_j with ``metered`` (of how many seeds) and ``part``,
            and what a further point took, from the size before: j_per_point, flops_per_point; missing without a gain.
        why: why energy is missing; empty where it is not.
    """

    study: str
    family: str
    name: str
    quality: Quality
    rows: pd.DataFrame
    why: str

    @property
    def metered(self) -> pd.DataFrame:
        """The sizes whose joules were measured."""
        return self.rows[self.rows["energy_j"].notna()]


def data(studies: Sequence[Judged]) -> list[Ladder]:
    """Return a ladder for every study and family that makes something whose quality was measured."""
    return [
        ladder
        for study in studies
        for name in sorted(set(study.points["family"].dropna()) & FAMILIES.keys())
        if (ladder := _ladder(study, FAMILIES[name])) is not None
    ]


def _ladder(study: Judged, family: Family) -> Ladder | None:
    quality = family.quality or _CHECKED
    points = study.points[study.points["family"] == family.name]
    last = points.sort_values("tokens").drop_duplicates("trial", keep="last").set_index("trial")
    told = {} if quality.metric is None else _told(study.metrics, family, quality.metric, last)
    last = last.assign(quality=last["loss_nats"] if quality.metric is None else told.get("quality"))
    last = last.assign(guess=told.get("guess"), best=told.get("best"), **_joules(points, study.trials, last))
    last = last[last["quality"].notna()]
    if last.empty:
        return None
    rows = last.groupby("params_total").agg(
        seeds=("quality", "size"),
        **{name: (name, "mean") for name in ("tokens", "flops_train", "quality", "guess", "best", "energy_j")},
        metered=("energy_j", "count"),
        part=("part", "first"),
    )
    rows = _marginal(rows.reset_index(), quality)
    name = family.quantity if quality.metric is None else quality.metric.replace("_", " ")
    return Ladder(
        study=study.study,
        family=family.name,
        name=name,
        quality=quality,
        rows=rows,
        why=_why(points, study.trials, rows),
    )


def _told(metrics: pd.DataFrame, family: Family, metric: str, last: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the quality of every trial at its last horizon, with its floor and ceiling."""
    at_end = metrics[metrics["trial"].map(last["tokens"]) == metrics["tokens"]]
    names = {"quality": metric, "guess": family.floors.get(metric), "best": family.ceilings.get(metric)}
    found = {part: at_end[at_end["metric"] == name] for part, name in names.items() if name is not None}
    return {part: rows.set_index("trial")["value"].reindex(last.index) for part, rows in found.items()}


def _joules(points: pd.DataFrame, trials: pd.DataFrame, last: pd.DataFrame) -> dict[str, Any]:
    """Return measured joules of each trial: of its GPU up to the horizon, else of the processors that were its own."""
    if measured_energy(points).any():
        return {"energy_j": last["energy_gpu_j"].where(measured_energy(last)).astype(float), "part": _GPU}
    if "energy_cpu_provenance" not in trials:
        return {"energy_j": math.nan, "part": None}
    own = trials[trials["energy_cpu_provenance"].map(is_measured)].set_index("trial")["energy_cpu_j"]
    return {"energy_j": own.reindex(last.index).astype(float), "part": _PROCESSORS if len(own) else None}


def _marginal(rows: pd.DataFrame, quality: Quality) -> pd.DataFrame:
    """Add what a further point took from each size to the next; missing where the next is no better."""
    gain = rows["quality"].diff() if quality.rises else -rows["quality"].diff() / rows["quality"].shift().abs()
    points = (100 * gain).where(gain > 0)
    more = {name: rows[name].diff() / points for name in ("energy_j", "flops_train")}
    return rows.assign(points=100 * gain, j_per_point=more["energy_j"], flops_per_point=more["flops_train"])


def _why(points: pd.DataFrame, trials: pd.DataFrame, rows: pd.DataFrame) -> str:
    if rows["energy_j"].notna().all():
        return ""
    if "energy_gpu_shared" in points and points["energy_gpu_shared"].fillna(False).astype(bool).any():
        return "others used the GPU at the same time"
    columns = [name for name in ("energy_gpu_reason", "energy_cpu_reason") if name in trials]
    told = [value for name in columns for value in texts(trials, name, "")[name] if value]
    return "; ".join(text.rstrip(".") for text in dict.fromkeys(told)) or "no reason was recorded"


def panel(studies: Sequence[Judged], look: Look) -> Panel:
    """Return quality against energy, or FLOPs, a drawing for each study; or why there is none."""
    ladders = data(studies)
    if not ladders:
        return absent(ANCHOR, _CLAIM, _NONE)
    sizes = sorted({float(n) for ladder in ladders for n in ladder.rows["params_total"]})
    named = [look.size(n, f"{format_si(n)} parameters") for n in sizes]
    levels = [s for s, key in ((_GUESS, "guess"), (_BEST, "best")) if any(x.rows[key].notna().any() for x in ladders)]
    return Panel(
        anchor=ANCHOR,
        claim=_words(ladders),
        caption=" ".join(_caption(ladders)),
        plots=tuple(_plot(ladder, i, look) for i, ladder in enumerate(ladders)),
        legend=legend([*named, *levels]),
        table=_table(ladders),
    )


def _plot(ladder: Ladder, rank: int, look: Look) -> Plot:
    whose = f"{ladder.study}: " if ladder.study else ""
    flops = Choice("flops", "Training FLOPs", draw(ladder, "flops_train", look))
    joules = [] if ladder.metered.empty else [Choice("energy", "Measured energy", draw(ladder, "energy_j", look))]
    gone = () if joules else (("Measured energy", ladder.why),)
    return Plot.switched(f"quality-{rank}", f"{whose}{_title(ladder)}", [*joules, flops], 330, gone=gone)


def _title(ladder: Ladder) -> str:
    return f"{ladder.name[:1].upper()}{ladder.name[1:]}"


def draw(ladder: Ladder, across: str, look: Look) -> Figure:
    """Draw the quality of every size against joules or FLOPs of its training."""
    rows = ladder.rows[ladder.rows[across].notna()].sort_values(across)
    joules = across == "energy_j"
    x = energy_axis("Energy", rows[across]) if joules else log_axis("Training FLOPs", rows[across], power_of_ten)
    values = rows["quality"].astype(float)
    steep = not ladder.quality.rises and values.min() > 0
    figure = canvas(x, log_axis("", values, plain) if steep else linear_axis())
    line(figure, rows[across], values, FAINT, width=1.5)
    for row in rows.to_dict("records"):
        style = look.size(float(row["params_total"]), f"{format_si(float(row['params_total']))} parameters")
        marks(figure, [row[across]], [row["quality"]], style, [_hover(ladder, row)])
    for key, style in (("guess", _GUESS), ("best", _BEST)):
        if rows[key].notna().any():
            level(figure, float(rows[key].mean()), style.dash)
    return figure


def _hover(ladder: Ladder, row: Mapping[Any, Any]) -> str:
    joules = float(row["energy_j"])
    took = "" if math.isnan(joules) else f", {format_energy(joules)} measured"
    return words(
        [
            f"{_title(ladder)} {row['quality']:.3g}, mean of {row['seeds']} seeds",
            f"{format_si(row['params_total'])} parameters",
            f"{format_flops(row['flops_train'])}{took}",
        ]
    )


def _words(ladders: Sequence[Ladder]) -> str:
    """Say from where to where the first study's quality goes, and what that took."""
    ladder = ladders[0]
    metered = ladder.metered
    rows, joules = (ladder.rows, False) if len(metered) < 2 else (metered, True)
    few, many = rows.iloc[0], rows.iloc[-1]
    took = [format_energy(r["energy_j"]) if joules else format_flops(r["flops_train"]) for r in (few, many)]
    whose = f"{ladder.study}: {ladder.name}" if ladder.study else _title(ladder)
    ends = f"{few['quality']:.3g} for {took[0]} and {many['quality']:.3g} for {took[1]}"
    return f"{whose} is {ends}{', measured' if joules else ' of training'}"


def _caption(ladders: Sequence[Ladder]) -> Iterator[str]:
    yield "Each mark is a size at its longest horizon, mean over seeds: how good what it makes is, and what that took."
    yield "The table has what each further point took, from the size before; nothing where a size is no better."
    if any(ladder.quality.rises for ladder in ladders):
        yield "Of a share, a point is one hundredth."
    if any(not ladder.quality.rises for ladder in ladders):
        yield "Of a distance, where less is better, a point is 1 % less."
    for why in dict.fromkeys(ladder.why for ladder in ladders if ladder.why):
        whose = ", ".join(ladder.study for ladder in ladders if ladder.why == why and ladder.study)
        yield f"Energy is missing{f' in {whose}' if whose else ''}: {why}."
    if any(ladder.why for ladder in ladders):
        yield "Modelled joules do not stand in for measured ones; FLOPs do, which are counted."


def _table(ladders: Sequence[Ladder]) -> Table:
    columns = (
        Column("study", "Study"),
        Column("name", "Quality"),
        Column("params_total", "Parameters", "count"),
        Column("seeds", "Seeds", "whole"),
        Column("tokens", "Tokens", "count"),
        Column("quality", "Mean", "number"),
        Column("guess", "A guess", "number"),
        Column("best", "The best", "number"),
        Column("points", "Points gained", "number"),
        Column("flops_train", "Training FLOPs", "flops"),
        Column("flops_per_point", "FLOPs a point", "flops"),
        Column("energy_j", "Energy, measured", "energy"),
        Column("j_per_point", "Energy a point", "energy"),
        Column("part", "Measured of"),
    )
    frames = [ladder.rows.assign(study=ladder.study or math.nan, name=ladder.name) for ladder in ladders]
    found = pd.concat([frame.dropna(axis=1, how="all") for frame in frames], ignore_index=True)
    always = {"energy_j", "j_per_point"}  # missing is said, not hidden
    used = [c for c in columns if c.key in always or (c.key in found and found[c.key].notna().any())]
    return Table.of("quality", "Quality of samples, and what it took", used, found)
