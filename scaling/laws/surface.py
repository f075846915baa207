"""L(N,D) of a sweep: the points as a sample, and the residual of every point."""

from dataclasses import replace

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws import bootstrap
from scaling.laws.analysis import Dropped, Fit, Residual
from scaling.laws.fit import Sample, fit_sample
from scaling.laws.forms import SURFACE, PowerLaw, loss_at
from scaling.laws.merit import aicc, heldout_error
from scaling.laws.objectives import Objective
from scaling.laws.selection import Selection

MIN_SIZES, MIN_HORIZONS = 4, 3


def surface_sample(
    used: pd.DataFrame, conventions: dict[str, str] | None = None, dropped: tuple[Dropped, ...] = ()
) -> Sample:
    """Return the rows as a sample of L(N,D)."""
    return Sample(
        variables=used[["params", "tokens"]].to_numpy(dtype=float),
        losses=used["loss_nats"].to_numpy(dtype=float),
        trials=bootstrap.codes(used["trial"].to_numpy()),
        conventions=conventions or {},
        dropped=dropped,
    )


def fit_surface(
    selection: Selection,
    conventions: dict[str, str],
    resamples: int,
    seed: int,
    law: PowerLaw = SURFACE,
    goal: Objective | None = None,
) -> Fit:
    """Fit L(N,D) to the selected points.

    Args:
        selection: the points.
        conventions: in words.
        resamples: bootstrap resamples by trial.
        seed: of the resampling.
        law: L(N,D), constrained or not.
        goal: the objective; Huber on log loss by default.

    Raises:
        NotEnoughData: fewer than four sizes or three horizons.
    """
    used = selection.used
    sizes, horizons = used["params"].nunique(), used["tokens"].nunique()
    if sizes < MIN_SIZES or horizons < MIN_HORIZONS:
        raise NotEnoughData(
            "laws.few_sizes",
            f"L(N,D) needs {MIN_SIZES} sizes and {MIN_HORIZONS} horizons; there are {sizes} and {horizons}",
            hint="finish the sweep, or add sizes and horizons to it",
        )
    sample, compute = surface_sample(used, conventions, selection.dropped), used["flops_train"].to_numpy(dtype=float)
    return replace(
        fit_sample(law, sample, goal=goal, resamples=resamples, seed=seed),
        heldout_error=heldout_error(law, sample, compute, goal),
        aicc=aicc(law, sample),
    )


def residuals(fit: Fit, selection: Selection) -> tuple[Residual, ...]:
    """Return seen and fitted loss of every point, the left-out ones with a finite loss too."""
    values = {name: p.value for name, p in fit.params.items()}
    parts = [(selection.used, True), (selection.left_out, False)]
    return tuple(r for frame, used in parts for r in _residuals(values, frame, used))


def _residuals(values: dict[str, float], frame: pd.DataFrame, used: bool) -> list[Residual]:
    numbers = frame[["params", "tokens", "flops_train", "loss_nats"]].astype(float)
    frame = frame.loc[((numbers > 0) & (numbers < np.inf)).all(axis=1)]
    loss = frame["loss_nats"].to_numpy(dtype=float)
    fitted = loss_at(values, SURFACE, N=frame["params"].to_numpy(dtype=float), D=frame["tokens"].to_numpy(dtype=float))
    seeds = frame["seed"] if "seed" in frame else pd.Series(0, index=frame.index)
    return [
        Residual(
            trial=str(trial),
            params=float(n),
            tokens=float(d),
            flops=float(c),
            loss=float(y),
            fitted=float(f),
            log_residual=float(r),
            seed=int(seed),
            used=used,
        )
        for trial, n, d, c, y, f, r, seed in zip(
            frame["trial"],
            frame["params"],
            frame["tokens"],
            frame["flops_train"],
            loss,
            fitted,
            np.log(loss / fitted),
            seeds,
            strict=True,
        )
    ]
