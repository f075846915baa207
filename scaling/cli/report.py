"""``scaling report``: the report of a store or table as one HTML file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from scaling.cli.source import ColumnOption, SourcesArgument, Steps, StepsOption, open_source


class Plotly(StrEnum):
    """Where the drawing library lies."""

    INLINE = "inline"
    DIRECTORY = "directory"


def command(
    sources: SourcesArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write here; default report.html in the store; needed for a table or several."
        ),
    ] = None,
    column: ColumnOption = None,
    steps: StepsOption = Steps.LAST,
    plotly: Annotated[
        Plotly, typer.Option("--plotly", help="Put the drawing library into the page, or beside it (for many reports).")
    ] = Plotly.INLINE,
    same_validation: Annotated[
        bool,
        typer.Option("--same-validation", help="Of several: your word that losses were taken on the same text."),
    ] = False,
    show: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Write the report of a sweep or table, or of several side by side, as one HTML file that works offline.

    Example:  scaling report runs/quickstart --open

    Example:  scaling report losses.csv --out losses.html

    Example:  scaling report runs/adamw runs/muon --out both.html
    """
    from scaling.cli.output import print_json, stdout
    from scaling.report import render
    from scaling.units import format_bytes

    if sources is not None and len(sources) > 1:
        path = _comparison(sources, out, column, steps, plotly, same_validation)
    else:
        store = open_source(sources[0] if sources else None, column, steps)
        path = render(store, _target(store.root, out), plotly=plotly.value)
    size = path.stat().st_size
    if as_json:
        print_json({"path": str(path), "bytes": size, "plotly": plotly.value})
    else:
        stdout().print(f"{path} ({format_bytes(size)})", markup=False, soft_wrap=True)
    if show:
        _open(path)


def _comparison(
    sources: list[Path], out: Path | None, column: list[str] | None, steps: Steps, plotly: Plotly, same: bool
) -> Path:
    from scaling.answers import compare
    from scaling.cli.compare import distinct_names, open_side
    from scaling.errors import UsageError
    from scaling.report import render_comparison

    if out is None:
        given = " ".join(map(str, sources))
        raise UsageError(
            "report.no_out",
            f"where should the report of {len(sources)} studies go?",
            why="it belongs to none of their folders",
            hint=f"scaling report {given} --out comparison.html",
        )
    names = distinct_names(sources)
    pairs = enumerate(zip(sources, names, strict=True))
    sides = [open_side(path, name, seed, "total", 1000, column, steps) for seed, (path, name) in pairs]
    return render_comparison(compare(sides, same_validation=same), _target(sources[0], out), plotly.value)


def _target(root: Path, out: Path | None) -> Path:
    from scaling.errors import UsageError

    if out is None and root.is_dir() and any((root / n).exists() for n in ("sweep.json", "imported.json")):
        return root / "report.html"
    if out is None:
        raise UsageError(
            "report.no_out",
            f"where should the report of {root.name} go?",
            where=str(root),
            why="a table is someone's file, and nothing is written beside it unasked",
            hint=f"scaling report {root} --out {root.stem}.html",
        )
    if out.is_dir():
        raise UsageError("report.is_folder", f"{out} is a folder", hint=f"name the file: --out {out / 'report.html'}")
    return out


def _open(path: Path) -> None:
    import webbrowser

    from scaling.cli.output import say

    if not webbrowser.open(path.resolve().as_uri()):
        say(f"no browser could be started; open {path.resolve()}")
