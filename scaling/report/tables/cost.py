"""What the sweep cost by what became of its trials: time, FLOPs, joules, money and carbon, each known or missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from scaling.provenance import Reading
from scaling.report.figures.energy import is_measured
from scaling.report.material import Sample, Tariff
from scaling.report.panel import Column, Table
from scaling.store import Store
from scaling.store.columns import METRICS, PLACES

ENDS: Mapping[str, tuple[str, ...]] = {
    "results: finished trials": ("done",),
    "diverged: a result without a point": ("diverged",),
    "lost: failed or interrupted": ("failed", "interrupted"),
    "orphaned: no longer in the sweep": ("orphaned",),
}
_ADDED = ("wall_s", "gpu_s", "flops", "measured_j", "modelled_j")
_J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """One line of the bill; ``None`` is not known.

    Attributes:
        what: what it was spent on.
        trials: how many trials.
        wall_s: slot time.
        gpu_s: seconds of one GPU.
        flops: training FLOPs.
        measured_j, modelled_j: joules by a counter or sensor, and by a model.
        notes: what to know to read the line.
    """

    what: str
    trials: int | None = None
    wall_s: float | None = None
    gpu_s: float | None = None
    flops: float | None = None
    measured_j: float | None = None
    modelled_j: float | None = None
    notes: tuple[str, ...] = field(default=())

    def carbon_g(self, tariff: Tariff) -> float | None:
        """Grams of CO2e of the measured joules, of the modelled ones where none was measured."""
        joules = self.modelled_j if self.measured_j is None else self.measured_j
        return None if tariff.intensity is None or joules is None else joules / _J_PER_KWH * tariff.intensity.g_per_kwh

    def money(self, tariff: Tariff) -> float | None:
        """The price of the GPU-hours and of the measured joules; ``None`` where a priced part is not known."""
        parts = [(tariff.per_gpu_hour, self.gpu_s, 3600.0), (tariff.per_kwh, self.measured_j, _J_PER_KWH)]
        priced = [(price, used, unit) for price, used, unit in parts if price is not None]
        if not priced or any(used is None for _, used, _ in priced):
            return None
        return sum(price * used / unit for price, used, unit in priced if used is not None)


class Booked(Protocol):
    """What a bill is made from, as a report's ``Material`` and a compared study's ``Account`` hold it."""

    @property
    def every_trial(self) -> pd.DataFrame: ...  # noqa: D102  # as in Material

    @property
    def attempts(self) -> pd.DataFrame: ...  # noqa: D102

    @property
    def points(self) -> pd.DataFrame: ...  # noqa: D102

    @property
    def tuned(self) -> pd.DataFrame: ...  # noqa: D102

    @property
    def first(self) -> pd.DataFrame: ...  # noqa: D102

    @property
    def host(self) -> Mapping[str, Any] | None: ...  # noqa: D102

    @property
    def tariff(self) -> Tariff: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one of several studies booked and made; the fields are those of ``Material``, and its name."""

    name: str
    every_trial: pd.DataFrame
    attempts: pd.DataFrame
    points: pd.DataFrame
    tuned: pd.DataFrame
    host: Mapping[str, Any] | None
    tariff: Tariff
    samples: Sequence[Sample] = ()
    metrics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*METRICS]))
    first: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["trial", "flops_train"]))
    places: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*PLACES]))

    @classmethod
    def of(cls, store: Store, name: str, tariff: Tariff) -> "Account":
        """Return what a store booked; its sweep's own prices stand in for those that are not given."""
        return cls(
            name=name,
            every_trial=store.trials(stage=None),
            attempts=store.attempts(),
            points=store.points(),
            tuned=store.tuned(),
            host=store.host,
            tariff=tariff.with_prices_of(store.sweep),
            samples=list(store.samples().itertuples(index=False, name=None)),
            metrics=store.metrics(),
            first=store.points(stage="before"),
            places=store.places(),
        )


def cost(booked: Booked) -> Table:
    """Return one row per outcome, one for attempts that were repeated, and one for the rest of the machine."""
    tariff = booked.tariff
    lines = list(_lines(booked))
    total = sum(line.wall_s or 0.0 for line in lines)
    columns = (
        Column("what", "Spent on"),
        Column("trials", "Trials", "whole"),
        Column("wall_s", "Slot time in trials", "seconds"),
        Column("share", "Share of it", "percent"),
        Column("gpu_s", "GPU time", "seconds"),
        Column("flops", "Training FLOPs", "flops"),
        Column("measured_j", "Energy, measured", "energy"),
        Column("modelled_j", "Energy, modelled", "energy"),
        Column("carbon_g", "Carbon (CO2e)", "mass"),
        Column("money", f"Money ({tariff.currency})", "number"),
        Column("note", "Note"),
    )
    rows = [_row(line, tariff, total) for line in lines]
    empty = "No trial has ended: nothing is known."
    caption = "What the sweep cost, by what came of it"
    return Table.of("cost", caption, columns, rows, empty=empty, note=_said(tariff))


def compared(accounts: Sequence[Account]) -> Table:
    """Return what each of several studies cost as a whole, with what its part that is not known is."""
    columns = (
        Column("study", "Study"),
        Column("trials", "Trials", "whole"),
        Column("wall_s", "Slot time in trials", "seconds"),
        Column("gpu_s", "GPU time", "seconds"),
        Column("flops", "Training FLOPs", "flops"),
        Column("measured_j", "Energy, measured", "energy"),
        Column("modelled_j", "Energy, modelled", "energy"),
        Column("carbon_g", "Carbon (CO2e)", "mass"),
        Column("money", "Money"),
        Column("note", "Note"),
    )
    rows = [_whole(account) for account in accounts]
    said = dict.fromkeys(_said(account.tariff) for account in accounts)
    return Table.of("cost", "What the studies cost", columns, rows, note=" ".join(said))


def _whole(account: Account) -> dict[str, Any]:
    lines, tariff = list(_lines(account)), account.tariff
    totals = {name: _added(getattr(line, name) for line in lines) for name in _ADDED}
    carbon = [line.carbon_g(tariff) for line in lines]
    money = [line.money(tariff) for line in lines if line.wall_s or line.measured_j]
    paid = _added(money)
    notes = [
        *([] if lines else ["nothing tells its time or energy"]),
        *(["carbon of modelled joules in part"] if _added(carbon) and any(n.measured_j is None for n in lines) else []),
        *(["money of some of it is not known"] if paid is not None and None in money else []),
    ]
    return {
        "study": account.name,
        "trials": len(account.every_trial),
        **totals,
        "carbon_g": _added(carbon),
        "money": None if paid is None else f"{paid:.4g} {tariff.currency}",
        "note": "; ".join(notes) or None,
    }


def _added(values: Iterable[float | None]) -> float | None:
    """Add up what is known; ``None`` where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _row(line: Spent, tariff: Tariff, total: float) -> dict[str, Any]:
    carbon = line.carbon_g(tariff)
    of_model = carbon is not None and line.measured_j is None
    return {
        **{name: getattr(line, name) for name in ("what", "trials", "wall_s", "gpu_s", "flops")},
        "measured_j": line.measured_j,
        "modelled_j": line.modelled_j,
        "share": line.wall_s / total if total and line.wall_s is not None else None,
        "carbon_g": carbon,
        "money": line.money(tariff),
        "note": "; ".join([*line.notes, *(["carbon of modelled joules"] if of_model else [])]) or None,
    }


def _said(tariff: Tariff) -> str:
    """Say what money and carbon rest on, or what they need."""
    place = tariff.intensity
    if place is None:
        carbon = "Carbon is missing: where did it run? scaling report --region FRA, or --intensity G."
    else:
        year = "" if place.year is None else f", {place.year}"
        carbon = f"Carbon: {place.g_per_kwh:.3g} g per kWh, {place.place}{year} ({place.basis}; {place.source})."
    prices = [
        f"{price:g} {tariff.currency} per {unit}"
        for price, unit in ((tariff.per_gpu_hour, "GPU-hour"), (tariff.per_kwh, "measured kWh"))
        if price is not None
    ]
    needs = "scaling report --price-per-gpu-hour P or --price-per-kwh P, or the sweep's limits"
    money = f"Money: {' and '.join(prices)}." if prices else f"Money is missing, it needs a price: {needs}."
    return f"{carbon} {money}"


def _lines(booked: Booked) -> Iterator[Spent]:
    frame = booked.every_trial
    told = ["wall_s", *(f"energy_{name}_j" for name in ("gpu", "cpu", "ram"))]
    if frame.reindex(columns=told).isna().all(axis=None) and booked.attempts.empty:
        return
    last = booked.attempts.sort_values("attempt").drop_duplicates("trial", keep="last")
    machine = list(_host(booked.host))
    frames = [f[["trial", "flops_train"]] for f in (booked.first, booked.points, booked.tuned) if len(f)]
    flops = pd.concat(frames) if frames else booked.points
    components = ("gpu",) if machine else ("gpu", "cpu", "ram")  # the machine's own meter holds the trials' part
    for what, states in ENDS.items():
        part = frame[frame["state"].isin(states)]
        if len(part):
            yield _outcome(what, part, components, last.set_index("trial"), flops)
    earlier = booked.attempts[~booked.attempts.index.isin(last.index)]
    if len(earlier):
        yield Spent(
            what="repeated: earlier attempts of the same trials",
            trials=int(earlier["trial"].nunique()),
            wall_s=float(earlier["seconds"].sum()),
            gpu_s=_gpu_s(earlier),
            measured_j=_sum(earlier["energy_gpu_j"]),
        )
    yield from machine


def _outcome(
    what: str, part: pd.DataFrame, components: tuple[str, ...], booked: pd.DataFrame, points: pd.DataFrame
) -> Spent:
    """Time and joules of the attempt that ended each trial; what has no end record, as its supervisor booked it."""
    flops = points.groupby("trial")["flops_train"].max() if len(points) else pd.Series(dtype=float)
    supervised = booked.reindex(part["trial"])
    wall = part["wall_s"].astype(float).fillna(supervised["seconds"].astype(float).set_axis(part.index))
    untold = int(wall.isna().sum())
    measured = [_joules(part, name, measured=True) for name in components]
    modelled = [_joules(part, name, measured=False) for name in components]
    return Spent(
        what=what,
        trials=len(part),
        wall_s=_sum(wall),
        gpu_s=_gpu_s(supervised.dropna(subset=["gpus"])),
        flops=_sum(flops.reindex(part["trial"])),
        measured_j=_sum(pd.Series([v for v in measured if v is not None], dtype=float)),
        modelled_j=_sum(pd.Series([v for v in modelled if v is not None], dtype=float)),
        notes=(f"{untold} of them recorded no time",) if untold else (),
    )


def _gpu_s(attempts: pd.DataFrame) -> float | None:
    """Seconds of one GPU; ``None`` where no GPU was held."""
    used = float((attempts["seconds"].astype(float) * attempts["gpus"].astype(float)).sum())
    return used or None


def _joules(part: pd.DataFrame, name: str, *, measured: bool) -> float | None:
    """Add up joules of one kind; ``None`` where no trial has any."""
    value, how = f"energy_{name}_j", f"energy_{name}_provenance"
    if value not in part or how not in part:
        return None
    return _sum(part.loc[part[how].map(is_measured) == measured, value])


def _sum(values: "pd.Series[Any]") -> float | None:
    known = values.dropna()
    return float(known.astype(float).sum()) if len(known) else None


def _host(host: Mapping[str, Any] | None) -> Iterator[Spent]:
    readings = [Reading.from_json(host[n]) for n in ("energy_cpu_j", "energy_ram_j") if host and host.get(n)]
    known = [(r.value, r.provenance.measured) for r in readings if r.value is not None]
    if known:
        yield Spent(
            what="the machine: processors and memory, over all runs",
            measured_j=sum(v for v, counted in known if counted) or None,
            modelled_j=sum(v for v, counted in known if not counted) or None,
        )
