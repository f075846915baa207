"""The page of one measured command: joules with their provenance, and power, processors and memory over time.

Drawn from the document of ``scaling measure --json`` alone, so that a saved document gives the same page.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scaling import __version__
from scaling.provenance import Provenance
from scaling.report.axes import linear_axis
from scaling.report.draw import Figure, canvas, line
from scaling.report.look import COMPONENTS, Look, Style, legend
from scaling.report.page import embed, policy
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.text import brief, number, prose, signed, visible
from scaling.report.theme import CONFIG, TEMPLATE
from scaling.units import format_bytes, format_duration, format_energy

_HERE = Path(__file__).parent / "templates"
_SCRIPTS = ("data.js", "report.js")
_BOARDS = ("var(--c-blue)", "var(--c-purple)", "var(--c-orange)", "var(--c-green)")
Trace = Sequence[tuple[float, float]]


def power_traces(document: Mapping[str, Any]) -> dict[str, Trace]:
    """Return measured power over time, (seconds, watts), by device; devices without a sensor are left out."""
    traces: dict[str, Trace] = {
        f"{board['name']} {index}": [(t, w) for t, w in board["power_w"]]
        for index, board in enumerate(document["gpus"])
        if board["power_w"]
    }
    cpu = [(look["time_s"], look["cpu_w"]) for look in document["trace"] if look["cpu_w"] is not None]
    return traces | ({"CPU packages": cpu} if cpu else {})


def power_panel(document: Mapping[str, Any]) -> Panel:
    """Return power against time, or why no device here tells its power."""
    traces = power_traces(document)
    claim = "Power over the command"
    if not traces:
        reasons = "; ".join(
            str(document[f"energy_{part}_j"]["reason"])
            for part in ("gpu", "cpu")
            if not _measured(document[f"energy_{part}_j"])
        )
        return absent("fig-power", claim, f"no device of this machine told its power ({reasons})")
    styles = [_style(name, i) for i, name in enumerate(traces)]
    figure = canvas(linear_axis(title={"text": "Seconds"}), linear_axis(title={"text": "Watts"}, rangemode="tozero"))
    for style, trace in zip(styles, traces.values(), strict=True):
        across, up = zip(*trace, strict=True)
        line(figure, across, up, style.colour, dash=style.dash, group=style.label, hover="%{x:.1f} s, %{y:.1f} W")
    rows = [{"device": n, "time_s": t, "power_w": w} for n, trace in traces.items() for t, w in trace]
    columns = [Column("device", "Device"), Column("time_s", "Seconds", "number"), Column("power_w", "Watts", "number")]
    return Panel(
        anchor="fig-power",
        claim=claim,
        caption="Samples of each device’s own sensor. The joules above come from its counter where it has one, not "
        "from these samples.",
        plots=(Plot("power", "Power, watts", figure, 320),),
        legend=legend(styles),
        table=Table.of("power", "Power over time", columns, rows),
    )


def load_panel(document: Mapping[str, Any]) -> Panel:
    """Return processors and memory of the command against time."""
    looks = document["trace"]
    claim = "Processors and memory of the command"
    if not looks:
        return absent("fig-load", claim, "the command ended before the first look at it")
    columns = [
        Column("time_s", "Seconds", "number"),
        Column("cores", "Processors in use", "number"),
        Column("memory_bytes", "Memory", "bytes"),
    ]
    return Panel(
        anchor="fig-load",
        claim=claim,
        caption="Measured over the command and its children, by the operating system.",
        plots=(
            Plot("cores", "Processors in use", _over_time(looks, "cores", 1.0, "processors"), 260),
            Plot("memory", "Memory, GiB", _over_time(looks, "memory_bytes", 2.0**30, "GiB"), 260),
        ),
        table=Table.of("load", "Processors and memory over time", columns, looks),
    )


def _over_time(looks: Sequence[Mapping[str, Any]], key: str, unit: float, word: str) -> Figure:
    figure = canvas(linear_axis(title={"text": "Seconds"}), linear_axis(title={"text": ""}, rangemode="tozero"))
    across, up = [look["time_s"] for look in looks], [look[key] / unit for look in looks]
    line(figure, across, up, "var(--c-blue)", hover=f"%{{x:.1f}} s, %{{y:.3g}} {word}")
    return figure


def _style(name: str, index: int) -> Style:
    if name == "CPU packages":
        return Style(name, COMPONENTS["cpu"].colour, "", "dash")
    return Style(name, _BOARDS[index % len(_BOARDS)], "")


def _measured(reading: Mapping[str, Any]) -> bool:
    return Provenance(reading["provenance"]).measured


def energy_table(document: Mapping[str, Any]) -> Table:
    """Return joules by component, each with its provenance; what is missing says why."""
    rows = [_energy_row(part, style.label, document[f"energy_{part}_j"]) for part, style in COMPONENTS.items()]
    rows += [_energy_row("", f"{b['name']} {i}", b["energy_j"], b["notes"]) for i, b in enumerate(document["gpus"])]
    columns = [
        Column("part", "Component"),
        Column("energy_j", "Energy", "energy"),
        Column("how", "Provenance"),
        Column("note", "Note"),
    ]
    return Table.of("energy", "Energy by component", columns, rows)


def _energy_row(part: str, label: str, reading: Mapping[str, Any], notes: Sequence[str] = ()) -> dict[str, Any]:
    shared = ["shared with other processes: an upper bound"] if reading["shared"] else []
    return {
        "part": f"all {label}s" if part == "gpu" else label,
        "energy_j": reading["value"],
        "how": str(reading["provenance"]).replace("_", " "),
        "note": "; ".join([*([reading["reason"]] if reading["reason"] else []), *shared, *notes]),
    }


def facts(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the strip at the top: name, value, note."""
    measured = document["measured_j"]
    carbon = document["carbon"]
    return [
        ("Energy", "missing" if measured is None else format_energy(measured), "measured parts alone"),
        ("Wall time", format_duration(document["seconds"]), document["started"]),
        ("Exit code", str(document["exit_code"]), ""),
        ("Processor time", format_duration(document["cpu_s"]), ""),
        ("Memory", format_bytes(document["memory_peak_bytes"]), "at most"),
        *([] if carbon["g_co2e"] is None else [("Carbon", f"{carbon['g_co2e']:.3g} g CO2e", str(carbon["place"]))]),
    ]


def render_measured(document: Mapping[str, Any]) -> str:
    """Return the page as one string with plotly inside; it loads nothing.

    Args:
        document: as ``scaling measure --json`` prints it.
    """
    from plotly.offline import get_plotlyjs

    panels, table, look = [power_panel(document), load_panel(document)], energy_table(document), Look(())
    plots = {plot.id: plot.figure.to_plotly_json() for panel in panels for plot in panel.plots}
    figures = {
        name: {"data": f["data"], "layout": {k: v for k, v in f["layout"].items() if k != "template"}}
        for name, f in plots.items()
    }
    tables = [table, *(panel.table for panel in panels if panel.table is not None)]
    own = "".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    library = get_plotlyjs()
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "number": number, "prose": prose, "brief": brief, "signed": signed}
    environment.globals["zip"] = zip
    return environment.get_template("measure.html.j2").render(
        command=" ".join(document["command"]),
        version=__version__,
        facts=facts(document),
        host=document["host"],
        panels=panels,
        table=table,
        policy=policy([own, library], beside=False),
        library=Markup(library),  # plotly's own file
        script=Markup(own),  # our own file
        css=Markup((_HERE / "style.css").read_text(encoding="utf-8")),  # our own file
        light=Markup(look.css(dark=False)),  # numbers only
        dark=Markup(look.css(dark=True)),  # numbers only
        figures=embed(figures),
        payloads=embed({t.name: t.payload() for t in tables}),
        theme=embed({"template": TEMPLATE, "config": CONFIG}),
    )
