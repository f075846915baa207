"""The blocks of a sweep file, listed as cells: one model, one recipe, one seed, and how far to train.

A cell is still a wish: sizes are not built and horizons not counted in steps.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from scaling.spec.document import KeyPath, Problem
from scaling.spec.schema import SPECIAL_AXES, Axes, IsoFlop, Ladder, Listed, Scalar, SweepSpec
from scaling.units import Horizon, parse_count, parse_horizon

_SEED_LIMIT = 2**31

Block = Ladder | IsoFlop | Axes | Listed


@dataclass(frozen=True, slots=True)
class Wish:
    """A horizon that was asked for, and where."""

    horizon: Horizon
    path: KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One trial as asked for.

    Attributes:
        keys: dotted keys (``model.*``, ``train.*``) over the defaults of the sweep.
        places: dotted key, or ``size``, ``seed`` -> where it was given.
        size: total parameters, or ``None`` when model keys give the shape.
        seed: seed.
        wishes: how far to train.
        path: the block or item.
    """

    keys: Mapping[str, Scalar]
    places: Mapping[str, KeyPath]
    size: float | None
    seed: int
    wishes: tuple[Wish, ...]
    path: KeyPath


@dataclass(frozen=True, slots=True)
class _Row:
    """Values of one combination, before seeds are added."""

    values: Mapping[str, Scalar]
    places: Mapping[str, KeyPath]
    path: KeyPath


def count_cells(spec: SweepSpec) -> int:
    """Return how many cells the blocks list, without listing them."""
    return sum(_rows_in(block, path) * len(block.seeds) for path, block in _blocks(spec))


def list_cells(spec: SweepSpec) -> Iterator[Cell | Problem]:
    """List the cells of every block in the order of the file; what cannot be listed comes as its problem."""
    for path, block in _blocks(spec):
        problem = _misuse(block, path)
        if problem is not None:
            yield problem
            continue
        wishes = _wishes(block, path)
        for row, seed in itertools.product(_rows(block, path), block.seeds):
            yield _cell(row, seed, wishes)


def _blocks(spec: SweepSpec) -> Iterator[tuple[KeyPath, Block]]:
    for index, item in enumerate(spec.trials):
        for kind in type(item).model_fields:
            block = getattr(item, kind)
            if block is not None:
                yield ("trials", index, kind), block


def _rows_in(block: Block, path: KeyPath) -> int:
    if isinstance(block, Ladder | IsoFlop):
        return len(block.sizes)
    if isinstance(block, Listed):
        return len(block.items)
    lengths = [len(values) for values in block.axes.values()]
    return max(lengths) if path[-1] == "zip" else math.prod(lengths)


def _misuse(block: Block, path: KeyPath) -> Problem | None:
    if not block.seeds:
        return Problem((*path, "seeds"), "needs at least one seed")
    if isinstance(block, IsoFlop):
        given = (*path, "horizons")
        return Problem(given, "isoflop takes its horizons from budgets", at_key=True) if block.horizons else None
    if isinstance(block, Ladder):
        return None if block.horizons else Problem(path, 'missing key "horizons", such as [20x] or [1M, 2M]')
    if isinstance(block, Axes):
        empty = next((key for key, values in block.axes.items() if not values), None)
        if empty is not None:
            return Problem((*path, "axes", empty), f"the axis {empty} has no values")
        lengths = {key: len(values) for key, values in block.axes.items()}
        if path[-1] == "zip" and len(set(lengths.values())) > 1:
            told = ", ".join(f"{key} has {n}" for key, n in lengths.items())
            return Problem((*path, "axes"), f"zip pairs axes of equal length, but {told}; to cross them write grid")
    return None


def _wishes(block: Block, path: KeyPath) -> tuple[Wish, ...]:
    if isinstance(block, IsoFlop):
        return tuple(Wish(Horizon(b, "flops"), (*path, "budgets", i)) for i, b in enumerate(block.budgets))
    return tuple(Wish(horizon, (*path, "horizons", i)) for i, horizon in enumerate(block.horizons))


def _rows(block: Block, path: KeyPath) -> Iterable[_Row]:
    if isinstance(block, Ladder | IsoFlop):
        return [_size_row(size, (*path, "sizes", i)) for i, size in enumerate(block.sizes)]
    if isinstance(block, Listed):
        paths = [(*path, "items", i) for i in range(len(block.items))]
        return [_Row(item, {key: (*at, key) for key in item}, at) for at, item in zip(paths, block.items, strict=True)]
    return _axis_rows(block, path)


def _size_row(size: float | dict[str, Scalar], path: KeyPath) -> _Row:
    if isinstance(size, dict):
        return _Row(
            {f"model.{key}": value for key, value in size.items()},
            {f"model.{key}": (*path, key) for key in size},
            path,
        )
    return _Row({"size": size}, {"size": path}, path)


def _axis_rows(block: Axes, path: KeyPath) -> Iterator[_Row]:
    indexed = [[(key, i, value) for i, value in enumerate(values)] for key, values in block.axes.items()]
    combinations = zip(*indexed, strict=True) if path[-1] == "zip" else itertools.product(*indexed)
    for chosen in combinations:
        places: dict[str, KeyPath] = {key: (*path, "axes", key, i) for key, i, _ in chosen}
        yield _Row({key: value for key, _, value in chosen}, places, path)


def _cell(row: _Row, seed: int, wishes: tuple[Wish, ...]) -> Cell | Problem:
    values = dict(row.values)
    size, chosen, horizon = (values.pop(key, None) for key in SPECIAL_AXES)
    key = "size"
    try:
        params = None if size is None else parse_count(size)
        key = "horizon"
        if horizon is not None:
            wishes = (Wish(parse_horizon(horizon), row.places[key]),)
    except ValueError as error:
        return Problem(row.places[key], f"{key}: {error}")
    if chosen is not None:
        if isinstance(chosen, bool) or not isinstance(chosen, int) or not 0 <= chosen < _SEED_LIMIT:
            return Problem(row.places["seed"], f"a seed is a whole number from 0 to 2³¹ − 1, found {chosen!r}")
        seed = chosen
    if not wishes:
        return Problem(row.path, 'missing key "horizons", such as [20x] or [1M, 2M]')
    return Cell(keys=values, places=row.places, size=params, seed=seed, wishes=wishes, path=row.path)
