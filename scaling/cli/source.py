"""Where results come from: a store, a table or a tracker's folder, opened the same way by every command that reads."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scaling.store import Store
    from scaling.tables import Table


class Steps(StrEnum):
    """Which logged steps of a run become points."""

    LAST = "last"
    ALL = "all"


SourceArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="STORE_OR_TABLE",
        help="A store (the newest under runs/ by default), a CSV, TSV, Parquet, JSON or JSONL table, or a folder of "
        "W&B, MLflow or TensorBoard runs.",
    ),
]
SourcesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="STORE_OR_TABLE…",
        help="A store (the newest under runs/ by default) or a table, as for `fit`; several are laid side by side.",
    ),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=NAME",
        help='Which column of a table is what, such as params="Model Size" or tokens="tokens (B)*1e9"; repeatable.',
    ),
]
StepsOption = Annotated[
    Steps, typer.Option("--steps", help="Of runs logged step by step: the last loss of each, or all.")
]


def open_source(source: Path | None, column: list[str] | None, steps: Steps) -> "Store":
    """Open a store or read a table, and tell on stderr how it was read and what is wrong with it.

    A number from a store with a damaged record would be one that nobody asked for: such a store is refused.

    Raises:
        UsageError: there is nothing there that can be read, a record is damaged, or ``--column`` is given for a store.
        NotEnoughData: a table without rows.
    """
    from scaling.cli.output import say
    from scaling.cli.status import newest_store
    from scaling.cli.study import whole_sweep
    from scaling.errors import UsageError
    from scaling.store import load

    path = whole_sweep(source) if source is not None else newest_store()
    if is_store(path):
        if column:
            raise UsageError("source.columns", f"{path} is a store; --column is for tables", hint="leave --column out")
        store = load(path)
    else:
        store = _read(path, parse_columns(column), steps)
    for warning in store.warnings:
        say(f"warning: {warning}")
    return whole(store)


def _read(path: Path, columns: dict[str, str], steps: Steps) -> "Store":
    """Read what some other program wrote, and tell on stderr how."""
    from scaling.cli.output import say
    from scaling.store import Store
    from scaling.tables import is_lm_eval, read_lm_eval, read_table

    if is_lm_eval(path):
        scores = read_lm_eval(path, columns)
        for note in scores.origin["notes"]:
            say(f"note: {note}")
        return Store.of_imported(path, scores, scores.warnings)
    table = read_table(path, columns, steps.value)
    tell(table)
    return table.as_store()


def whole(store: "Store") -> "Store":
    """Return the store itself. Raises the first ``ScalingError`` of a record that could not be read."""
    if store.damage:
        raise store.damage[0]
    return store


def is_store(path: Path) -> bool:
    """Return whether a path is to be loaded as a store: it is one, or nothing that a table could be."""
    if path.is_dir():
        return any((path / name).exists() for name in ("sweep.json", "imported.json", "trials"))
    return not path.exists() and not path.suffix


def parse_columns(column: list[str] | None) -> dict[str, str]:
    """Return ``FIELD=NAME`` options as a mapping. Raises ``UsageError``."""
    from scaling.errors import UsageError

    pairs = [text.partition("=") for text in column or []]
    for field, sign, name in pairs:
        if not (field.strip() and sign and name.strip()):
            raise UsageError(
                "source.columns",
                f"--column {field}{sign}{name} is not FIELD=NAME",
                hint='write, for example, --column params="Model Size"',
            )
    return {field.strip(): name.strip() for field, _, name in pairs}


def tell(table: "Table") -> None:
    """Say on stderr which column was taken for what, and what was assumed; problems come as the store's warnings."""
    from scaling.cli.output import say

    say(f"{table.source}: {len(table.points)} points ({table.kind})")
    for field, mapped in table.mapping.items():
        say(f"  {field} <- {mapped}")
    for note in table.notes:
        say(f"note: {note}")
