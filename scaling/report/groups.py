"""Parts of a frame by one or two keys, with keys as the plain values that they are."""

from collections.abc import Iterator
from typing import Any

import pandas as pd


def by_number(frame: pd.DataFrame, column: str) -> Iterator[tuple[float, pd.DataFrame]]:
    """Yield the rows of each number in a column, smallest first."""
    for key, part in frame.groupby(column, sort=True):
        yield float(str(key)), part


def by_keys(frame: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Yield the rows of each combination of values, in order."""
    for key, part in frame.groupby(columns, sort=True):
        yield key if isinstance(key, tuple) else (key,), part


def texts(frame: pd.DataFrame, column: str, missing: str) -> pd.DataFrame:
    """Return the frame with a column as text, ``missing`` where there is none.

    A column without any text comes from the store as numbers, which pandas refuses to fill with words.
    """
    return frame.assign(**{column: [v if isinstance(v, str) else missing for v in frame[column]]})


def evenly(count: int, most: int) -> list[int]:
    """Return at most ``most`` of the indices 0 … count−1, evenly spread, with both ends."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / max(1, most - 1)) for i in range(most)})
