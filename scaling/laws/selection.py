"""Which points are fitted: rules fixed before the sweep, every point left out listed with its rule."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import UsageError
from scaling.families import FAMILIES, NATS_PER_TOKEN
from scaling.laws.analysis import Dropped

PARAMS: dict[str, str] = {
    "total": "params_total",
    "active": "params_active",
    "non_embedding": "params_non_embedding",
    "matmul": "params_matmul",
}
PARAMS_IN_WORDS: dict[str, str] = {
    "total": "all parameters, embeddings included",
    "active": "parameters that work on one token",
    "non_embedding": "parameters without embeddings and unembedding",
    "matmul": "weights in matrix products: blocks and unembedding",
}
LOSS = "loss"  # what is measured where a family says nothing else
EXACT_FLOPS = "exact, forward and backward"
_RECIPE = ("lr_hidden", "lr_embedding")
_BATCH = ("batch_rows",)
_VARIANT = ("variant",)
_POSITIVE = ("params", "tokens", "flops_train", "flops_6nd", "loss_nats")


@dataclass(frozen=True, slots=True)
class Cuts:
    """Points below these are recorded and drawn, not fitted. Fixed in the sweep file, before it is run.

    Attributes:
        min_tokens: least horizon, tokens.
        min_params: least size, total parameters.
        drop_highest: so many points of the highest loss are left out, an outlier rule that does not look at the fit.
    """

    min_tokens: float | None = None
    min_params: float | None = None
    drop_highest: int = 0

    @classmethod
    def of_sweep(cls, sweep: Mapping[str, Any]) -> "Cuts":
        """Return the cuts that a stored sweep fixed (``spec.fit``); none where it says nothing."""
        fit = sweep.get("spec", sweep).get("fit") or {}
        return cls(min_tokens=fit.get("min_tokens"), min_params=fit.get("min_params"))


@dataclass(frozen=True, slots=True)
class Selection:
    """Points of a sweep, parted.

    Attributes:
        used: the rows to fit, with the column ``params`` in the chosen convention.
        left_out: the other rows, with ``params`` and ``reason``.
        convention: ``total``, ``active``, ``non_embedding`` or ``matmul``.
    """

    used: pd.DataFrame
    left_out: pd.DataFrame
    convention: str

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """The rows left out as records."""
        return tuple(
            Dropped(trial=str(t), params=float(n), tokens=float(d), loss=float(loss), reason=str(why))
            for t, n, d, loss, why in zip(
                *(self.left_out[c] for c in ("trial", "params", "tokens", "loss_nats", "reason")), strict=True
            )
        )


def select(points: pd.DataFrame, cuts: Cuts, convention: str = "total") -> Selection:
    """Part the points of a store into those to fit and those left out.

    Args:
        points: one row per annealed evaluation, as the store gives them.
        cuts: fixed beforehand.
        convention: which parameters are N.

    Raises:
        UsageError: unknown convention, a column is absent, or the losses are not comparable.
    """
    if convention not in PARAMS:
        raise UsageError("laws.params", f"{convention!r} is not a parameter count", hint=f"one of {', '.join(PARAMS)}")
    absent = [c for c in ("trial", PARAMS[convention], *_POSITIVE[1:]) if c not in points]
    if absent:
        raise UsageError("laws.columns", f"the points lack {', '.join(absent)}")
    frame = points.assign(params=points[PARAMS[convention]])
    _refuse_mixed_units(frame)
    _refuse_mixed_validation(frame)
    reason = pd.Series("", index=frame.index, dtype=object)
    for hit, text in _rules(frame, cuts):
        reason = reason.mask(hit & (reason == ""), text)
    kept = reason == ""
    order = ["params", "tokens", "trial"]
    return Selection(
        used=frame[kept].sort_values(order, ignore_index=True),
        left_out=frame[~kept].assign(reason=reason[~kept]).sort_values(order, ignore_index=True),
        convention=convention,
    )


def conventions_of(selection: Selection) -> dict[str, str]:
    """Return how N, C, the loss and the points of a selection are to be understood, in words."""
    used = selection.used
    anneal = sorted(map(str, used["anneal"].dropna().unique())) if "anneal" in used else []
    return {
        "params": f"{selection.convention}: {PARAMS_IN_WORDS[selection.convention]}",
        "flops": EXACT_FLOPS + (", causal attention as half" if _causal(used) else ""),
        "loss_unit": f"{unit_of(used)}, fixed validation set",
        "points": "annealed evaluations" + (f" ({', '.join(anneal)})" if anneal else ""),
    }


def unit_of(points: pd.DataFrame) -> str:
    """Return the unit of the losses; that of a table that does not tell is nats per token."""
    return next(iter(_units(points)), NATS_PER_TOKEN)


def quantity_of(points: pd.DataFrame) -> str:
    """Return what the points measure: a loss, unless their family says that it is another quantity."""
    names = set(points["family"].dropna()) if "family" in points else set()
    found = {FAMILIES[name].quantity for name in names if name in FAMILIES}
    return found.pop() if len(found) == 1 else LOSS


def _causal(points: pd.DataFrame) -> bool:
    """Return whether half of some attention is left out, as far as the points tell."""
    full = "flops_train_full_attention"
    return full not in points or not points[full].eq(points["flops_train"]).all()


def _units(points: pd.DataFrame) -> list[str]:
    return sorted(map(str, points["loss_unit"].dropna().unique())) if "loss_unit" in points else []


def _rules(frame: pd.DataFrame, cuts: Cuts) -> Iterator[tuple[pd.Series, str]]:
    if "stage" in frame:
        yield ~(frame["stage"].isna() | (frame["stage"] == "pretrain")), "tuned after pre-training: another law"
    if "state" in frame:
        yield frame["state"] == "diverged", "the trial diverged"
    for column in _POSITIVE:
        numbers = pd.to_numeric(frame[column], errors="coerce").astype(float)
        yield ~((numbers > 0) & (numbers < np.inf)), f"{column} is not a finite number above zero"
    if cuts.min_params is not None:
        yield frame[PARAMS["total"]] < cuts.min_params, f"below min_params {cuts.min_params:g} of the sweep"
    if cuts.min_tokens is not None:
        yield frame["tokens"] < cuts.min_tokens, f"below min_tokens {cuts.min_tokens:g} of the sweep"
    if cuts.drop_highest:
        losses = pd.to_numeric(frame["loss_nats"], errors="coerce").astype(float)
        highest = losses.rank(method="first", ascending=False) <= cuts.drop_highest
        yield highest, f"among the {cuts.drop_highest} highest losses, left out by rule"
    why = "rows compared in another batch than those of most trials: what is learned depends on it, another law"
    yield _unlike_most(frame, _BATCH), why
    yield _unlike_most(frame, _VARIANT), "another variant of the model than that of most trials: a law of its own"
    yield _unlike_most(frame, _RECIPE), "another learning rate than the sweep's own: part of a check, not of the law"


def _unlike_most(frame: pd.DataFrame, names: tuple[str, ...]) -> pd.Series:
    columns = [c for c in names if c in frame]
    if not columns or frame.empty:
        return pd.Series(False, index=frame.index)
    recipe = frame[columns[0]].map(str)
    for column in columns[1:]:
        recipe = recipe + " " + frame[column].map(str)
    trials = frame["trial"].groupby(recipe).nunique()
    return recipe != trials.idxmax()


def _refuse_mixed_units(frame: pd.DataFrame) -> None:
    units = _units(frame)
    if len(units) > 1:
        raise UsageError(
            "laws.mixed_units",
            f"the points have losses in {len(units)} units: {', '.join(units)}",
            why="losses of different objectives do not compare, and a law through them means nothing",
            hint="fit each family by itself; `scaling compare` sets their exponents side by side",
        )


def _refuse_mixed_validation(frame: pd.DataFrame) -> None:
    if "validation_fingerprint" not in frame:
        return
    sets = frame["validation_fingerprint"].dropna().unique()
    if len(sets) > 1:
        raise UsageError(
            "laws.mixed_validation",
            f"the points were evaluated on {len(sets)} different validation sets: "
            + ", ".join(sorted(str(s)[:12] for s in sets)),
            why="losses on different text do not compare, and a law through them means nothing",
            hint="fit each store by itself, or run the sweep again on one corpus",
        )
