"""Tables of abilities as a store gives them, with known truths: a break, a threshold of the metric, a flat probe."""

import numpy as np
import pandas as pd

from scaling.store.columns import ABILITIES

SIZES = (3_600, 6_500, 10_300, 20_100, 33_400, 68_000, 115_000, 246_000, 500_000, 1_000_000)
_ITEMS = 500


def scores_of(kind, t):
    """Exact match and log-probability per answer token at each place of the range."""
    if kind == "break":
        loss = 2.3 * 10 ** (-5 * np.maximum(t - 0.45, 0))
    elif kind == "artefact":
        loss = 2.4 * (0.03 / 2.4) ** t
    else:
        loss = np.full_like(t, 2.3)
    return np.exp(-6 * loss), -loss


def ability_frame(probes=None, seeds=(0, 1), sizes=SIZES, horizons=(1_000_000, 2_000_000)):
    """One row per point and probe; ``probes`` maps a name to its kind."""
    probes = probes or {"lookup-4": "break", "program-4": "artefact", "hops-3": "flat"}
    rng = np.random.default_rng(0)
    t = np.log(np.array(sizes) / sizes[0]) / np.log(sizes[-1] / sizes[0])
    rows = []
    for seed in seeds:
        for n, at in zip(sizes, t, strict=True):
            for tokens in horizons:
                late = at * (1 if tokens == max(horizons) else 0.7)
                for name, kind in probes.items():
                    score, logprob = scores_of(kind, np.array([late]))
                    rows.append(
                        {
                            "trial": f"t{n}s{seed}",
                            "label": f"n{n} s{seed}",
                            "seed": seed,
                            "params_total": n,
                            "tokens": tokens,
                            "flops_train": 6.0 * n * tokens,
                            "loss_nats": 1.2 + 4 / n**0.2 + 30 / tokens**0.4,
                            "energy_gpu_j": None,
                            "probe": name,
                            "ability": {"lookup": "few-shot learning", "program": "coding"}.get(
                                name.split("-")[0], "reasoning"
                            ),
                            "items": _ITEMS,
                            "score": rng.binomial(_ITEMS, score[0]) / _ITEMS,
                            "token_accuracy": float(np.exp(logprob[0])),
                            "logprob": logprob[0] * np.exp(0.02 * rng.normal()),
                            "brier": 0.5,
                            "floor": 0.0,
                            "chance": 0.0,
                            "majority": 0.0,
                            "format_only": 0.0,
                            "format_logprob": -2.3,
                        }
                    )
    return pd.DataFrame(rows, columns=[*ABILITIES])
