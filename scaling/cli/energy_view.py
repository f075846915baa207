"""``scaling fit --energy``: what measured joules say, as lines and as a document."""

from typing import Any

from scaling.cli.fit import plain
from scaling.laws.analysis import Interval
from scaling.laws.isojoule import IsoJoule, JouleRow
from scaling.store.measured import SizeEfficiency
from scaling.units import format_energy, format_interval, format_si

FORMAT = 1


def document(name: object, store: str, found: IsoJoule) -> dict[str, Any]:
    """Return the JSON document; joules throughout, losses in their own unit."""
    parts = plain(found)
    assert isinstance(parts, dict)
    return {"format": FORMAT, "name": name, "store": store, **parts}


def lines(found: IsoJoule) -> list[str]:
    """Return efficiency by size, the frontier, and the best size of each energy."""
    return [
        f"{'parameters':>12}{'pJ per FLOP':>14}{'J per token':>14}{'tokens/s':>12}",
        *(_size(size) for size in found.sizes),
        *([] if found.eta is None else [f"energy grows as C^{_shown(found.eta)} over the sizes on the plateau"]),
        "",
        *_frontier(found),
        "",
        *_rows(found),
    ]


def _size(size: SizeEfficiency) -> str:
    assert size.j_per_flop is not None
    assert size.j_per_token is not None
    speed = "–" if size.tokens_per_s is None else format_si(size.tokens_per_s)
    low = "" if size.saturated else "  sub-saturated: out of the law of energy and of the optimum"
    pico = f"{size.j_per_flop * 1e12:.4g}"
    return f"{format_si(size.params):>12}{pico:>14}{size.j_per_token:>14.4g}{speed:>12}{low}"


def _frontier(found: IsoJoule) -> list[str]:
    best = [p for p in found.spent if p.frontier]
    head = f"Frontier of loss against energy: {len(best)} of {len(found.spent)} points"
    return [head, *(f"{format_energy(p.energy_j):>14}  loss {p.loss_nats:<8.4g}{p.label}" for p in best)]


def _rows(found: IsoJoule) -> list[str]:
    if not found.rows:
        return [f"No best size at fixed energy: {found.reason}"]
    head = f"{'GPU energy':>14}  {'best size':<30}{'compute-optimal size':<30}{'loss':<26}{'nats per kWh':<14}beyond"
    return [head, *(_row(row) for row in found.rows)]


def _row(row: JouleRow) -> str:
    beyond = f"{row.extrapolation_factor:.3g}x" if row.extrapolation_factor > 1 + 1e-9 else ""
    sizes = f"{_shown(row.params):<30}{_shown(row.params_compute):<30}"
    return f"{format_energy(row.energy_j):>14}  {sizes}{_shown(row.loss):<26}{row.per_kwh_nats.value:<14.3g}{beyond}"


def _shown(value: Interval) -> str:
    return format_interval(value.value, value.low, value.high)
