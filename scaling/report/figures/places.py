"""Loss by place in the window: what a model makes of a longer context (Kaplan et al. 2020, section 3.2.1)."""

import math
from collections.abc import Sequence

import pandas as pd

from scaling.report.axes import log_axis, plain
from scaling.report.draw import Figure, canvas, line, marks, words
from scaling.report.groups import by_number
from scaling.report.look import Look, Style, legend
from scaling.report.panel import Column, Panel, Plot, Table
from scaling.units import format_si

ANCHOR = "fig-places"
_HEIGHT = 360
_READ = "A mark stands for a stretch of places, twice as long as the one before, at the geometric middle of its ends."
_COLUMNS = (
    Column("study", "Study"),
    Column("params_total", "Parameters", "count"),
    Column("tokens", "Tokens", "count"),
    Column("first", "From place", "whole"),
    Column("last", "To place", "whole"),
    Column("loss_nats", "Loss (nats)", "loss"),
)


def data(places: pd.DataFrame, study: str = "") -> pd.DataFrame:
    """Return each size at its longest horizon, means over seeds, one row per stretch of places."""
    longest = places.groupby("params_total")["tokens"].transform("max")
    last = places[places["tokens"] == longest]
    keys = ["params_total", "tokens", "first", "last"]
    return last.groupby(keys, sort=True)["loss_nats"].mean().reset_index().assign(study=study)


def panel(places: pd.DataFrame, look: Look) -> Panel | None:
    """Return the loss by place of every size of one study; ``None`` where its family has no such thing."""
    rows = data(places)
    if rows.empty:
        return None
    sizes = {float(n): look.size(float(n), f"{format_si(float(n))} parameters") for n in rows["params_total"].unique()}
    figure = _canvas(rows)
    for n, part in by_number(rows, "params_total"):
        _draw(figure, part, sizes[n], sizes[n].label)
    return Panel(
        anchor=ANCHOR,
        claim=f"At {_largest(rows)}",
        caption=f"Validation loss of the tokens at a place in the window, at the longest horizon of each size. {_READ}",
        plots=(Plot("places", "Loss by place in the window, nats per token", figure, _HEIGHT),),
        legend=legend(sizes.values()),
        table=Table.of("places", "Loss by place in the window", _COLUMNS[1:], rows),
    )


def together(groups: Sequence[Sequence[tuple[str, pd.DataFrame]]], look: dict[str, Style]) -> Panel | None:
    """Return the smallest and the largest size of several studies, a drawing for each group whose losses compare."""
    told = [[data(places, name) for name, places in group if len(places)] for group in groups]
    told = [group for group in told if group]
    if not told:
        return None
    plots, ends = [], []
    for rank, group in enumerate(told):
        shown = [
            rows[rows["params_total"].isin([rows["params_total"].min(), rows["params_total"].max()])] for rows in group
        ]
        figure = _canvas(pd.concat(shown))
        for rows in shown:
            for n, part in by_number(rows, "params_total"):
                name = str(part["study"].iloc[0])
                dash = "solid" if n == rows["params_total"].max() else "dot"
                _draw(figure, part, look[name], f"{name}, {format_si(n)} parameters", dash)
        ends.extend(shown)
        names = f": {', '.join(str(rows['study'].iloc[0]) for rows in group)}" if len(told) > 1 else ""
        plot = "places" if rank == 0 else f"places-{rank + 1}"
        plots.append(Plot(plot, f"Loss by place in the window, nats per token{names}", figure, _HEIGHT))
    every, worth = pd.concat(ends), [_worth(rows) for rows in ends if _gained(rows) > 0]
    return Panel(
        anchor=ANCHOR,
        claim=f"Context is worth {', '.join(worth)}" if worth else "Loss by place in the window",
        caption="The largest size of each study solid, its smallest dotted, each at its longest horizon; what context "
        f"is worth is the loss at the first place less that at the last ones{_easy(ends)}. {_READ}",
        plots=tuple(plots),
        legend=legend(look[str(name)] for name in every["study"].unique()),
        table=Table.of("places", "Loss by place in the window", _COLUMNS, every),
    )


def _top(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the places of the largest size, ascending."""
    part: pd.DataFrame = rows[rows["params_total"] == rows["params_total"].max()].sort_values("first")
    return part


def _gained(rows: pd.DataFrame) -> float:
    """Return the loss at the first place less that at the last ones, of the largest size."""
    losses = _top(rows)["loss_nats"]
    return float(losses.iloc[0] - losses.iloc[-1])


def _largest(rows: pd.DataFrame) -> str:
    """Say what context is worth to the largest size, where the first place is not the easiest."""
    part, gained = _top(rows), _gained(rows)
    first, last = part.iloc[0], part.iloc[-1]
    worth = f", context is worth {gained:.3g} nats" if gained > 0 else ""
    return (
        f"{format_si(float(part['params_total'].iloc[0]))} parameters{worth}: {first['loss_nats']:.3g} at the first "
        f"place, {last['loss_nats']:.3g} at places {last['first']:.0f} to {last['last']:.0f}"
    )


def _worth(rows: pd.DataFrame) -> str:
    part = _top(rows)
    params = format_si(float(part["params_total"].iloc[0]))
    return f"{_gained(rows):.3g} nats to {part['study'].iloc[0]} ({params} parameters)"


def _easy(ends: Sequence[pd.DataFrame]) -> str:
    """Say of which studies the first place tells nothing of context: least is open there."""
    names = [str(rows["study"].iloc[0]) for rows in ends if _gained(rows) <= 0]
    return f"; windows of {', '.join(names)} begin where least is open, so no worth is read there" if names else ""


def _canvas(rows: pd.DataFrame) -> Figure:
    return canvas(
        log_axis("Place in the window", _middle(rows), plain), log_axis("", rows["loss_nats"].astype(float), plain)
    )


def _draw(figure: Figure, rows: pd.DataFrame, style: Style, name: str, dash: str = "solid") -> None:
    hover = [
        words([name, f"places {r['first']:.0f} to {r['last']:.0f}: {r['loss_nats']:.4g} nats"])
        for r in rows.to_dict("records")
    ]
    line(figure, _middle(rows), rows["loss_nats"], style.colour, dash=dash, width=1.5, group=style.label)
    marks(figure, _middle(rows), rows["loss_nats"], style, hover, size=6)


def _middle(rows: pd.DataFrame) -> list[float]:
    return [math.sqrt(first * last) for first, last in zip(rows["first"], rows["last"], strict=True)]
