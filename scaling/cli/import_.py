"""``scaling import``: a table or a tracker's folder as a store, with where every number came from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scaling.cli.source import ColumnOption, Steps, StepsOption, parse_columns, tell

if TYPE_CHECKING:
    from scaling.store.imported import Imported

FORMAT = 1  # version of the JSON document


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE", help="A table, a folder of a tracker's runs, or results of lm-evaluation-harness."
        ),
    ],
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
    from scaling.tables import is_lm_eval, read_lm_eval, read_table

    if is_lm_eval(source):
        found = read_lm_eval(source, parse_columns(column))
        write_imported(out, Imported.of(found.points, {**found.origin, "name": out.resolve().name}, found.abilities))
        _tell_scores(out, found, as_json)
        return
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


def _tell_scores(out: Path, found: "Imported", as_json: bool) -> None:
    """Say what was read from an evaluation harness."""
    from scaling.cli.output import print_json, say, stdout

    scores = found.abilities
    if as_json:
        print_json({"format": FORMAT, "store": str(out), "points": 0, "scores": len(scores), **found.origin})
        return
    for note in found.origin["notes"]:
        say(f"note: {note}")
    models, tasks = scores["trial"].nunique(), scores["probe"].nunique()
    stdout().print(f"{out}: {len(scores)} scores of {models} models on {tasks} tasks", markup=False, soft_wrap=True)
