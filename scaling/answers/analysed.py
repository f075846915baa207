"""The analysis of a store in the conventions of its points, and its L(N,D) with the ground it stands on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData, UsageError
from scaling.families import NATS_PER_TOKEN
from scaling.laws import Analysis, Cuts, Fit, Price, RollOut, analyse
from scaling.laws.forms import Array, PowerLaw
from scaling.laws.frontier import EXACT, FlopsPerToken
from scaling.laws.objectives import Objective
from scaling.laws.selection import EXACT_FLOPS, select, unit_of
from scaling.spec.schema import TrialSpec
from scaling.store import Store
from scaling.store.imported import Imported

SURFACE = "L(N,D)"


class Options(TypedDict, total=False):
    """Further choices of ``laws.analyse``, each with its default there."""

    resamples: int
    seed: int
    full: bool | None
    law: PowerLaw
    goal: Objective | None
    price: Price | None


def analyse_store(
    store: Store, *, params: str = "total", drop_highest: int = 0, **options: Unpack[Options]
) -> Analysis:
    """Analyse a store under the cuts of its sweep, in the conventions of its points.

    Args:
        store: as loaded, or imported from a table.
        params: which parameters are N: ``total``, ``active``, ``non_embedding`` or ``matmul``.
        drop_highest: so many points of the highest loss are left out of the fits.
        options: as for ``laws.analyse``: resamples, seed, full, law, goal, price.

    Raises:
        UsageError: its losses do not compare, or an imported table does not tell that count of parameters.
    """
    points = fitted_points(store)
    cuts = replace(Cuts.of_sweep(store.sweep), drop_highest=drop_highest)
    if store.imported is None or store.imported.points.empty:  # scores of a harness come without losses
        return analyse(points, cuts, params=params, **options)
    _refuse_untold_params(store.imported, params)
    points = points.dropna(axis=1, how="all")  # what the table does not tell is absent, as an optional column is
    found = analyse(points, cuts, params=params, **options)
    words = _in_words(store.imported, params)
    return replace(found, fits={name: _relabelled(fit, words) for name, fit in found.fits.items()})


def fitted_points(store: Store) -> pd.DataFrame:
    """Return the points with what else a law depends on: the rates of their trials, and the variant of the model.

    A variant is every setting of the model that is a word or a switch, such as where positions come from; widths and
    depths make sizes. Points of other variants than that of most trials follow laws of their own (``laws.select``).
    """
    recipe = store.trials()[["trial", "lr_hidden", "lr_embedding"]]
    variants = {r.folder.id: _variant(r.spec.model) for r in store.records if isinstance(r.spec, TrialSpec)}
    points = store.points().merge(recipe, on="trial", how="left")
    return points.assign(variant=points["trial"].map(variants).astype(object)) if variants else points


def _variant(model: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(model.items()) if isinstance(value, str | bool))


def _refuse_untold_params(imported: Imported, params: str) -> None:
    counts = ("total", "active", "non_embedding", "matmul")
    told = [c for c in counts if imported.points[f"params_{c}"].notna().any()]
    if params not in told:
        source = imported.origin["source"]["file"]
        raise UsageError(
            "tables.params_untold",
            f"{source} does not tell params_{params}; it tells {', '.join('params_' + c for c in told) or 'none'}",
            where=str(source),
            why="sizes counted in different ways give different exponents",
            hint=f"choose that count with the option (fit: --params {told[0] if told else params}), or say which "
            "column to take: --column params=NAME",
        )


def _in_words(imported: Imported, params: str) -> dict[str, str]:
    told: dict[str, str] = dict(imported.origin["conventions"])
    sizes = {count: told.pop(f"params_{count}", "") for count in ("total", "active", "non_embedding", "matmul")}
    return {"params": f"{params}: {sizes[params]}", **told}


def _relabelled(fit: Fit, words: Mapping[str, str]) -> Fit:
    """Say what the table says of its columns in place of what the tool knows of its own sweeps."""
    about = dict(words) if fit.name.startswith(SURFACE) else {k: v for k, v in words.items() if k != "points"}
    return replace(fit, conventions={**fit.conventions, **about})


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """L(N,D) of a store and the ground it stands on.

    Attributes:
        name: the store's.
        fit: of L(N,D).
        flops: training FLOPs per token against size.
        params, tokens, compute: of the fitted points; compute in the convention of ``flops``.
        rollouts: smaller computes fitted and the rest predicted: what extrapolation has cost so far.
        unit: of the losses.
    """

    name: str
    fit: Fit
    flops: FlopsPerToken
    params: Array
    tokens: Array
    compute: Array
    rollouts: tuple[RollOut, ...] = ()
    unit: str = NATS_PER_TOKEN

    @property
    def largest(self) -> float:
        """The largest fitted compute, FLOPs."""
        return float(self.compute.max())

    @property
    def smallest(self) -> float:
        """The smallest fitted compute, FLOPs."""
        return float(self.compute.min())

    @property
    def convention(self) -> str:
        """How FLOPs are counted, in words."""
        told = self.fit.conventions["flops"]
        return told if self.flops.convention == EXACT else "6ND"

    def counts_as(self, other: "Law") -> bool:
        """Return whether both count FLOPs by one rule; a family without causal attention has nothing to halve."""
        exact = all(law.convention.startswith(EXACT_FLOPS) for law in (self, other))
        return exact or self.convention == other.convention

    def by_six_nd(self) -> "Law":
        """Return the same law with FLOPs counted as 6ND."""
        return replace(self, flops=FlopsPerToken.six_n(), compute=6.0 * self.params * self.tokens)


def law_of(store: Store, analysis: Analysis, params: str = "total") -> Law:
    """Return L(N,D) of an analysed store.

    Args:
        store: the store.
        analysis: of that store, in the same count of parameters.
        params: which parameters are N.

    Raises:
        NotEnoughData: L(N,D) could not be fitted.
    """
    if SURFACE not in analysis.fits:
        raise NotEnoughData(
            "answers.no_law",
            f"no L(N,D) can be fitted: {analysis.missing.get(SURFACE, 'too few points')}",
            where=str(store.root),
            why="a prediction needs the loss against both size and data",
            hint=f"add sizes and horizons; see what there is with `scaling fit {store.root}`",
        )
    used = select(fitted_points(store), Cuts.of_sweep(store.sweep), params).used
    n, d, c = (used[column].to_numpy(dtype=float) for column in ("params", "tokens", "flops_train"))
    name = str(store.sweep.get("name") or store.root.name)
    try:
        flops = FlopsPerToken.through(n, c / d)
    except NotEnoughData:  # sizes whose FLOPs per token follow no rising curve: the rule is all there is
        flops, c = FlopsPerToken.six_n(), np.asarray(6.0 * n * d)
    fit = analysis.fits[SURFACE]
    return Law(
        name=name,
        fit=fit,
        flops=flops,
        params=n,
        tokens=d,
        compute=c,
        rollouts=analysis.rollouts,
        unit=unit_of(used),
    )
