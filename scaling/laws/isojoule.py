"""What a fixed energy buys: the loss-optimal size in measured joules, beside the compute-optimal one.

Joules per token take the place of FLOPs per token in the split of a budget (``laws.frontier``): where a larger model
is more efficient per FLOP, energy is best spent on a larger model than compute would be. Only measured joules enter,
only of GPUs that were not shared, and only of sizes on the plateau of efficiency: a size that leaves its device
waiting would bend the curve by what better code would mend.

The energy of a path grows as C^eta; the elasticity of the loss per kWh is that per FLOP over eta.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws.analysis import Fit, Interval
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array
from scaling.laws.frontier import FlopsPerToken, Optimum, Surface, best_split, budgets_around
from scaling.laws.isoflop import IsoFlop, isoflop
from scaling.laws.line import Line
from scaling.store.measured import SizeEfficiency, efficiency_by_size, measured_energy

MIN_SIZES = 3
MIN_RUNS = 4
J_PER_KWH = 3.6e6
_GRID = 61  # computes along the compute-optimal path, evenly in its logarithm
_NEEDED = "measured joules at three sizes or more: a GPU with an energy counter, or a table with energy_gpu_j"


@dataclass(frozen=True, slots=True, kw_only=True)
class JouleRow:
    """One energy budget.

    Attributes:
        energy_j: GPU joules.
        params, tokens, loss: of the best split of that energy.
        flops: training FLOPs of that split.
        params_compute, loss_compute: of the compute-optimal run that takes the same energy.
        ratio: the best size over the compute-optimal one, draw by draw.
        excess_nats: what following compute instead of energy costs at that energy, nats.
        per_kwh_nats: nats that the next kWh buys there, by measured kWh.
        extrapolation_factor: energy over the largest measured energy.
    """

    energy_j: float
    params: Interval
    tokens: Interval
    loss: Interval
    flops: float
    params_compute: Interval
    loss_compute: Interval
    ratio: Interval
    excess_nats: Interval
    per_kwh_nats: Interval
    extrapolation_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """One measured point: its energy and loss.

    Attributes:
        trial, label: its run.
        params, tokens: its size and data.
        energy_j: joules to here.
        loss_nats: loss here.
        saturated: whether its size lies on the plateau of efficiency.
        frontier: no other point has a lower loss for as little energy.
    """

    trial: str
    label: str
    params: float
    tokens: float
    energy_j: float
    loss_nats: float
    saturated: bool
    frontier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOfCompute:
    """Measured joules against training FLOPs: J = exp(log_factor) C^eta, over the runs on the plateau.

    Attributes:
        eta: the exponent.
        log_factor: ln of the factor.
        runs: how many were fitted.
    """

    eta: Interval
    log_factor: float
    runs: int

    @classmethod
    def of(cls, points: pd.DataFrame) -> "EnergyOfCompute | None":
        """Fit the longest horizon of each measured run on the plateau; ``None`` with fewer than four of them."""
        kept = points[measured_energy(points)]
        good = {size.params for size in efficiency_by_size(kept) if size.saturated} if len(kept) else set()
        return cls._through(kept[kept["params_total"].astype(float).isin(good)])

    @classmethod
    def _through(cls, used: pd.DataFrame) -> "EnergyOfCompute | None":
        last = used.sort_values("tokens").drop_duplicates("trial", keep="last")
        x = np.log(last["flops_train"].to_numpy(dtype=float))
        if len(x) < MIN_RUNS or np.ptp(x) <= 0:
            return None
        line = Line.through(x, np.log(last["energy_gpu_j"].to_numpy(dtype=float)))
        return cls(eta=line.slope, log_factor=line.intercept, runs=len(x))

    def joules(self, flops: float) -> float:
        """Return the joules of so much training."""
        return float(np.exp(self.log_factor) * flops**self.eta.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoJoule:
    """Energy against loss, as a whole.

    Attributes:
        sizes: efficiency of every size.
        spent: every measured point, rising in energy.
        eta: energy grows as C^eta over the runs on the plateau; ``None`` with fewer than four of them.
        rows: energy budgets by the law; empty where ``reason`` says why.
        profiles: losses at equal energy across sizes, with the minima that can be seen.
        reason: why there are no rows.
    """

    sizes: tuple[SizeEfficiency, ...]
    spent: tuple[Spent, ...]
    eta: Interval | None
    rows: tuple[JouleRow, ...]
    profiles: IsoFlop | None = field(repr=False)
    reason: str | None = None


def isojoule(
    points: pd.DataFrame, fit: Fit | None, *, params: str = "params_total", resamples: int = 200, seed: int = 0
) -> IsoJoule:
    """Analyse energy against loss.

    Args:
        points: points of a store.
        fit: L(N,D) of that store; without one there are no rows.
        params: the column that is N in the fit.
        resamples: draws for the intervals of the profiles.
        seed: of those draws.

    Raises:
        NotEnoughData: energy was measured at fewer than three sizes.
    """
    kept = points[measured_energy(points) & (points["state"] != "diverged")]
    sizes = efficiency_by_size(kept, params) if len(kept) else ()
    if len(sizes) < MIN_SIZES:
        raise NotEnoughData(
            "energy.not_measured",
            f"energy was measured at {len(sizes) or 'no'} size{'s' if len(sizes) > 1 else ''}, {MIN_SIZES} are needed",
            why="modelled joules are time x a constant: a law of them would only repeat the model",
            hint=f"it needs {_NEEDED} and energy_gpu_provenance",
        )
    good = {size.params for size in sizes if size.saturated}
    used = kept[kept[params].astype(float).isin(good)]
    reason = _why_no_rows(fit, good)
    rows: tuple[JouleRow, ...] = ()
    profiles = None
    if reason is None and fit is not None:
        rows = _rows(used, fit, params)
        profiles = _profiles(used, params, resamples, seed)
    return IsoJoule(
        sizes=sizes, spent=_spent(kept, good, params), eta=_eta(kept), rows=rows, profiles=profiles, reason=reason
    )


def _why_no_rows(fit: Fit | None, good: set[float]) -> str | None:
    if fit is None:
        return "no L(N,D) could be fitted"
    if len(good) < MIN_SIZES:
        return (
            f"{len(good)} sizes lie on the plateau of efficiency, {MIN_SIZES} are needed: smaller ones leave the "
            "device waiting; add larger sizes"
        )
    return None


def _spent(kept: pd.DataFrame, good: set[float], params: str) -> tuple[Spent, ...]:
    ordered = kept.assign(energy_gpu_j=kept["energy_gpu_j"].astype(float)).sort_values(["energy_gpu_j", "loss_nats"])
    best, found = np.inf, []
    for row in ordered.to_dict("records"):
        loss = float(row["loss_nats"])
        found.append(
            Spent(
                trial=str(row["trial"]),
                label=str(row["label"]),
                params=float(row[params]),
                tokens=float(row["tokens"]),
                energy_j=float(row["energy_gpu_j"]),
                loss_nats=loss,
                saturated=float(row[params]) in good,
                frontier=loss < best,
            )
        )
        best = min(best, loss)
    return tuple(found)


def _eta(kept: pd.DataFrame) -> Interval | None:
    found = EnergyOfCompute.of(kept)
    return None if found is None else found.eta


def _columns(used: pd.DataFrame, params: str) -> tuple[Array, Array, Array, Array]:
    names = (params, "tokens", "flops_train", "energy_gpu_j")
    n, d, c, j = (used[name].to_numpy(dtype=float) for name in names)
    return n, d, c, j


def _rows(used: pd.DataFrame, fit: Fit, params: str) -> tuple[JouleRow, ...]:
    n, d, c, j = _columns(used, params)
    joules, flops = FlopsPerToken.through(n, j / d), FlopsPerToken.through(n, c / d)
    surface = Surface.of(fit)
    energies = budgets_around(float(j.min()), float(j.max()))
    best = best_split(surface, energies, joules)
    sizes, losses = _same_energy(surface, flops, joules, energies, c)
    beta, data_factor = surface.beta[:, None], surface.B[:, None]
    slope = beta * data_factor * best.tokens**-beta  # -dL*/d ln J: the envelope theorem, as in laws.returns
    return tuple(
        JouleRow(
            energy_j=float(energy),
            params=_interval(best.params[:, i]),
            tokens=_interval(best.tokens[:, i]),
            loss=_interval(best.loss[:, i]),
            flops=float(np.exp(flops.log_value(np.log(best.params[:1, i])))[0] * best.tokens[0, i]),
            params_compute=_interval(sizes[:, i]),
            loss_compute=_interval(losses[:, i]),
            ratio=_interval(best.params[:, i] / sizes[:, i]),
            excess_nats=_interval(losses[:, i] - best.loss[:, i]),
            per_kwh_nats=_interval(slope[:, i] / (energy / J_PER_KWH)),
            extrapolation_factor=float(energy / j.max()),
        )
        for i, energy in enumerate(energies)
        if np.isfinite(best.params[0, i])
    )


def _same_energy(
    surface: Surface, flops: FlopsPerToken, joules: FlopsPerToken, energies: Array, seen: Array
) -> tuple[Array, Array]:
    """Return size and loss of the compute-optimal run that takes each energy ``[draws, energies]``."""
    computes = np.geomspace(seen.min() / 1e3, seen.max() * 1e4, _GRID)
    path = best_split(surface, computes, flops)
    taken = _energy_of(path, joules)
    sizes = np.full((len(taken), len(energies)), np.nan)
    for i in np.flatnonzero(np.isfinite(taken).all(axis=1)):
        at = np.interp(np.log(energies), np.log(taken[i]), np.log(path.params[i]), left=np.nan, right=np.nan)
        sizes[i] = np.exp(at)
    with np.errstate(invalid="ignore"):
        tokens = energies / np.exp(joules.log_value(np.log(sizes)))
        return sizes, surface.loss(sizes, tokens)


def _energy_of(path: Optimum, joules: FlopsPerToken) -> Array:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(joules.log_value(np.log(path.params))) * path.tokens)


def _profiles(used: pd.DataFrame, params: str, resamples: int, seed: int) -> IsoFlop:
    n, d, _, j = _columns(used, params)
    loss = used["loss_nats"].to_numpy(dtype=float)
    return isoflop(n, d, loss, used["trial"].to_numpy(), flops=j, resamples=resamples, seed=seed)


def _interval(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])


def frontier(spent: Sequence[Spent]) -> tuple[Spent, ...]:
    """Return the loss-energy Pareto frontier: the points that no other beats in both."""
    return tuple(point for point in spent if point.frontier)
