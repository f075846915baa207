"""Points from anyone's table: CSV, TSV, Parquet, JSON, JSONL, and the exports of trackers.

Columns are guessed from their names and the guess is shown; units, missing counts, overflown integers and copies are
found and told, with row numbers. Nothing is mended silently, and nothing that was not measured is filled in.

    >>> from scaling.tables import read_table
    >>> table = read_table("runs.csv", {"params": "Model Size"})  # doctest: +SKIP
    >>> table.points[["params_total", "tokens", "loss_nats"]]  # doctest: +SKIP
"""

from scaling.tables.lm_eval import is_lm_eval, read_lm_eval
from scaling.tables.read import read_table
from scaling.tables.table import Mapped, Problem, Table

__all__ = ["Mapped", "Problem", "Table", "is_lm_eval", "read_lm_eval", "read_table"]
