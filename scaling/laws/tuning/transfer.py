"""Effective data transferred (Hernandez et al. 2021, 2102.01293): what pre-training is worth in data of the new task.

A model fine-tuned on D_F items reaches a loss. From random weights the same model needs D_E items for it, read from its
measured curve. D_E - D_F has been transferred. The curve is interpolated between measured amounts and never beyond.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.laws.analysis import Interval
from scaling.laws.forms import Array

_KEYS = ["probe", "params_total", "seed"]
_MIN_INSIDE, _MIN_VALUES = 6, 3  # amounts inside the curves, and distinct sizes and data, for the law
_RESAMPLES = 500


class Place(StrEnum):
    """Where a fine-tuned loss lies on the curve of training from scratch."""

    INSIDE = "inside the curve"
    BEYOND = "beyond the curve"  # better than the most data from scratch: D_T is at least what is said
    BELOW = "below the curve"  # worse than the least data from scratch: D_T is at most what is said


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchCurve:
    """Best test loss against training items from random weights: one probe, size and seed.

    Attributes:
        probe, params, seed: of the models.
        items: ascending.
        losses: nats per answer token, the best over the horizons of each.
    """

    probe: str
    params: int
    seed: int
    items: tuple[int, ...]
    losses: tuple[float, ...]

    def data_for(self, loss: float) -> tuple[float, Place]:
        """Return the items at which the curve first reaches ``loss``: between two of them by straight lines in logs.

        The curve is what the best of so much data or less reaches: more data is never taken to do harm.
        """
        best = np.minimum.accumulate(np.asarray(self.losses))
        if loss > best[0]:
            return float(self.items[0]), Place.BELOW
        if loss < best[-1]:
            return float(self.items[-1]), Place.BEYOND
        after = int(np.argmax(best <= loss))
        if after == 0:
            return float(self.items[0]), Place.INSIDE
        (high, low), (few, many) = np.log(best[after - 1 : after + 1]), np.log(self.items[after - 1 : after + 1])
        return float(np.exp(few + (many - few) * (high - np.log(loss)) / (high - low))), Place.INSIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What pre-training was worth to one fine-tuned model.

    Attributes:
        probe, params, seed: of the model.
        items: D_F, items that it was tuned on.
        loss: its best test loss, nats per answer token.
        scratch_loss: that of random weights on the same items; ``None`` where it was not trained.
        effective: D_E, items that random weights need for that loss; a bound where ``place`` says so.
        place: where the loss lies on their curve.
    """

    probe: str
    params: int
    seed: int
    items: int
    loss: float
    scratch_loss: float | None
    effective: float
    place: Place

    @property
    def transferred(self) -> float:
        """D_T = D_E - D_F: below zero where pre-training did harm."""
        return self.effective - self.items

    @property
    def multiple(self) -> float:
        """D_E / D_F: how many times the data the fine-tuned model seems to have seen."""
        return self.effective / self.items


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A fine-tuned model beside random weights of its size and seed on the same items.

    Attributes:
        probe, params, seed, items: of both.
        loss, exact: best test loss of the fine-tuned model, nats per answer token, and its exact match there.
        scratch_loss, scratch_exact: the same from random weights; ``None`` where it was not trained.
    """

    probe: str
    params: int
    seed: int
    items: int
    loss: float
    exact: float
    scratch_loss: float | None
    scratch_exact: float | None

    @property
    def gains(self) -> bool:
        """Whether pre-training lowers the loss."""
        return self.scratch_loss is not None and self.loss < self.scratch_loss


def pairs(best: pd.DataFrame) -> list[Pair]:
    """Return every fine-tuned model beside random weights.

    Args:
        best: rows as ``best_losses`` gives them.
    """
    ends = {
        (str(row["method"]), str(row["probe"]), int(row["params_total"]), int(row["seed"]), int(row["items"])): row
        for row in best.to_dict("records")
    }
    found = []
    for (method, probe, params, seed, items), row in ends.items():
        if method == "finetune":
            other = ends.get(("scratch", probe, params, seed, items))
            found.append(
                Pair(
                    probe=probe,
                    params=params,
                    seed=seed,
                    items=items,
                    loss=float(row["answer_loss_nats"]),
                    exact=float(row["exact_match"]),
                    scratch_loss=None if other is None else float(other["answer_loss_nats"]),
                    scratch_exact=None if other is None else float(other["exact_match"]),
                )
            )
    return sorted(found, key=lambda p: (p.probe, p.params, p.items, p.seed))


def best_losses(tuned: pd.DataFrame) -> pd.DataFrame:
    """Return the best horizon of each supervised trial: early stopping on the test items, for all methods alike.

    Args:
        tuned: rows as ``Store.tuned`` gives them.
    """
    rows = tuned[(tuned["stage"] == "finetune") & tuned["answer_loss_nats"].notna()]
    if rows.empty:
        return rows
    loss = rows["answer_loss_nats"].astype(float)
    return rows.loc[loss.groupby(rows["trial"]).idxmin()].reset_index(drop=True)


def scratch_curves(best: pd.DataFrame) -> list[ScratchCurve]:
    """Return the curves from random weights, of two amounts of data or more."""
    found = []
    for (probe, params, seed), part in best[best["method"] == "scratch"].groupby(_KEYS, sort=True):
        by_items = part.groupby("items", sort=True)["answer_loss_nats"].min()
        if len(by_items) > 1:
            found.append(
                ScratchCurve(
                    probe=str(probe),
                    params=int(str(params)),
                    seed=int(str(seed)),
                    items=tuple(int(str(n)) for n in by_items.index),
                    losses=tuple(float(loss) for loss in by_items),
                )
            )
    return found


def transfers(tuned: pd.DataFrame) -> list[Amount]:
    """Return what pre-training was worth to every fine-tuned model that has a curve to be read on.

    Args:
        tuned: rows as ``Store.tuned`` gives them.
    """
    best = best_losses(tuned)
    if best.empty:
        return []
    curves = {(c.probe, c.params, c.seed): c for c in scratch_curves(best)}
    found = []
    for row in best[best["method"] == "finetune"].to_dict("records"):
        curve = curves.get((str(row["probe"]), int(row["params_total"]), int(row["seed"])))
        if curve is not None:
            found.append(_amount(curve, int(row["items"]), float(row["answer_loss_nats"])))
    return sorted(found, key=lambda a: (a.probe, a.params, a.items, a.seed))


def _amount(curve: ScratchCurve, items: int, loss: float) -> Amount:
    effective, place = curve.data_for(loss)
    return Amount(
        probe=curve.probe,
        params=curve.params,
        seed=curve.seed,
        items=items,
        loss=loss,
        scratch_loss=dict(zip(curve.items, curve.losses, strict=True)).get(items),
        effective=effective,
        place=place,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLaw:
    """``D_T = k D_F^alpha N^beta`` (Hernandez et al. 2021, eq. 1.1), over amounts inside the curves.

    Attributes:
        alpha: exponent of the data.
        beta: exponent of the size (all parameters).
        log_k: natural logarithm of the factor.
        rms: of the log residuals.
        n: amounts fitted.
    """

    alpha: Interval
    beta: Interval
    log_k: float
    rms: float
    n: int


def transfer_law(amounts: Sequence[Amount]) -> TransferLaw | None:
    """Fit the law by least squares in logs; intervals resample models, each with all its amounts of data.

    Returns:
        ``None`` where fewer than six amounts lie inside the curves with data transferred, or they have fewer than three
        sizes or amounts of data.
    """
    used = [a for a in amounts if a.place is Place.INSIDE and a.transferred > 0]
    values = min(len({a.params for a in used}), len({a.items for a in used})) if used else 0
    if len(used) < _MIN_INSIDE or values < _MIN_VALUES:
        return None
    x = np.log([[np.e, a.items, a.params] for a in used])
    y = np.log([a.transferred for a in used])
    fit = np.linalg.lstsq(x, y, rcond=None)[0]
    low, high = _resampled(x, y, np.unique([f"{a.params} {a.seed}" for a in used], return_inverse=True)[1])
    return TransferLaw(
        alpha=Interval(value=float(fit[1]), low=low[1], high=high[1]),
        beta=Interval(value=float(fit[2]), low=low[2], high=high[2]),
        log_k=float(fit[0]),
        rms=float(np.sqrt(np.mean((y - x @ fit) ** 2))),
        n=len(used),
    )


def _resampled(x: Array, y: Array, models: NDArray[np.intp]) -> tuple[list[float], list[float]]:
    """Return 95 % percentile ends of the coefficients over draws of whole models that still determine them."""
    rng, count = np.random.default_rng(0), int(models.max()) + 1
    fits = []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([np.flatnonzero(models == m) for m in rng.integers(0, count, count)])
        if np.linalg.matrix_rank(x[rows]) == x.shape[1]:
            fits.append(np.linalg.lstsq(x[rows], y[rows], rcond=None)[0])
    ends = np.percentile(np.asarray(fits), [2.5, 97.5], axis=0)
    return ends[0].tolist(), ends[1].tolist()
