"""``scaling import``: a table or a tracker's folder as a store, with where every number came from."""

from pathlib import Path
from typing import Annotated

import typer

from scaling.cli.source import ColumnOption, Steps, StepsOption, parse_columns, tell

FORMAT = 1  # version of the JSON document


def command(
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="A table, or a folder of a tracker's runs.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The store to write, such as runs/NAME.")],
    column: ColumnOption = None,
    steps: StepsOption = Steps.LAST,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Keep someone's table as a store: its points, the file's fingerprint, which column was what, and what is wrong.

    Example:  scaling import losses.csv --out runs/losses
    """
    from scaling.cli.output import print_json, say, stdout
    from scaling.store.imported import Imported, write_imported
    from scaling.tables import read_table

    table = read_table(source, parse_columns(column), steps.value)
    tell(table)
    for problem in table.problems:
        say(f"warning: {problem}")
    found = Imported.of(table.points, {**table.to_json(), "name": out.resolve().name})
    write_imported(out, found)
    if as_json:
        print_json({"format": FORMAT, "store": str(out), "points": len(found.points), **found.origin})
    else:
        runs = found.points["trial"].nunique()
        stdout().print(f"{out}: {len(found.points)} points of {runs} runs", markup=False, soft_wrap=True)
