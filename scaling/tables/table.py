"""What reading a table yields: points, where each column came from, what was assumed, what is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.store import Store
from scaling.store.imported import Imported

_ROWS_NAMED = 8
_SIZES = {"total": "params", "non_embedding": "params_non_embedding", "matmul": "params_matmul"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Where the values of one field come from.

    Attributes:
        column: column of the table, or the rule or constant that stands for it.
        how: ``given`` (named by the user), ``guessed`` (from its name), ``constant`` or ``computed``.
        factor: what the column's numbers were multiplied by, because its name tells the unit.
    """

    column: str
    how: str
    factor: float = 1.0

    def __str__(self) -> str:
        scale = "" if self.factor == 1 else f" x {self.factor:g}"
        return f"{self.column}{scale} ({self.how})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong in the table, and what was done about it.

    Attributes:
        code: stable name, such as ``loss_not_positive``.
        what: a sentence, with what follows from it.
        rows: rows concerned, the first below the header being row 1; the first few of them.
        count: how many rows are concerned; 0 when it is about the table as a whole.
    """

    code: str
    what: str
    rows: tuple[int, ...] = ()
    count: int = 0

    @classmethod
    def at(cls, code: str, rows: Iterable[int], what: str) -> "Problem":
        """Return a problem of some rows."""
        every = [int(row) for row in rows]
        return cls(code=code, what=what, rows=tuple(every[:_ROWS_NAMED]), count=len(every))

    def __str__(self) -> str:
        if not self.count:
            return self.what
        named = ", ".join(map(str, self.rows))
        more = f" and {self.count - len(self.rows)} more" if self.count > len(self.rows) else ""
        return f"row{'s' if self.count > 1 else ''} {named}{more}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Points read from a file or folder that some other program wrote.

    Attributes:
        points: one row per point, in the columns of ``scaling.store.columns.POINTS``; what the table does not tell
            is missing.
        mapping: field (as in ``--column``) -> where it came from.
        notes: what was assumed or computed, a sentence each.
        problems: what is wrong, a sentence each.
        source: the file or folder.
        sha256: of its bytes (of all files read, in order, for a folder).
        kind: ``csv``, ``tsv``, ``parquet``, ``json``, ``jsonl``, ``wandb``, ``mlflow`` or ``tensorboard``.
    """

    points: pd.DataFrame
    mapping: Mapping[str, Mapped]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    source: Path
    sha256: str
    kind: str

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.source.resolve().stem

    @property
    def conventions(self) -> dict[str, str]:
        """How N, C and the loss are to be understood, in words, for every fit of these points."""
        sizes = {f"params_{count}": field for count, field in _SIZES.items() if field in self.mapping}
        return {
            **{name: f"from the table: {self.mapping[field]}" for name, field in sizes.items()},
            "flops": f"from the table: {self.mapping['flops']}",
            "loss_unit": f"from the table: {self.mapping['loss']}, taken as nats per token",
            "points": f"rows of {self.source.name}, annealed or not as its author left them",
        }

    def as_store(self) -> Store:
        """Return the points as an imported store that is not on disk."""
        imported = Imported.of(self.points, self.to_json())
        return Store.of_imported(self.source, imported, imported.warnings)

    def to_json(self) -> dict[str, Any]:
        """Return where the points come from, as plain JSON: what an imported store keeps of its source."""
        return {
            "name": self.name,
            "source": {"file": self.source.name, "sha256": self.sha256, "kind": self.kind},
            "mapping": {f: {"column": m.column, "how": m.how, "factor": m.factor} for f, m in self.mapping.items()},
            "conventions": self.conventions,
            "notes": list(self.notes),
            "problems": [
                {"code": p.code, "what": str(p), "rows": list(p.rows), "count": p.count} for p in self.problems
            ],
        }
