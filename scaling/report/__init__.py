"""The report: one offline HTML file from a store. Answers first, every figure with its table."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaling.answers import Comparison
    from scaling.report.material import Material, Tariff
    from scaling.report.page import Page
    from scaling.report.tables.cost import Account
    from scaling.store.load import Store

__all__ = ["render", "render_comparison", "render_material"]

PlotlyMode = Literal["inline", "directory"]


def render(store: "Store", path: Path, plotly: PlotlyMode = "inline", *, tariff: "Tariff | None" = None) -> Path:
    """Analyse a store and write its report.

    Args:
        store: a loaded store; partial ones give a report that says what is missing.
        path: the HTML file to write; replaced at once when it is complete.
        plotly: ``inline`` puts plotly.js into the page (about 5 MB, one file); ``directory`` uses
            ``plotly.min.js`` beside the page, writing it where it is absent or different.
        tariff: prices and carbon intensity for the table of costs.

    Returns:
        The path written. The same store gives the same bytes.

    Raises:
        MachineError: the file cannot be written.
    """
    from scaling.report.gather import from_store

    return render_material(from_store(store, tariff=tariff), path, plotly)


def render_material(material: "Material", path: Path, plotly: PlotlyMode = "inline") -> Path:
    """Write the report of contents already gathered; see ``render``."""
    from scaling.report.page import page_of

    return _write(page_of(material), path, plotly)


def render_comparison(
    comparison: "Comparison",
    path: Path,
    plotly: PlotlyMode = "inline",
    accounts: "Sequence[Account]" = (),
    *,
    title: str = "",
) -> Path:
    """Write the report of several studies side by side; see ``render``.

    Args:
        comparison: from ``answers.compare``.
        path: the HTML file to write.
        plotly: where the drawing library lies.
        accounts: what each study booked, for a table of costs; none without.
        title: of the page; the names of the studies where there is none.
    """
    from scaling.report.several import page_of

    return _write(page_of(comparison, accounts, title), path, plotly)


def _write(page: "Page", path: Path, plotly: PlotlyMode) -> Path:
    from plotly.offline import get_plotlyjs

    from scaling.report.page import build, build_beside
    from scaling.report.write import place_library, write_page

    library = get_plotlyjs()
    text = build(page, library) if plotly == "inline" else build_beside(page, place_library(path, library))
    return write_page(path, text)
