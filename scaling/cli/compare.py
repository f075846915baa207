"""``scaling compare``: two or more studies side by side: set-up, laws, and which is ahead from what scale on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli.fit import ParamCount, plain
from scaling.cli.source import ColumnOption, Steps, StepsOption, open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table
    from rich.text import Text

    from scaling.answers import Comparison, Side
    from scaling.answers.compare import Pair
    from scaling.findings import Finding
    from scaling.laws import Interval

FORMAT = 1  # version of the JSON document


def command(
    sources: Annotated[list[Path], typer.Argument(metavar="A B [C…]", help="Stores or tables, two or more.")],
    same_validation: Annotated[
        bool,
        typer.Option("--same-validation", help="Your word that tables' losses were taken on the same validation set."),
    ] = False,
    param_count: Annotated[ParamCount, typer.Option(help="Which parameters are N.")] = ParamCount.TOTAL,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples by trial; 0 for no intervals.")] = 1000,
    column: ColumnOption = None,
    steps: StepsOption = Steps.LAST,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare studies: what differs in their set-up, whether their exponents differ, and which is ahead where.

    Example:  scaling compare runs/adamw runs/muon

    Losses and exponents are compared only where the validation set is the same.
    """
    from scaling.answers import compare
    from scaling.cli.output import print_json
    from scaling.cli.study import spread
    from scaling.errors import UsageError

    sources = spread(sources)
    if len(sources) < 2:
        raise UsageError("compare.one", "one study has nothing to be compared with", hint="scaling compare A B")
    names = distinct_names(sources)
    studies = [
        open_side(path, name, seed, param_count.value, resamples, column, steps)
        for seed, (path, name) in enumerate(zip(sources, names, strict=True))
    ]
    laws = [law for _, law in studies]
    found = compare([side for side, _ in studies], same_validation=same_validation)
    if as_json:
        print_json(document(found, sources, laws))
    else:
        show(found, laws)


def distinct_names(sources: list[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart; the same path twice is told by its place."""
    parts = [path.resolve().with_suffix("").parts if path.is_file() else path.resolve().parts for path in sources]
    depth = 1
    while depth < max(map(len, parts)) and len({p[-depth:] for p in parts}) < len({*parts}):
        depth += 1
    names = ["/".join(p[-depth:]) for p in parts]
    return [name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, start=1)]


def open_side(
    path: Path, name: str, seed: int, params: str, resamples: int, column: list[str] | None, steps: Steps
) -> tuple["Side", "Finding"]:
    """Open a store or table as one side, with the finding on its law; ``--column`` is for the tables among several."""
    from scaling.answers import side_of
    from scaling.cli.source import is_store
    from scaling.findings import law_finding

    store = open_source(path, None if is_store(path) else column, steps)
    side = side_of(store, name, seed, params=params, resamples=resamples)
    return side, law_finding(side.analysis, store.points())


def document(found: "Comparison", sources: list[Path], laws: "Sequence[Finding]") -> dict[str, Any]:
    """Return the comparison as one JSON document; bootstrap draws are left out."""
    return {
        "format": FORMAT,
        "sides": [
            {
                "name": side.name,
                "store": str(path),
                "setup": plain(dict(side.setup)),
                "fits": plain(side.analysis.fits),
                "missing": plain(side.analysis.missing),
                "finding": plain(law),
            }
            for side, path, law in zip(found.sides, sources, laws, strict=True)
        ],
        "differing": plain(dict(found.differing)),
        "same": plain(found.same),
        "untold": plain(found.untold),
        "pairs": [plain(pair) for pair in found.pairs],
    }


def show(found: "Comparison", laws: "Sequence[Finding]") -> None:
    """Print each study's law, graded, and the comparison, for people."""
    from scaling.cli.output import stdout

    console = stdout()
    for side, law in zip(found.sides, laws, strict=True):
        console.print(f"{side.name}: [{law.grade}] {law.sentence}", markup=False, soft_wrap=True)
    console.print()
    console.print(setup_table(found))
    console.print(f"the same: {', '.join(found.same) or 'nothing'}", markup=False, soft_wrap=True)
    if found.untold:
        console.print(f"told by none: {', '.join(found.untold)}", markup=False, soft_wrap=True)
    for pair in found.pairs:
        console.print()
        console.print(f"{pair.left} and {pair.right}", style="bold", markup=False, soft_wrap=True)
        if pair.differences:
            console.print(exponent_table(pair))
        for text in dict.fromkeys([*filter(None, [pair.why_no_differences]), pair.verdict]):
            console.print(text, markup=False, soft_wrap=True)


def setup_table(found: "Comparison") -> "Table":
    """Return what differs in the set-up, a column for each study."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("set-up that differs", no_wrap=True)
    for side in found.sides:
        table.add_column(Text(side.name), overflow="fold")
    for key, values in found.differing.items():
        table.add_row(key, *(Text(_short(value)) for value in values))
    return table


def _short(text: str) -> str:
    """Cut fingerprints to what tells them apart."""
    import re

    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b", r"\1…", text)


def exponent_table(pair: "Pair") -> "Table":
    """Return the exponents of both studies and whether they differ."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("law", "exponent", pair.left, pair.right, "difference", ""):
        table.add_column(Text(name), overflow="fold")
    for row in pair.differences:
        word = {True: "differ", False: "no difference seen", None: "no interval"}[row.differ]
        table.add_row(row.law, row.parameter, _text(row.left), _text(row.right), _text(row.difference), word)
    return table


def _text(interval: "Interval") -> "Text":
    from rich.text import Text

    from scaling.units import format_interval

    return Text(format_interval(interval.value, interval.low, interval.high))
