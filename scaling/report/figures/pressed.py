"""Over-optimisation: gold and proxy score against the root of the KL divergence, by size and number of comparisons."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scaling.laws.tuning import Cell, PressLaw, Run
from scaling.report.axes import linear_axis
from scaling.report.draw import MUTED, Figure, canvas, level, line, marks, words
from scaling.report.look import Style, legend
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.units import format_interval, format_si

ANCHOR = "fig-pressed"
_CLAIM = "What pressing a learnt reward does to the true one"
_NONE = "this sweep tuned no policy on preferences: its file has no section `after.preference`"
_COLOURS = ("var(--c-orange)", "var(--c-blue)", "var(--c-green)", "var(--c-purple)", "var(--c-vermillion)")
_METHODS = {"rloo": ("RL", "circle"), "dpo": ("DPO", "square")}
_BEST_OF = "best of n"
_FORM = Style("fitted d (α − β ln d), d (α − β d)", MUTED, "", "dash")
_LEFT, _RIGHT = (0.0, 0.455), (0.545, 1.0)
_HEIGHT = 300


def data(material: Material) -> pd.DataFrame:
    """Return one row per measured policy: its distance, gold and proxy gains, with their errors."""
    rows = []
    for run in material.tuning.runs:
        errors = material.tuned[material.tuned["trial"] == run.trial].sort_values("step")
        for d, gold, error, proxy, row in zip(
            run.d, run.gold, run.gold_se, run.proxy, errors.to_dict("records"), strict=True
        ):
            rows.append(
                {
                    "params": run.params,
                    "method": run.method,
                    "comparisons": run.comparisons,
                    "seed": run.seed,
                    "step": row["step"],
                    "d": d,
                    "kl": row["kl_nats"],
                    "kl_se": row["kl_se_nats"],
                    "kl_token": row["kl_per_token_nats"],
                    "gold": gold,
                    "gold_se": error,
                    "proxy": proxy,
                    "proxy_se": row["proxy_se"],
                    "exact": row["exact_match"],
                }
            )
    return pd.DataFrame(rows)


def panel(material: Material) -> Panel:
    """Return gold and proxy against distance for every size, or why there are none."""
    points = data(material)
    if points.empty:
        return absent(ANCHOR, _CLAIM, _NONE)
    sizes = sorted({run.params for run in material.tuning.runs})
    heading = "parameters: gold (left) and proxy (right)"
    plots = tuple(Plot(f"pressed-{n}", f"{format_si(n)} {heading}", draw(material, points, n), _HEIGHT) for n in sizes)
    best = _styles(points, "best_of") if len(material.best_of) else []
    return Panel(
        anchor=ANCHOR,
        claim=_claim(material.tuning.runs),
        caption=(
            "Across: d = √KL between policy and start, KL in nats per answer, the whole sequence, summed over its "
            "places along answers that the policy sampled. Left: gain of the gold score, 1 − edit distance / length by "
            "the task's checker. Right: gain of the proxy, the reward model learnt from so many comparisons, in "
            "deviations of the first policy's answers. Bars: one Monte-Carlo standard error over questions. One mark "
            "per measurement and seed; dashed, the forms of Gao et al. 2022 at their mean over seeds. DPO sees the "
            "comparisons, not the proxy."
        ),
        plots=plots,
        legend=legend([*_styles(points, "rloo"), *_styles(points, "dpo"), *best, _FORM]),
        table=_points_table(points),
    )


def _claim(runs: Sequence[Run]) -> str:
    pressed = [run for run in runs if run.method == "rloo"] or list(runs)
    few, many = (min(r.comparisons for r in pressed), max(r.comparisons for r in pressed))
    ends = {n: np.mean([r.gold[-1] for r in pressed if r.comparisons == n]) for n in (few, many)}
    peaks = {n: np.mean([max(0.0, r.gain) for r in pressed if r.comparisons == n]) for n in (few, many)}
    told = [f"with {n} comparisons the gold score gains {peaks[n]:+.2g} and ends at {ends[n]:+.2g}" for n in ends]
    return f"Pressed to the end, {' and '.join(dict.fromkeys(told))}"


def draw(material: Material, points: pd.DataFrame, params: int) -> Figure:
    """Draw one size: gold gain on the left, proxy gain on the right, both against d."""
    mine = points[points["params"] == params]
    across = linear_axis(title={"text": "√KL"}, rangemode="tozero")
    figure = canvas({**across, "domain": _LEFT}, linear_axis(title={"text": ""}))
    figure.update_layout(margin={"l": 46, "r": 14, "t": 12, "b": 46})
    figure.update_layout(
        xaxis2={**across, "domain": _RIGHT, "anchor": "y2"}, yaxis2=linear_axis(anchor="x2", title={"text": ""})
    )
    level(figure, 0.0)
    _forms(figure, material, mine, params)
    _best_of(figure, material, params, "gold")
    _half(figure, mine, "gold")
    before = len(figure.data)
    _best_of(figure, material, params, "proxy")
    _half(figure, mine, "proxy")
    for trace in figure.data[before:]:
        trace.update(xaxis="x2", yaxis="y2")
    return figure


def _half(figure: Figure, points: pd.DataFrame, column: str) -> None:
    for (method, comparisons), part in points.groupby(["method", "comparisons"], sort=True):
        style = _style(points, str(method), int(str(comparisons)))
        hover = [_hover(row) for row in part.to_dict("records")]
        marks(figure, part["d"], part[column], style, hover, size=7, error=part[f"{column}_se"], hollow=method == "dpo")
        for _, run in part.groupby("seed"):
            line(figure, run["d"], run[column], style.colour, width=1, opacity=0.45, group=style.label)


def _hover(row: "dict[Any, Any]") -> str:
    return words(
        [
            f"{_METHODS[row['method']][0]}, {row['comparisons']} comparisons, seed {row['seed']}, step {row['step']}",
            f"KL {row['kl']:.3g} ± {row['kl_se']:.2g} nats per answer ({row['kl_token']:.2g} per token)",
            f"gold {row['gold']:+.3f} ± {row['gold_se']:.3f}, proxy {row['proxy']:+.2f}",
        ]
    )


def _forms(figure: Figure, material: Material, points: pd.DataFrame, params: int) -> None:
    for cell, law in material.tuning.laws.items():
        if cell.params == params and cell.method == "rloo":
            reach = float(points[points["comparisons"] == cell.comparisons]["d"].max())
            _form(figure, law, reach, _style(points, cell.method, cell.comparisons))
    for (size, comparisons), law in material.tuning.best_of.items():
        if size == params:
            drawn = material.best_of[material.best_of["params_total"] == params]
            _form(figure, law, float(drawn["kl_nats"].max() ** 0.5), _style(points, "best_of", comparisons))


def _form(figure: Figure, law: PressLaw, reach: float, style: Style) -> None:
    d = np.linspace(0, reach, 60)
    line(figure, d, law.gain(d), style.colour, dash="dash", width=1.5, group=style.label)


def _best_of(figure: Figure, material: Material, params: int, column: str) -> None:
    rows = material.best_of[material.best_of["params_total"] == params]
    one = rows.drop_duplicates(["comparisons", "seed", "n"])
    for comparisons, part in one.groupby("comparisons", sort=True):
        style = _style(rows, "best_of", int(str(comparisons)), sorted(set(material.best_of["comparisons"])))
        start = part[part["n"] == 1].set_index("seed")[column].astype(float)
        gain = part[column].astype(float) - part["seed"].map(start)
        hover = [f"best of {int(n)}: {g:+.3f}" for n, g in zip(part["n"], gain, strict=True)]
        marks(figure, part["kl_nats"].astype(float) ** 0.5, gain, style, hover, size=6)


def _style(points: pd.DataFrame, method: str, comparisons: int, every: Sequence[int] | None = None) -> Style:
    known = sorted({int(n) for n in (points["comparisons"] if every is None else every)})
    colour = _COLOURS[known.index(comparisons) % len(_COLOURS)]
    name, symbol = _METHODS.get(method, (_BEST_OF, "diamond"))
    return Style(f"{name}, {comparisons} comparisons", colour, symbol)


def _styles(points: pd.DataFrame, method: str) -> list[Style]:
    if method != "best_of" and method not in set(points["method"]):
        return []
    return [_style(points, method, int(n)) for n in sorted(set(points["comparisons"]))]


def laws_table(material: Material) -> Table:
    """Return every cell: its form, where it peaks, what was gained and lost, and how good the reward model is."""
    columns = (
        Column("params", "Parameters", "count"), Column("method", "Method"),
        Column("comparisons", "Comparisons", "whole"), Column("accuracy", "Reward model's accuracy", "percent"),
        Column("seeds", "Seeds", "whole"), Column("a", "α"), Column("b", "β"), Column("rms", "rms", "number"),
        Column("peak_d", "Best √KL by the form", "number"), Column("gain", "Gain at the chosen place", "number"),
        Column("drop", "Lost after it", "number"), Column("reach", "√KL reached", "number"),
    )  # fmt: skip
    rows = [*_cells(material), *_best_of_rows(material)]
    return Table.of("pressed-laws", "Forms of over-optimisation, means over seeds", columns, rows)


def _cells(material: Material) -> Iterable[dict[str, object]]:
    cells: dict[Cell, list[Run]] = {}
    for run in material.tuning.runs:
        cells.setdefault(Cell.of(run), []).append(run)
    for cell, runs in cells.items():
        yield {
            "params": cell.params,
            "method": cell.method,
            "comparisons": cell.comparisons,
            "accuracy": float(np.mean([r.reward_accuracy for r in runs])),
            "seeds": len(runs),
            **_law(material.tuning.laws.get(cell)),
            "gain": float(np.mean([r.gain for r in runs])),
            "drop": float(np.mean([r.drop for r in runs])),
            "reach": float(np.mean([r.d[-1] for r in runs])),
        }


def _best_of_rows(material: Material) -> Iterable[dict[str, object]]:
    for (params, comparisons), law in material.tuning.best_of.items():
        yield {"params": params, "method": _BEST_OF, "comparisons": comparisons, "seeds": law.seeds, **_law(law)}


def _law(law: PressLaw | None) -> dict[str, object]:
    if law is None:
        return {}
    a, b = (format_interval(i.value, i.low, i.high) for i in (law.a, law.b))
    return {"a": a, "b": b, "rms": law.rms, "peak_d": law.peak_d}


def _points_table(points: pd.DataFrame) -> Table:
    columns = (
        Column("params", "Parameters", "count"), Column("method", "Method"),
        Column("comparisons", "Comparisons", "whole"), Column("seed", "Seed"), Column("step", "Step", "whole"),
        Column("d", "√KL", "number"), Column("kl", "KL, nats per answer", "number"),
        Column("kl_se", "its Monte-Carlo error", "number"), Column("kl_token", "KL, nats per token", "number"),
        Column("gold", "Gold gain", "number"), Column("gold_se", "its error", "number"),
        Column("proxy", "Proxy gain", "number"), Column("proxy_se", "its error", "number"),
        Column("exact", "Exact match", "number"),
    )  # fmt: skip
    return Table.of("pressed", "Every measured policy", columns, points, filterable=True)
