"""Points of a made-up sweep whose true law is known, in the columns of the store."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

TRUTH = {"E": 0.8, "A": 30.0, "B": 900.0, "alpha": 0.38, "beta": 0.5}
SIZES = (3_600, 6_500, 10_000, 20_000, 33_000, 68_000, 115_000, 246_000)
HORIZONS = tuple(float(round(2.26e6 * 2.0 ** (-k / 2))) for k in reversed(range(7)))


def true_loss(params: float, tokens: float, truth: dict[str, float] = TRUTH) -> float:
    """Return the loss of the true law."""
    return truth["E"] + truth["A"] / params ** truth["alpha"] + truth["B"] / tokens ** truth["beta"]


def two_seeds_when_small(params: float) -> int:
    """Return the seeds of a size: a second one where it is cheap."""
    return 2 if params <= 70_000 else 1


def sweep_points(
    *,
    sizes: Sequence[float] = SIZES,
    horizons: Sequence[float] = HORIZONS,
    seeds: Callable[[float], int] = two_seeds_when_small,
    noise: float = 0.006,
    trunk_share: float = 0.7,
    rng_seed: int = 0,
    loss: Callable[[float, float], float] = true_loss,
) -> pd.DataFrame:
    """Return the points of a ladder; ``trunk_share`` of the noise variance is common to all points of a trial."""
    rng = np.random.default_rng(rng_seed)
    rows = []
    for n in sizes:
        for seed in range(seeds(n)):
            common = rng.normal() * noise * np.sqrt(trunk_share)
            for d in horizons:
                own = rng.normal() * noise * np.sqrt(1 - trunk_share)
                rows.append(_row(n, seed, d, float(loss(n, d) * np.exp(common + own))))
    return pd.DataFrame(rows)


def _row(n: float, seed: int, d: float, loss: float) -> dict[str, object]:
    per_token = 6 * (n - 1000) + 200 * np.sqrt(n)
    return {
        "trial": f"t{n:g}-{seed}",
        "label": f"n{n:g} s{seed}",
        "family": "gpt",
        "seed": seed,
        "params_total": n,
        "params_non_embedding": 0.8 * n,
        "params_matmul": 0.9 * n,
        "tokens": d,
        "tokens_unique": d,
        "epochs": 1.0,
        "tokens_per_param": d / n,
        "flops_train": per_token * d,
        "flops_train_full_attention": 1.1 * per_token * d,
        "flops_6nd": 6.0 * n * d,
        "loss_nats": loss,
        "loss_se_nats": 0.005,
        "bpb": loss / np.log(2),
        "anneal": "average",
        "train_s": 1.0,
        "energy_gpu_j": None,
        "energy_gpu_provenance": "unavailable",
        "energy_gpu_shared": False,
        "state": "done",
        "validation_fingerprint": "validation",
        "data_fingerprint": "data",
    }


def trials_of(points: pd.DataFrame, lr_hidden: float = 0.02, lr_embedding: float = 0.03) -> pd.DataFrame:
    """Return the trials of the points, all of one recipe."""
    trials = points.drop_duplicates("trial")[["trial", "label", "family", "seed", "state", "params_total"]]
    return trials.assign(lr_hidden=lr_hidden, lr_embedding=lr_embedding).reset_index(drop=True)
