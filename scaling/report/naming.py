"""The name and unit of what a family measures, in place of "loss" and "nats" in sections where it measures no loss.

Figures and tables are written for losses in nats. A distance or a share of variance stands in the same place of every
law, so the sections are made as ever and renamed here. The loss that such a family is trained on is another quantity
and keeps its name.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from plotly.basedatatypes import BasePlotlyType

from scaling.findings import Finding
from scaling.report.decisions import Decision
from scaling.report.figures.oneruns import ANCHOR as RUNS
from scaling.report.look import Style
from scaling.report.panel import Choice, Panel, Plot, Table

_LOSS = re.compile(r"(?<![Tt]raining )(?<!discriminator )(?<!generator )(?:\b([Aa]) )?\b([Ll])oss(es)?\b")
_NATS = re.compile(r"(?<![\w-])nats\b(?! per (?!kWh))")
_DECIMALS = re.compile(r"\.4f(?=})")  # of a hover: a distance may have its first digit there
_SHOWN = ("text", "hovertext", "hovertemplate", "legendgroup")  # of a trace, an axis title or an annotation

_OUR_WORDS = ("rules", "fits", "sensitivity", "checklist")  # tables whose cells are written by the house

Rename = Callable[[str], str]


def renamer(quantity: str, unit: str) -> Rename:
    """Return what turns words about a loss in nats into words about ``quantity`` in ``unit``."""
    an = "an" if quantity[0] in "aeiou" else "a"

    def named(found: re.Match[str]) -> str:
        word = quantity + ("s" if found[3] else "")
        if found[2] == "L":
            word = word[:1].upper() + word[1:]
        article = "" if found[1] is None else f"{an.capitalize() if found[1] == 'A' else an} "
        return article + word

    def rename(text: str) -> str:
        return _DECIMALS.sub(".4~g", _NATS.sub(lambda _: unit, _LOSS.sub(named, text)))

    return rename


def finding(found: Finding, rename: Rename) -> Finding:
    """Return a finding, whose sentences name the quantity already, with its numbers named so too."""
    return replace(found, numbers={rename(name.replace("_", " ")): value for name, value in found.numbers.items()})


def decision(found: Decision, rename: Rename) -> Decision:
    """Return a decision that names the quantity."""
    return replace(found, sentences=tuple(map(rename, found.sentences)))


def panel(found: Panel, rename: Rename) -> Panel:
    """Return a panel that names the quantity in its claim, caption, drawings, legend and table."""
    if found.anchor == RUNS:  # the training loss itself
        return found
    return replace(
        found,
        claim=rename(found.claim),
        caption=rename(found.caption),
        plots=tuple(_plot(plot, rename) for plot in found.plots),
        legend=tuple(_style(style, rename) for style in found.legend),
        table=None if found.table is None else table(found.table, rename),
        missing=None if found.missing is None else rename(found.missing),
        notes=tuple(map(rename, found.notes)),
    )


def table(found: Table, rename: Rename) -> Table:
    """Return a table that names the quantity in its caption, headings and notes; keys stay, and what users named."""
    ours = found.name in _OUR_WORDS
    return replace(
        found,
        caption=rename(found.caption),
        columns=tuple(replace(c, heading=rename(c.heading)) for c in found.columns),
        summary=None if found.summary is None else table(found.summary, rename),
        rows=tuple(tuple(rename(c) if ours and isinstance(c, str) else c for c in row) for row in found.rows),
        note=rename(found.note),
        empty=rename(found.empty),
    )


def _style(style: Style, rename: Rename) -> Style:
    return replace(style, label=rename(style.label))


def _plot(plot: Plot, rename: Rename) -> Plot:
    for figure in plot.drawings().values():
        for part in (*figure.data, *figure.layout.annotations, figure.layout.xaxis.title, figure.layout.yaxis.title):
            _in_place(part, rename)
    choices = tuple(Choice(c.key, rename(c.label), c.figure) for c in plot.choices)
    return replace(plot, heading=rename(plot.heading), choices=choices)


def _in_place(part: BasePlotlyType, rename: Rename) -> None:
    for name in _SHOWN:
        said = getattr(part, name, None) if name in part else None
        if isinstance(said, str):
            setattr(part, name, rename(said))
        elif said is not None:
            setattr(part, name, [rename(str(text)) for text in said])
