"""What came after pre-training as a store gives it, with known truths."""

import numpy as np
import pandas as pd

from scaling.store.columns import BEST_OF, TUNED

SIZES = (10_000, 33_000, 115_000)
ITEMS, SCRATCH = (16, 64, 256), (16, 64, 256, 1024, 4096, 16_384)
COMPARISONS = (100, 1000)
D = (0.3, 0.6, 1.0, 1.5, 2.2, 3.0)


def loss_of(items):
    """Test loss from random weights after so many items."""
    return 3.0 * np.asarray(items, dtype=float) ** -0.4


def transferred(items, params, k=0.05, alpha=0.5, beta=0.4):
    """The true data transferred."""
    return k * items**alpha * params**beta


def finetune_frame(seeds=(0, 1), sizes=SIZES, items=ITEMS, worth=transferred):
    """Fine-tuned models and their curves from random weights; two horizons each, of which the first is worse."""
    rows = []
    for seed in seeds:
        for n in sizes:
            tuned = [("finetune", d, float(loss_of(d + worth(d, n)))) for d in items]
            for method, d, loss in [*tuned, *(("scratch", d, float(loss_of(d))) for d in SCRATCH)]:
                rows += [
                    _row(n, seed, method, "finetune", step, items=d, answer_loss_nats=loss * (2 - step))
                    for step in (0, 1)
                ]
    return pd.DataFrame(rows, columns=[*TUNED])


def preference_frame(a=0.2, b=None, seeds=(0, 1), sizes=SIZES, comparisons=COMPARISONS, d=D, methods=("rloo", "dpo")):
    """Policies whose gold gain is d (a - b ln d); ``b`` by number of comparisons."""
    b = {100: 0.4, 1000: 0.1} if b is None else b
    rows = []
    for seed in seeds:
        for n in sizes:
            for m in comparisons:
                for method in methods:
                    for step, x in enumerate(d):
                        gain = float(x * (a - b[m] * np.log(x)))
                        gold = {"gold": 0.5 + gain, "gold_even": 0.5 + gain, "gold_odd": 0.5 + gain}
                        far = {"kl_nats": x * x, "kl_se_nats": 0.02, "kl_per_token_nats": x * x / 8, "proxy": 0.4 * x}
                        start = {"gold_start": 0.5, "proxy_start": 0.0, "gold_se": 0.01, "proxy_se": 0.02}
                        more = {"comparisons": m, "reward_accuracy": 0.7, "kl_weight": 0.02}
                        rows.append(_row(n, seed, method, "rlhf", step, items=64, **gold, **far, **start, **more))
    return pd.DataFrame(rows, columns=[*TUNED])


def best_of_frame(a=0.1, b=0.02, seeds=(0, 1), sizes=SIZES, comparisons=COMPARISONS):
    """Best-of-n whose gold gain is d (a - b d)."""
    rows = []
    for seed in seeds:
        for size in sizes:
            for m in comparisons:
                for n in (1, 2, 4, 8, 16, 32):
                    kl = np.log(n) - (n - 1) / n
                    gold = 0.5 + kl**0.5 * (a - b * kl**0.5)
                    rows.append(
                        {
                            "trial": f"r{size}{m}s{seed}", "label": "x", "seed": seed, "params_total": size,
                            "comparisons": m, "n": n, "kl_nats": kl, "proxy": kl, "gold": gold, "gold_se": 0.01,
                        }
                    )  # fmt: skip
    return pd.DataFrame(rows, columns=[*BEST_OF])


def _row(params, seed, method, stage, step, **more):
    name = f"{method} {params} {more.get('items')} {more.get('comparisons', '')} s{seed}"
    return {
        "trial": name.replace(" ", ""), "label": name, "stage": stage, "method": method, "seed": seed,
        "params_total": params, "probe": "dictionary-32", "step": step, "tokens": 1000 * (step + 1),
        "flops_train": 6.0 * params * 1000 * (step + 1), "loss_nats": 3.0, "exact_match": 0.5, "floor": 0.0, **more,
    }  # fmt: skip
