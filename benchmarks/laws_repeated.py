"""The data-constrained law on the runs of Muennighoff et al. 2023 (2305.16264): R_D*, R_N*, and what four epochs cost.

The paper fits R_D* = 15.39 and R_N* = 5.31 to 182 runs, with the law of fresh data held at values fitted to
Chinchilla's curves on C4; which runs were left out is described, not listed. Here the rules are those of
``scaling.laws.repeated.usable``, and the law is held, or fitted along.

    python benchmarks/laws_repeated.py PATH/muennighoff2023_runs.csv [--resamples 100]
"""

import argparse

import numpy as np
import pandas as pd

from scaling.laws.repeated import (
    PUBLISHED,
    PUBLISHED_DECAY,
    fit_repeated,
    repeated_loss,
    usable,
    worth_of_epochs,
)
from scaling.laws.robust import DELTA, huber_sum

COLUMNS = ["params", "tokens", "unique_tokens", "loss"]


def span(interval):
    if interval.low is None:
        return f"{interval.value:.2f}"
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def fits(runs, resamples):
    values = [runs[c].to_numpy() for c in COLUMNS]
    fitted = repeated_loss(PUBLISHED, *values[:3], *PUBLISHED_DECAY)
    residual = np.log(fitted) - np.log(values[3])
    print(f"  published values as they stand: Huber sum {huber_sum(residual, DELTA):.5f}, "
          f"median log residual {np.median(residual):+.4f}")  # fmt: skip
    for name, options in (
        ("published law held", {"law": PUBLISHED}),
        ("law fitted along, alpha = beta", {}),
        ("law fitted along, alpha, beta free", {"tied": False}),
    ):
        fit = fit_repeated(*values, runs["cell"], resamples=resamples, **options)
        law = " ".join(f"{k} {v:.4g}" for k, v in fit.law.items())
        print(f"  {name}: R_D* {span(fit.data_decay)}  R_N* {span(fit.params_decay)}")
        print(f"    Huber sum {fit.objective_value:.5f}, median |log residual| {fit.residual_median:.4f}, "
              f"starts {fit.starts_agreed}/{fit.starts}, gradient {fit.gradient_norm:.0e}; {law}")  # fmt: skip
        print(f"    four epochs are worth {worth_of_epochs(fit.data_decay.value, 4):.2f} fresh ones")
        for warning in fit.warnings:
            print(f"    warning: {warning}")


def four_epochs(runs):
    """Compare runs of equal size and tokens, one pass against three to five, without any law."""
    once = runs[runs["epochs"] == 1].groupby(["params", "tokens"])["loss"].mean()
    several = runs[runs["epochs"].between(3, 5)].groupby(["params", "tokens", "epochs"])["loss"].mean()
    print("  N          D          epochs  loss   one epoch  change")
    for (n, d, epochs), loss in several.items():
        if (n, d) in once.index:
            one = once[n, d]
            print(f"  {n:<10.3g} {d:<10.3g} {epochs:<7.2f} {loss:.3f}  {one:.3f}      {loss / one - 1:+.2%}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs")
    parser.add_argument("--resamples", type=int, default=100)
    arguments = parser.parse_args()
    runs = pd.read_csv(arguments.runs)
    runs["cell"] = runs[COLUMNS[:3]].astype(str).agg(" ".join, axis=1)  # seeds of one cell are drawn together
    kept, left = usable(*(runs[c].to_numpy() for c in COLUMNS))
    print(f"{len(runs)} runs, {kept.sum()} usable; left out: " + ", ".join(f"{n} {why}" for why, n in left.items()))
    for name, part in (("usable", runs[kept]), ("usable, one seed", runs[kept & (runs["seed"] == 0)])):
        print(f"{name}: {len(part)} runs")
        fits(part, arguments.resamples)
    print("four epochs against one, no law:")
    four_epochs(runs)


if __name__ == "__main__":
    main()
