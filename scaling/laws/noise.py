"""Seed noise: how far the loss moves when nothing but the seed changes."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from scaling.laws.analysis import SeedNoise


def seed_noise(used: pd.DataFrame) -> tuple[SeedNoise, ...]:
    """Return the standard deviation of log loss over seeds, for every shape and horizon with two seeds or more.

    Shapes are told apart by parameters and FLOPs, so that equal counts in another shape are not taken for a seed.
    """
    if used.empty or "seed" not in used:
        return ()
    found = []
    for _, part in used.groupby(["params", "flops_train", "tokens"], sort=True):
        losses = part.groupby("seed")["loss_nats"].mean().to_numpy(dtype=float)
        if len(losses) > 1:
            std = float(np.std(np.log(losses), ddof=1))
            n, d = (float(part[c].iloc[0]) for c in ("params", "tokens"))
            found.append(SeedNoise(params=n, tokens=d, n_seeds=len(losses), std_log=std))
    return tuple(found)


def pooled(noise: Iterable[SeedNoise]) -> float | None:
    """Return the pooled standard deviation of log loss: root of the mean variance, weighted by seeds less one."""
    rows = list(noise)
    freedom = sum(r.n_seeds - 1 for r in rows)
    return float(np.sqrt(sum((r.n_seeds - 1) * r.std_log**2 for r in rows) / freedom)) if freedom else None
