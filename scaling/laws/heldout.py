"""Prediction out of sample: the largest size is left out with its whole trunk, all seeds, and predicted."""

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws.analysis import HeldOut
from scaling.laws.fit import fit_sample
from scaling.laws.forms import SURFACE, PowerLaw, loss_at
from scaling.laws.objectives import Objective
from scaling.laws.surface import MIN_SIZES, surface_sample

RULE = "largest size left out with its whole trunk, all its seeds"


def hold_out_largest(used: pd.DataFrame, law: PowerLaw = SURFACE, goal: Objective | None = None) -> HeldOut:
    """Fit L(N,D) without the largest size and predict its points.

    The naive prediction is "same loss as the next smaller size at the same tokens", its seeds averaged.

    Args:
        used: the fitted points.
        law: L(N,D), constrained or not.
        goal: the objective; Huber on log loss by default.

    Raises:
        NotEnoughData: fewer than five sizes, or the two largest share no horizon.
    """
    largest = used["params"].max()
    seen, held = used[used["params"] < largest], used[used["params"] == largest]
    if seen["params"].nunique() < MIN_SIZES:
        raise NotEnoughData(
            "laws.few_sizes",
            f"holding the largest of {used['params'].nunique()} sizes out leaves fewer than {MIN_SIZES} to fit",
            hint="add sizes to the sweep",
        )
    fit = fit_sample(law, surface_sample(seen), goal=goal, resamples=0)
    values = {name: p.value for name, p in fit.params.items()}
    predicted = loss_at(values, SURFACE, N=held["params"].to_numpy(dtype=float), D=held["tokens"].to_numpy(dtype=float))
    loss = held["loss_nats"].to_numpy(dtype=float)
    error = predicted / loss - 1
    return HeldOut(
        rule=RULE,
        rows=tuple(
            (str(t), float(n), float(d), float(seen_loss), float(p), float(e))
            for t, n, d, seen_loss, p, e in zip(
                held["trial"], held["params"], held["tokens"], loss, predicted, error, strict=True
            )
        ),
        mean_abs_error=float(np.abs(error).mean()),
        max_abs_error=float(np.abs(error).max()),
        naive_mean_abs_error=_naive_error(seen, held),
        extrapolation_factor=float(held["flops_train"].max() / seen["flops_train"].max()),
    )


def _naive_error(seen: pd.DataFrame, held: pd.DataFrame) -> float:
    next_smaller = seen[seen["params"] == seen["params"].max()]
    same_tokens = held["tokens"].map(next_smaller.groupby("tokens")["loss_nats"].mean())
    error = (same_tokens / held["loss_nats"] - 1).abs().dropna()
    if error.empty:
        raise NotEnoughData(
            "laws.no_common_horizon",
            "the two largest sizes share no horizon, so there is no naive prediction to compare with",
            hint="give sizes a common horizon",
        )
    return float(error.mean())
