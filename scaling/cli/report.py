"""``scaling report``: the report of a store or table as one HTML file."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.cli.source import ColumnOption, SourcesArgument, Steps, StepsOption, open_source

if TYPE_CHECKING:
    from scaling.report.material import Tariff


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
    region: Annotated[
        str | None, typer.Option("--region", metavar="PLACE", help="Also carbon: FRA, USA/virginia, gcp/us-central1.")
    ] = None,
    intensity: Annotated[float | None, typer.Option(help="Also carbon, at so many g CO2e per kWh.")] = None,
    price_per_gpu_hour: Annotated[
        float | None, typer.Option(min=0, help="Also money; default the sweep's limits.")
    ] = None,
    price_per_kwh: Annotated[float | None, typer.Option(min=0, help="Also money, of the measured energy.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Write the report of a sweep or table, or of several side by side, as one HTML file that works offline.

    Example:  scaling report runs/quickstart --open

    Example:  scaling report losses.csv --out losses.html

    Example:  scaling report runs/adamw runs/muon --out both.html
    """
    from scaling.cli.study import is_study

    tariff = _tariff(region, intensity, price_per_gpu_hour, price_per_kwh)
    if sources is not None and (len(sources) > 1 or is_study(sources[0])):
        path = _comparison(sources, out, column, steps, plotly, same_validation, tariff)
    else:
        path = _single(sources[0] if sources else None, out, column, steps, plotly, tariff)
    _tell(path, plotly, as_json)
    if show:
        _open(path)


def _single(
    source: Path | None, out: Path | None, column: list[str] | None, steps: Steps, plotly: Plotly, tariff: "Tariff"
) -> Path:
    from scaling.report import render

    store = open_source(source, column, steps)
    return render(store, _target(store.root, out), plotly.value, tariff=tariff)


def _tariff(region: str | None, intensity: float | None, per_gpu_hour: float | None, per_kwh: float | None) -> "Tariff":
    from scaling.cli.estimate_inputs import intensity as find_grid
    from scaling.report.material import Tariff

    return Tariff(per_gpu_hour=per_gpu_hour, per_kwh=per_kwh, intensity=find_grid(region, intensity))


def _tell(path: Path, plotly: Plotly, as_json: bool) -> None:
    from scaling.cli.output import print_json, stdout
    from scaling.units import format_bytes

    size = path.stat().st_size
    if as_json:
        print_json({"path": str(path), "bytes": size, "plotly": plotly.value})
    else:
        stdout().print(f"{path} ({format_bytes(size)})", markup=False, soft_wrap=True)


def _comparison(
    sources: list[Path],
    out: Path | None,
    column: list[str] | None,
    steps: Steps,
    plotly: Plotly,
    same: bool,
    tariff: "Tariff",
) -> Path:
    from scaling.answers import compare, side_of
    from scaling.cli.compare import distinct_names
    from scaling.cli.source import is_store
    from scaling.cli.study import spread, title
    from scaling.errors import UsageError
    from scaling.report import render_comparison
    from scaling.report.tables.cost import Account

    study = sources[0] if len(sources) == 1 else None
    sources = spread(sources)
    if out is None and study is not None:
        out = study / "report.html"
    if out is None:
        given = " ".join(map(str, sources))
        raise UsageError(
            "report.no_out",
            f"where should the report of {len(sources)} studies go?",
            why="it belongs to none of their folders",
            hint=f"scaling report {given} --out comparison.html",
        )
    names = distinct_names(sources)
    stores = [open_source(path, None if is_store(path) else column, steps) for path in sources]
    sides = [side_of(store, name, seed) for seed, (store, name) in enumerate(zip(stores, names, strict=True))]
    accounts = [Account.of(store, name, tariff) for store, name in zip(stores, names, strict=True)]
    found = compare(sides, same_validation=same)
    named = title(study) if study is not None else ""
    return render_comparison(found, _target(sources[0], out), plotly.value, accounts, title=named)


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
