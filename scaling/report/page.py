"""Puts the page together: sections in order, embedded data, scripts with their hashes, one HTML string."""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from scaling import __version__
from scaling.findings import Finding
from scaling.laws.selection import LOSS, quantity_of
from scaling.report import naming, tables
from scaling.report.anchors import SECTIONS
from scaling.report.decisions import Decision, decisions
from scaling.report.figures import (
    abilities,
    beside,
    budget,
    choices,
    coverage,
    curves,
    energy,
    frontier,
    isoflop,
    isojoule,
    laws,
    oneruns,
    parameters,
    places,
    pressed,
    price,
    quality,
    returns,
    rollout,
    surface,
    system,
    transfer,
    trust,
)
from scaling.report.look import Look
from scaling.report.material import Material
from scaling.report.panel import Panel, Table
from scaling.report.prose import LEDES, Fact, SampleGroup, facts, identity, reservations, sample_groups
from scaling.report.runs import OneRun
from scaling.report.text import DIRECTION_CHANGES, brief, number, prose, signed, visible
from scaling.report.theme import CONFIG, TEMPLATE
from scaling.report.thin import keyed, thinned

_HERE = Path(__file__).parent / "templates"
_PACK_ABOVE = 100_000  # characters; below it the data can be read in the page's source
_SCRIPTS = ("data.js", "report.js", "tables.js", "budget.js")


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page: its anchor, heading, a line on how to read it, figures and tables."""

    id: str
    title: str
    lede: str
    panels: tuple[Panel, ...] = ()
    tables: tuple[Table, ...] = ()


def _judged(material: Material) -> quality.Judged:
    return quality.Judged(study="", points=material.points, trials=material.trials, metrics=material.metrics)


def sections(material: Material, look: Look) -> list[Section]:
    """Return every section in order; those without data hold panels that say what is missing."""
    panels: dict[str, tuple[Panel, ...]] = {
        "sec-budget": (budget.panel(material),),
        "sec-coverage": (coverage.panel(material),),
        "sec-trust": (
            trust.noise_panel(material, look),
            trust.heldout_panel(material),
            rollout.panel(material),
            trust.residual_panel(material, look),
        ),
        "sec-curves": (curves.panel(material, look),),
        "sec-laws": (
            laws.panel(material, look, "N"),
            laws.panel(material, look, "D"),
            beside.panel(material, look),
            *([] if (by_place := places.panel(material.places, look)) is None else [by_place]),
            *([] if material.choices is None else [choices.panel(material.choices)]),
        ),
        "sec-surface": (surface.panel(material, look), price.panel(material), parameters.panel(material)),
        "sec-frontier": (isoflop.panel(material, look), frontier.panel(material)),
        "sec-returns": (returns.panel(material),),
        "sec-system": (system.panel(material, look),),
        "sec-energy": (
            energy.panel(material),
            *isojoule.panels(material, look),
        ),
        "sec-samples": (quality.panel([_judged(material)], look),),
        "sec-abilities": (abilities.panel(material), abilities.loss_panel(material)),
        "sec-tuning": (transfer.panel(material, look), pressed.panel(material)),
        "sec-runs": (oneruns.panel(material, look), oneruns.power_panel(material)),
    }
    listed = {"sec-tables": tuple(tables.everything(material))}
    if material.ability_results:
        listed["sec-abilities"] = abilities.verdicts(material)
    if material.by_batch:
        listed["sec-laws"] = (beside.laws_table(material),)
    if material.tuning.runs:
        listed["sec-tuning"] = (pressed.laws_table(material),)
    return [
        Section(i, title, LEDES[i], tuple(keyed(thinned(p)) for p in panels.get(i, ())), listed.get(i, ()))
        for i, title in SECTIONS
    ]


def embed(value: object) -> Markup:
    """Return JSON that is safe inside a script element, whatever text it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    for char in "<>&\u2028\u2029" + DIRECTION_CHANGES:
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # every character with a meaning in HTML is escaped above


def pack(value: object) -> Markup:
    """Return JSON as ``embed`` does; where it is long, gzipped in base64, which the page's script unpacks."""
    text = embed(value)
    if len(text) < _PACK_ABOVE:
        return text
    squeezed = gzip.compress(text.encode(), compresslevel=9, mtime=0)  # no time inside: same data, same bytes
    return Markup("gzip:" + base64.b64encode(squeezed).decode())  # letters, digits, + / = only


def script_hash(script: str) -> str:
    """Return the Content-Security-Policy source that allows exactly this inline script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def policy(scripts: Sequence[str], *, beside: bool) -> str:
    """Return the page's Content-Security-Policy: nothing is loaded, only the page's own scripts run.

    Args:
        scripts: the inline scripts.
        beside: a plotly file lies beside the page (``file:`` for a page opened from disk).
    """
    sources = " ".join([*map(script_hash, scripts), *(["'self'", "file:"] if beside else [])])
    return (
        f"default-src 'none'; script-src {sources}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _figures(found: Sequence[Section]) -> dict[str, Any]:
    plots = [plot for section in found for panel in section.panels for plot in panel.plots]
    return {key: _plain(figure.to_plotly_json()) for plot in plots for key, figure in plot.drawings().items()}


def _plain(figure: Mapping[str, Any]) -> dict[str, Any]:
    layout = {k: v for k, v in figure["layout"].items() if k not in ("template", "meta")}
    return {"data": figure["data"], "layout": layout}


def _payloads(found: Sequence[Section]) -> dict[str, Any]:
    every = [p.table for s in found for p in s.panels if p.table] + [t for s in found for t in s.tables]
    return {t.name: t.payload() for t in every if t.rows}


def _grades(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    by_figure: dict[str, list[Finding]] = {}
    for finding in findings:
        by_figure.setdefault(finding.figure, []).append(finding)
    return by_figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the template prints: of one sweep, or of several side by side."""

    kicker: str
    title: str
    identity: Sequence[tuple[str, Sequence[str] | str]]
    facts: Sequence[Fact]
    findings: Sequence[Finding]
    reservations: Sequence[str]
    sections: Sequence[Section]
    look: Look
    sample_groups: Sequence[SampleGroup] = ()
    logs: Sequence[OneRun] = ()
    decisions: Sequence[Decision] = ()
    budget: Mapping[str, Any] | None = None
    badges: Mapping[str, str] = field(default_factory=dict)  # findings whose id does not say what they are about


def page_of(material: Material) -> Page:
    """Return the page of one sweep or table; where its family measures no loss, it names what is measured instead."""
    page, quantity = _page_of(material), quantity_of(material.points)
    return page if quantity == LOSS else _named(page, naming.renamer(quantity, material.unit))


def _page_of(material: Material) -> Page:
    look = Look.of(material.trials, material.points)
    return Page(
        kicker="Scaling report",
        title=material.title,
        identity=identity(material),
        facts=facts(material),
        findings=material.findings,
        reservations=reservations(material),
        sections=sections(material, look),
        look=look,
        sample_groups=sample_groups(material.samples, look),
        decisions=decisions(material),
        logs=[run for run in material.runs if run.log],
        budget=budget.payload(material),
    )


def _named(page: Page, rename: naming.Rename) -> Page:
    return replace(
        page,
        findings=[naming.finding(f, rename) for f in page.findings],
        badges={f.id: rename(f.id.replace("_", " ")) for f in page.findings},
        reservations=[rename(text) for text in page.reservations],
        decisions=[naming.decision(d, rename) for d in page.decisions],
        sections=[
            replace(
                section,
                title=rename(section.title),
                lede=rename(section.lede),
                panels=tuple(naming.panel(p, rename) for p in section.panels),
                tables=tuple(naming.table(t, rename) for t in section.tables),
            )
            for section in page.sections
        ],
    )


def build(page: Page, library: str | None) -> str:
    """Return the page as one string, with plotly.js inside (``None``: without it)."""
    return _render(page, library, None)


def build_beside(page: Page, source: str) -> str:
    """Return the page for a plotly file beside it, at the relative address ``source``."""
    return _render(page, None, source)


def _render(page: Page, library: str | None, source: str | None) -> str:
    anchors = [panel.anchor for section in page.sections for panel in section.panels]
    own = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "number": number, "prose": prose, "brief": brief, "signed": signed}
    environment.globals["zip"] = zip
    return environment.get_template("report.html.j2").render(
        page=page,
        version=__version__,
        grades=_grades(page.findings),
        numbers={anchor: i + 1 for i, anchor in enumerate(anchors)},
        policy=policy([own] if library is None else [own, library], beside=library is None),
        library=None if library is None else Markup(library),  # plotly's own file
        plotly_src=source,
        script=Markup(own),  # our own files
        css=Markup((_HERE / "style.css").read_text(encoding="utf-8")),  # our own file
        light=Markup(page.look.css(dark=False)),  # numbers only
        dark=Markup(page.look.css(dark=True)),  # numbers only
        figures=pack(_figures(page.sections)),
        payloads=pack(_payloads(page.sections)),
        budget=embed(page.budget),
        theme=embed({"template": TEMPLATE, "config": CONFIG}),
    )
