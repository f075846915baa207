"""Judges of what was measured beside the law: seeds, learning rates, energy."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from scaling.findings.case import Case, Verdict, graded, percent, shown, too_little, triple
from scaling.findings.fitted import repeats
from scaling.findings.rules import Rule
from scaling.laws.analysis import Interval
from scaling.laws.line import Line
from scaling.laws.noise import pooled
from scaling.provenance import Provenance
from scaling.units import format_si

_RATES = ("lr_hidden", "lr_embedding")
_COUNTED = (Provenance.MEASURED_COUNTER, Provenance.MEASURED_RAPL, Provenance.MEASURED_PRORATED)


def seed_noise(case: Case, rule: Rule) -> Verdict:
    """The spread over seeds is known and small."""
    rows = case.analysis.seed_noise
    std = pooled(rows)
    if std is None:
        return too_little(f"The noise between seeds is unknown: {case.why_missing('seed_noise')}.")
    sizes, freedom = len({r.params for r in rows}), repeats(rows)
    if sizes < rule.minimum["sizes"] or freedom < rule.minimum["repeats"]:
        return too_little(
            f"Seeds were repeated {freedom} times at {sizes} sizes, too few to know their noise.",
            repeats=freedom,
            sizes=sizes,
        )
    # Horizons of one trunk are correlated, so the interval counts trials only.
    low, high = (std * float(np.sqrt(freedom / (2 * gammaincinv(freedom / 2, q)))) for q in (0.975, 0.025))
    return graded(
        std <= rule.thresholds["std"],
        f"Runs that differ in nothing but the seed differ by {percent(std)} of the loss (one standard deviation, "
        f"95 % interval {percent(low)} to {percent(high)}), seen at {sizes} sizes; two single runs must lie "
        f"{percent(2 * np.sqrt(2) * std)} apart to differ.",
        std_log=triple(Interval(value=std, low=low, high=high)),
        sizes=sizes,
        repeats=freedom,
    )


@dataclass(frozen=True, slots=True)
class _RateCheck:
    """One size at one horizon: rates tried, own loss over the best one's less one, and the best rate."""

    params: float
    rates: int
    excess: float
    best: str


def learning_rate(case: Case, rule: Rule) -> Verdict:
    """The sweep's rate is as good as its neighbours at several sizes."""
    checks = _rate_checks(case, int(rule.minimum["rates"]))
    if len(checks) < rule.minimum["sizes"]:
        return too_little(
            "Learning rate untested: "
            + ("no size was" if not checks else f"only {len(checks)} size was")
            + " trained at lower and higher rates to the same horizon, so the law is about this recipe at every size, "
            "not about the best one.",
            sizes_tested=len(checks),
        )
    worst = max(checks, key=lambda c: c.excess)
    good = worst.excess <= rule.thresholds["loss"]
    sizes = f"{len(checks)} sizes from {format_si(checks[0].params)} to {format_si(checks[-1].params)} parameters"
    sentence = (
        f"At {sizes} the sweep's learning rate is within {percent(max(worst.excess, 0))} of the best of "
        f"{min(c.rates for c in checks)} rates or more."
        if good
        else f"At {format_si(worst.params)} parameters another learning rate ({worst.best}) is {percent(worst.excess)} "
        f"better{_chance(case, worst.excess)}, tested at {sizes}: the law is about this recipe, not about the best one."
    )
    excess = {format_si(c.params): c.excess for c in checks}
    return graded(good, sentence, sizes_tested=len(checks), loss_above_best=excess)


def _chance(case: Case, excess: float) -> str:
    """Say where seeds alone part two runs as far."""
    std = pooled(case.analysis.seed_noise)
    apart = None if std is None else 2 * float(np.sqrt(2)) * std
    return f", no more than chance makes of two runs ({percent(apart)})" if apart and excess <= apart else ""


def _rate_checks(case: Case, least_rates: int) -> list[_RateCheck]:
    columns = [c for c in _RATES if c in case.trials]
    if not columns or case.points.empty:
        return []
    rates = case.trials[columns].astype(float)
    written = [", ".join(f"{value:.3g}" for value in row) for row in rates.to_numpy()]
    named = case.trials[["trial"]].assign(rate=written, scale=rates.prod(axis=1))
    points = case.points if "state" not in case.points else case.points[case.points["state"] != "diverged"]
    points = points.drop(columns=["rate", "scale"], errors="ignore").merge(named, on="trial")
    if points["rate"].nunique() < least_rates:
        return []
    own = str(points.drop_duplicates("trial")["rate"].value_counts().idxmax())
    found: dict[float, _RateCheck] = {}
    for _, part in points.groupby(["params_total", "flops_train", "tokens"], sort=True):
        check = _rate_check(part, own, least_rates)
        if check is not None:
            found[check.params] = check  # sorted by tokens: the longest horizon stays
    return [found[n] for n in sorted(found)]


def _rate_check(part: pd.DataFrame, own: str, least_rates: int) -> _RateCheck | None:
    shared = set.intersection(*part.groupby("rate")["seed"].agg(set)) if "seed" in part else set()
    if shared:  # a rate is tried on one seed: the sweep's own other seeds would add their noise
        part = part[part["seed"].isin(shared)]
    by_rate = part.groupby("rate")[["loss_nats", "scale"]].mean()
    if own not in by_rate.index or len(by_rate) < least_rates:
        return None
    losses = {str(rate): float(loss) for rate, loss in by_rate["loss_nats"].items()}
    scales = {str(rate): float(scale) for rate, scale in by_rate["scale"].items()}
    if not min(scales.values()) < scales[own] < max(scales.values()):
        return None  # the own rate at the edge says nothing about what lies beyond
    best = min(losses, key=lambda rate: losses[rate])
    return _RateCheck(float(part["params_total"].iloc[0]), len(losses), losses[own] / losses[best] - 1, best)


def energy(case: Case, rule: Rule) -> Verdict:
    """Counted joules follow the FLOPs."""
    counted = _counted_joules(case.points)
    span = counted["flops_train"].max() / counted["flops_train"].min() if len(counted) else 0.0
    if len(counted) < rule.minimum["trials"] or span < rule.minimum["span"]:
        return too_little(f"Energy per FLOP is unknown: {_why_not_counted(case.points, counted)}.", trials=len(counted))
    x = np.log(counted["flops_train"].to_numpy(dtype=float))
    y = np.log(counted["energy_gpu_j"].to_numpy(dtype=float))
    line = Line.through(x, y)
    slope = line.slope
    residual = y - line.intercept - slope.value * x
    rms = float(np.sqrt(np.mean(residual**2)))
    per_flop = float(np.exp(line.intercept + slope.value * x.max() - x.max()))
    return graded(
        rms <= rule.thresholds["rms"],
        f"Training costs {format_si(per_flop * 1e12, 'pJ')} of GPU energy per FLOP at the largest of {len(x)} counted "
        f"trials; joules grow as C^{shown(slope)} with an rms residual of {percent(rms)}.",
        joules_per_flop=per_flop,
        exponent=triple(slope),
        residual_rms=rms,
        trials=len(x),
    )


def _counted_joules(points: pd.DataFrame) -> pd.DataFrame:
    """Return the longest horizon of each trial whose joules were counted on a GPU of its own."""
    if points.empty or "energy_gpu_j" not in points:
        return points.iloc[:0].assign(flops_train=pd.Series(dtype=float))
    joules = pd.to_numeric(points["energy_gpu_j"], errors="coerce")
    counted = points["energy_gpu_provenance"].isin([p.value for p in _COUNTED])
    alone = ~points["energy_gpu_shared"].fillna(False).astype(bool)
    kept = points.assign(energy_gpu_j=joules)[counted & alone & (joules > 0)]
    return kept.sort_values("tokens").drop_duplicates("trial", keep="last")


def _why_not_counted(points: pd.DataFrame, counted: pd.DataFrame) -> str:
    if len(counted):
        return f"{len(counted)} trials have counted joules, too few or too alike in FLOPs"
    if points.empty or "energy_gpu_provenance" not in points:
        return "no point carries a reading"
    kinds = sorted(map(str, points["energy_gpu_provenance"].dropna().unique()))
    if Provenance.UNAVAILABLE in kinds and len(kinds) == 1:
        return "no GPU energy counter was there to read, and modelled joules would only repeat the model"
    return f"the readings are {', '.join(kinds)} or from a shared GPU; a counter of the trial's own GPU is needed"
