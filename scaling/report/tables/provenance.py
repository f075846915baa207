"""Where every energy and throughput figure comes from, and the environments they were taken in."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from scaling.report.groups import by_keys, texts
from scaling.report.material import Material
from scaling.report.panel import Column, Table
from scaling.units import format_energy, format_si

_HOST = {"energy_cpu_j": "CPU energy", "energy_ram_j": "RAM energy"}
RESOLUTION = {  # of the instruments, by provenance
    "measured_counter": "counter that steps about every 0.1 s, in mJ",
    "measured_rapl": "counter in µJ, read at both ends of the window",
    "measured_prorated": "that of the counter whose window it is a share of",
    "sampled_power": "one power reading every 0.1 s",
    "modelled_load": "one reading of the load every second",
    "modelled_constant": "none: a constant times the seconds",
}
_NOTE = (
    "Share of the run: of trials, their wall time over that of all trials that ended; of the whole machine, seconds "
    "metered over seconds in which trials ran; of throughput, its steady windows over all training steps. "
    "Resolution is the instrument’s, not the error of the figure."
)


def provenance(material: Material) -> Table:
    """Return where every energy and throughput figure comes from: measured, modelled or missing, and why."""
    columns = (
        Column("quantity", "Quantity"),
        Column("kind", "Kind"),
        Column("provenance", "How"),
        Column("trials", "Trials", "whole"),
        Column("total", "Total or range"),
        Column("resolution", "Resolution"),
        Column("share", "Share of the run", "percent"),
        Column("reason", "Note"),
    )
    rows = [
        row
        for name, label in (("gpu", "GPU"), ("cpu", "CPU"), ("ram", "RAM"))
        for row in _energy_rows(material.trials, name, label)
    ]
    rows += [
        r
        for n, label in (("tokens_per_s", "Throughput"), ("mfu", "MFU"))
        for r in _rate_rows(material.trials, n, label)
    ]
    return Table.of(
        "provenance", "Provenance of energy and throughput", columns, rows + _host_rows(material), note=_NOTE
    )


def _kind(how: str) -> str:
    return "missing" if how == "unavailable" else "modelled" if how.startswith("modelled") else "measured"


def _energy_rows(frame: pd.DataFrame, name: str, label: str) -> Iterable[dict[str, Any]]:
    how, why, joules = f"energy_{name}_provenance", f"energy_{name}_reason", f"energy_{name}_j"
    ended = texts(frame[frame[how].notna()], why, "")
    for (provenance_, reason), part in by_keys(ended, [how, why]):
        missing = provenance_ == "unavailable"
        yield {
            "quantity": f"{label} energy of the trials",
            "kind": _kind(provenance_),
            "provenance": provenance_.replace("_", " "),
            "trials": len(part),
            "total": None if part[joules].isna().all() else format_energy(float(part[joules].sum())),
            "resolution": RESOLUTION.get(provenance_),
            "share": None if missing else _share(part["wall_s"].sum(), ended["wall_s"].sum()),
            "reason": reason or None,
        }


def _share(part: float, whole: float) -> float | None:
    """Return a part of seconds over the whole; ``None`` where neither was recorded."""
    return float(part / whole) if part > 0 and whole > 0 else None


def _rate_rows(frame: pd.DataFrame, name: str, label: str) -> Iterable[dict[str, Any]]:
    ended = frame[frame["state"].isin(["done", "diverged"])]
    known, gone = ended[ended[name].notna()], ended[ended[name].isna()]
    if len(known):
        low, high = float(known[name].min()), float(known[name].max())
        yield {
            "quantity": label,
            "kind": "measured",
            "trials": len(known),
            "resolution": "clock in ns, read at every logged step",
            "share": _share(known["steady_s"].sum(), ended["seconds_train"].sum()) if "steady_s" in known else None,
            **_RATES[name](low, high),
        }
    for (reason,), part in by_keys(texts(gone, f"{name}_reason", "no reason recorded"), [f"{name}_reason"]):
        yield {"quantity": label, "kind": "missing", "provenance": "unavailable", "trials": len(part), "reason": reason}


def _throughput(low: float, high: float) -> dict[str, str]:
    return {"provenance": "own clock, steady window", "total": f"{format_si(low)} to {format_si(high)} tok/s"}


def _utilisation(low: float, high: float) -> dict[str, str]:
    return {"provenance": "own FLOPs and clock over the peak", "total": f"{100 * low:.3g} % to {100 * high:.3g} %"}


_RATES: dict[str, Callable[[float, float], dict[str, str]]] = {"tokens_per_s": _throughput, "mfu": _utilisation}


def _host_rows(material: Material) -> list[dict[str, Any]]:
    host = material.host or {}
    readings = {n: reading for n, reading in host.items() if isinstance(reading, Mapping) and "provenance" in reading}
    share = _host_share(material)
    return [
        {
            "quantity": f"{_HOST.get(name, name)} of the whole machine, all runs",
            "kind": _kind(str(reading["provenance"])),
            "provenance": str(reading["provenance"]).replace("_", " "),
            "total": None if reading["value"] is None else format_energy(float(reading["value"])),
            "resolution": RESOLUTION.get(str(reading["provenance"])),
            "share": None if reading["value"] is None else share,
            "reason": reading.get("reason"),
        }
        for name, reading in sorted(readings.items())
    ]


def _host_share(material: Material) -> float | None:
    """Return the seconds metered over those in which trials ran, where every metered run recorded both."""
    host = material.host or {}
    runs = [run.phases_s["train"] for run in material.timings if "train" in run.phases_s]
    if "seconds" not in host or len(runs) != host.get("runs", 1):
        return None
    return _share(float(host["seconds"]), sum(runs))


def environment(material: Material) -> Table:
    """Return the environments, flattened to dotted keys, one column each."""
    flat = [dict(_flatten(e)) for e in material.environments]
    keys = sorted({k for e in flat for k in e})
    columns = (
        Column("key", "What"),
        *(Column(f"e{i}", f"Environment {i + 1}" if len(flat) > 1 else "Value") for i in range(len(flat))),
    )
    rows = [{"key": k, **{f"e{i}": e.get(k) for i, e in enumerate(flat)}} for k in keys]
    return Table.of("environment", "Environment", columns, rows, empty="No trial has recorded its environment yet.")


def _flatten(value: object, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key in value:
            yield from _flatten(value[key], f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(v) for v in value)
    else:
        yield prefix, "missing" if value is None else str(value)
