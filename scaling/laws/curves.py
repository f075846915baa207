"""One-dimensional laws: loss against size at one horizon, against data at one size, and the compute envelope."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws import bootstrap
from scaling.laws.analysis import Dropped, Fit
from scaling.laws.fit import Sample, fit_sample
from scaling.laws.forms import CURVE_C, CURVE_D, CURVE_N, Array, PowerLaw
from scaling.laws.merit import aicc, heldout_error
from scaling.units import format_si

MIN_SIZES, MIN_HORIZONS = 4, 4


@dataclass(frozen=True, slots=True)
class Curve:
    """A one-dimensional law and the points that it is about.

    Attributes:
        law: the form.
        points: rows of the sweep.
        abscissa: column of the variable.
        description: the points in words.
        envelope: only points that nothing of less compute beats are fitted, in every resample anew.
    """

    law: PowerLaw
    points: pd.DataFrame
    abscissa: str
    description: str
    envelope: bool = False

    def fits(
        self, conventions: dict[str, str], dropped: tuple[Dropped, ...], resamples: int, seed: int
    ) -> dict[str, Fit]:
        """Return the law with and without a floor. Raises ``NotEnoughData``."""
        sample = _sample(self, conventions, dropped)
        laws = (self.law, self.law.without_floor())
        order = sample.variables[:, 0]
        return {
            law.name: replace(
                fit_sample(law, sample, resamples=resamples, seed=seed),
                heldout_error=heldout_error(law, sample, order),
                aicc=aicc(law, sample),
            )
            for law in laws
        }


def _sample(curve: Curve, conventions: dict[str, str], dropped: tuple[Dropped, ...]) -> Sample:
    frame = curve.points.sort_values([curve.abscissa, "loss_nats"], ignore_index=True)
    losses = frame["loss_nats"].to_numpy(dtype=float)

    def on_envelope(counts: Array) -> Array:
        return envelope_weights(losses, counts)

    return Sample(
        variables=frame[[curve.abscissa]].to_numpy(dtype=float),
        losses=losses,
        trials=bootstrap.codes(frame["trial"].to_numpy()),
        conventions={**conventions, "points": curve.description},
        dropped=dropped,
        select=on_envelope if curve.envelope else None,
    )


def envelope_weights(losses: Array, counts: Array) -> Array:
    """Return ``counts`` ``[R, n]`` with zero where a present point of no more compute has no higher loss.

    Args:
        losses: in order of compute, and of loss where compute is equal ``[n]``.
        counts: how often each point was drawn.
    """
    present = np.where(counts > 0, losses, np.inf)
    best_before = np.minimum.accumulate(present, axis=1)[:, :-1]
    best_before = np.hstack([np.full((len(counts), 1), np.inf), best_before])
    return np.where(present < best_before, counts, 0.0)


def size_curve(used: pd.DataFrame) -> Curve:
    """Return L(N) at the horizon that most sizes share, the largest such.

    Raises:
        NotEnoughData: no horizon has four sizes.
    """
    sizes = used.groupby("tokens")["params"].nunique()
    most = int(sizes.max()) if len(sizes) else 0
    if most < MIN_SIZES:
        raise NotEnoughData(
            "laws.few_sizes",
            f"no horizon has {MIN_SIZES} sizes (the most is {most})",
            hint="give sizes a common horizon",
        )
    tokens = sizes[sizes == most].index.max()
    text = f"{most} sizes at the largest horizon they share, {format_si(float(tokens))} tokens"
    return Curve(CURVE_N, used[used["tokens"] == tokens], "params", text)


def data_curve(used: pd.DataFrame) -> Curve:
    """Return L(D) of the largest size.

    Raises:
        NotEnoughData: the largest size has fewer than four horizons.
    """
    largest = used[used["params"] == used["params"].max()]
    horizons = int(largest["tokens"].nunique())
    if horizons < MIN_HORIZONS:
        raise NotEnoughData(
            "laws.few_horizons",
            f"the largest size has {horizons} horizon{'' if horizons == 1 else 's'}, {MIN_HORIZONS} needed",
            hint="add horizons to the sweep",
        )
    text = f"{horizons} horizons of the largest size, {format_si(float(largest['params'].iloc[0]))} parameters"
    return Curve(CURVE_D, largest, "tokens", text)


def compute_curve(used: pd.DataFrame) -> Curve:
    """Return L(C) on the lower envelope of the annealed points, in exact training FLOPs.

    Raises:
        NotEnoughData: fewer than four sizes.
    """
    sizes = used["params"].nunique()
    if sizes < MIN_SIZES:
        raise NotEnoughData("laws.few_sizes", f"an envelope needs {MIN_SIZES} sizes, there are {sizes}")
    text = "lower envelope of annealed points: none of less compute has a lower loss"
    return Curve(CURVE_C, used, "flops_train", text, envelope=True)
