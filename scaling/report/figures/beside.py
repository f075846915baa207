"""What was measured beside the loss, against scale, each with what a guess has; and the loss by the rows compared."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from scaling.families import FAMILIES
from scaling.report.axes import linear_axis, log_axis, plain, power_of_ten
from scaling.report.draw import Figure, canvas, level, line, marks, words
from scaling.report.groups import by_keys
from scaling.report.intervals import of_row, show
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.spec.corpus import CHECKED
from scaling.units import format_si

ANCHOR = "fig-beside"
_CLAIM = "What was measured beside the loss"
_NONE = "this family measures no number beside its loss"
_ACROSS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "flops_train": ("Training FLOPs", power_of_ten),
    "tokens": ("Tokens D", format_si),
}
_DASHES = ("solid", "dash", "dot")
_FLOOR = Style("what a guess has", "var(--ink-3)", "", "dash")
_CEILING = Style("the best of its kind", "var(--ink-2)", "", "dot")
_HEIGHT = 330

Levels = list[tuple[str, str, Style]]


def data(material: Material) -> pd.DataFrame:
    """Return one row per point and number: means over ``seeds``, with Student's 95 % interval where there are two."""
    keys = ["family", "params_total", "batch_rows", "tokens", "flops_train", "metric"]
    groups = _own_rates(material, material.metrics).groupby(keys, sort=True, dropna=False)["value"]
    found = groups.agg(["mean", "count", "std"]).rename(columns={"mean": "value", "count": "seeds"}).reset_index()
    seeds = found["seeds"].astype(float)
    half = stdtrit(seeds - 1, 0.975) * found.pop("std") / np.sqrt(seeds)  # missing with one seed
    found["value_low"], found["value_high"] = found["value"] - half, found["value"] + half
    return found.sort_values("metric", key=_as_declared, kind="stable", ignore_index=True)


def _as_declared(metrics: "pd.Series[str]") -> "pd.Series[int]":
    """Rank metrics in the order of their declarations: what matters most is declared first."""
    declared = [*CHECKED, *(name for family in FAMILIES.values() for name in family.metrics)]
    return metrics.map(lambda name: declared.index(name) if name in declared else len(declared))


def _own_rates(material: Material, frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the trials of a learning-rate check: at each batch, those of other rates than most."""
    rates = [c for c in ("lr_hidden", "lr_embedding") if c in material.trials]
    batch = frame.drop_duplicates("trial")[["trial", "batch_rows"]]
    told = material.trials[["trial", *rates]].merge(batch, on="trial")
    if told.empty or not rates:
        return frame
    recipe = told[rates].astype(str).agg(" ".join, axis=1)
    usual = recipe.groupby(told["batch_rows"].fillna(0)).transform(lambda names: names.value_counts().idxmax())
    return frame[frame["trial"].isin(told["trial"][recipe == usual])]


def floors(material: Material) -> Mapping[str, str]:
    """Return the metrics that have a floor, each with the metric that tells it."""
    return {metric: told for metric, told, style in _levels(material) if style is _FLOOR}


def _levels(material: Material) -> Levels:
    """Return metrics, each with the metric that tells its floor or its ceiling."""
    known = [FAMILIES[name] for name in sorted(set(material.metrics["family"].dropna()) & FAMILIES.keys())]
    below = [(metric, told, _FLOOR) for family in known for metric, told in family.floors.items()]
    return [*below, *((metric, told, _CEILING) for family in known for metric, told in family.ceilings.items())]


def panel(material: Material, look: Look) -> Panel:
    """Return every number against compute and data, and the loss by batch, or why there is none."""
    found = data(material)
    if found.empty:
        return absent(ANCHOR, _CLAIM, _NONE)
    floor, batches = floors(material), _batches(material)
    levels = _levels(material)
    beneath = {told for _, told, _ in levels}
    shown = [name for name in found["metric"].unique() if name not in beneath]
    plots = tuple(_plot(found, str(name), levels, batches, look) for name in shown)
    several = len(batches) > 1
    if several:
        heading = f"Loss by rows in a step, {material.unit}"
        plots = (*plots, Plot("beside-batch", heading, _draw_batches(material, look), _HEIGHT))
    sizes = [look.size(n, f"{format_si(n)} parameters") for n in sorted(set(found["params_total"]))]
    return Panel(
        anchor=ANCHOR,
        claim=_words(found if not batches else found[found["batch_rows"] == batches[0]], floor),
        caption=" ".join(_caption(material, shown, batches)),
        plots=plots,
        legend=legend([*sizes, *_batch_styles(batches), *(style for _, _, style in levels)]),
        table=_table(found),
    )


def _batches(material: Material) -> list[int]:
    """Return the rows of a step, those of most trials first: their law is the page's."""
    of_trials = material.metrics.drop_duplicates("trial")["batch_rows"].dropna().astype(int)
    counts = of_trials.value_counts()
    return sorted(counts.index, key=lambda batch: (-int(counts[batch]), batch))


def _batch_styles(batches: list[int]) -> list[Style]:
    dashes = zip(batches, _DASHES * 2, strict=False)
    return [Style(f"{b} rows a step", "var(--ink-2)", "", dash) for b, dash in dashes] if len(batches) > 1 else []


def _plot(found: pd.DataFrame, name: str, levels: Levels, batches: list[int], look: Look) -> Plot:
    choices = [
        Choice(key, title, _draw(found, name, levels, key, batches, look)) for key, (title, _) in _ACROSS.items()
    ]
    return Plot.switched(f"beside-{name}", spelled(name), choices, _HEIGHT)


def spelled(name: str) -> str:
    """Return the name of a metric for people."""
    return name.replace("_", " ").capitalize()


def _draw(found: pd.DataFrame, name: str, levels: Levels, across: str, batches: list[int], look: Look) -> Figure:
    rows = found[found["metric"] == name]
    title, text = _ACROSS[across]
    values = rows["value"].astype(float)
    wide = values.min() > 0 and values.max() > 10 * values.min() and all(metric != name for metric, _, _ in levels)
    figure = canvas(
        log_axis(title, rows[across].astype(float), text), log_axis("", values, plain) if wide else linear_axis()
    )
    for (params, batch), part in by_keys(rows.fillna({"batch_rows": 0}), ["params_total", "batch_rows"]):
        style = look.size(float(params), f"{format_si(float(params))} parameters")
        dash = _DASHES[batches.index(int(batch)) % len(_DASHES)] if batch else "solid"
        ordered = part.sort_values("tokens")
        line(figure, ordered[across], ordered["value"], style.colour, dash=dash, width=1.5, group=style.label)
        hover = [_hover(row, name) for row in ordered.to_dict("records")]
        marks(figure, ordered[across], ordered["value"], style, hover, size=6)
    for metric, told, style in levels:
        if metric == name and (found["metric"] == told).any():
            level(figure, float(found[found["metric"] == told]["value"].mean()), style.dash)
    return figure


def _hover(row: Mapping[object, object], name: str) -> str:
    values = {str(k): v for k, v in row.items()}
    rows = float(str(values["batch_rows"]))
    mean = show(of_row(pd.Series(values), "value"))
    lines = [
        f"{spelled(name)} {mean}, mean of {values['seeds']} seeds",
        f"{format_si(float(str(values['params_total'])))} parameters, {format_si(float(str(values['tokens'])))} tokens",
    ]
    return words([*lines, *([f"{rows:.0f} rows a step"] if rows else [])])


def _draw_batches(material: Material, look: Look) -> Figure:
    """Draw the loss at the last horizon against the rows of a step, a line for each size."""
    points = _own_rates(material, material.points.dropna(subset=["batch_rows"]))
    last = points[points["tokens"] == points["tokens"].max()]
    columns = ["params_total", "batch_rows"]
    means = last.groupby(columns, sort=True)["loss_nats"].mean().reset_index()
    losses = means["loss_nats"].astype(float)
    batches = sorted(float(b) for b in means["batch_rows"].unique())
    across = {
        **log_axis("Rows in a step", batches, plain),
        "tickvals": batches,
        "ticktext": [plain(b) for b in batches],
    }
    figure = canvas(across, log_axis("", losses, plain))
    for (params,), part in by_keys(means, ["params_total"]):
        style = look.size(float(params), f"{format_si(float(params))} parameters")
        hover = [
            words([f"{style.label}, {row['batch_rows']:.0f} rows a step: {row['loss_nats']:.4f}"])
            for row in part.to_dict("records")
        ]
        line(figure, part["batch_rows"], part["loss_nats"], style.colour, width=1.5, group=style.label)
        marks(figure, part["batch_rows"], part["loss_nats"], style, hover, size=8)
    return figure


def _words(found: pd.DataFrame, floor: Mapping[str, str]) -> str:
    """Say where the first number ends up at the largest size on the most tokens, and what a guess has."""
    first = next(name for name in found["metric"] if name not in floor.values())
    rows = found[found["metric"] == first].sort_values(["tokens", "params_total"])
    small, large = rows[rows["params_total"] == rows["params_total"].min()].iloc[-1], rows.iloc[-1]
    sentence = (
        f"{spelled(str(first))} is {show(of_row(small, 'value'))} at {format_si(float(small['params_total']))} "
        f"parameters and {show(of_row(large, 'value'))} at {format_si(float(large['params_total']))}"
    )
    if first in floor:
        sentence += f"; a guess has {found[found['metric'] == floor[str(first)]]['value'].mean():.3g}"
    return sentence


def _caption(material: Material, shown: list[object], batches: list[int]) -> Iterator[str]:
    names = set(material.metrics["family"].dropna()) & FAMILIES.keys()
    for name in sorted(names):
        lines = {**CHECKED, **FAMILIES[name].metrics}
        yield "; ".join(f"{spelled(str(m))}: {lines[str(m)]}" for m in shown if str(m) in lines) + "."
        contrast = FAMILIES[name].contrast
        if contrast is not None:
            yield (
                f"The loss compares the rows of a batch, so each batch has a law of its own; validation compares "
                f"{contrast.candidates} rows for all of them. L(N, D) on this page is that of the batch that most "
                "trials have."
            )
    yield "Means over seeds; intervals of 95 % over seeds, where there are two or more, stand in the table."
    if len(batches) > 1:
        yield "A dash for each batch."


def _table(found: pd.DataFrame) -> Table:
    columns = (
        Column("params_total", "Parameters", "count"),
        Column("batch_rows", "Rows a step", "whole"),
        Column("tokens", "Tokens", "count"),
        Column("metric", "Metric"),
        Column("value", "Mean", "number"),
        Column("value_low", "2.5 %", "number"),
        Column("value_high", "97.5 %", "number"),
        Column("seeds", "Seeds", "whole"),
    )
    used = [c for c in columns if found[c.key].notna().any()]
    return Table.of("beside", "What was measured beside the loss", used, found, filterable=True)


def laws_table(material: Material) -> Table:
    """Return L(N,D) of every batch, a row each."""
    names = ("E", "A", "B", "alpha", "beta")
    columns = (
        Column("batch", "Rows a step", "whole"),
        *(Column(name, {"alpha": "α", "beta": "β"}.get(name, name)) for name in names),
        Column("points", "Points", "whole"),
        Column("rms", "Residual rms", "percent"),
    )
    rows = [
        {"batch": batch, **{n: show(fit.params[n]) for n in names}, "points": fit.n_points, "rms": fit.residual_rms}
        for batch, fit in material.by_batch.items()
    ]
    return Table.of("batches", "L(N, D) of each batch", columns, rows, empty="No batch has points enough for a law.")
