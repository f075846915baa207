"""Published runs: fit the small ones of Gadre et al. 2024 (2403.08540), predict the large ones.

    python benchmarks/laws_real_data.py [--data gadre2024_runs.csv]

Per corpus: free and tied exponents, by least squares in the loss (theirs) and Huber on its log, from the five small
runs that they chose and from all runs below 1e9 parameters; the signed error of the predicted C4 loss of the 1.4B run
of most tokens and of the 6.9B run, and whether a 90 % prediction interval holds it: as it comes, and stretched by what
roll-outs on the small runs needed. Five runs are too few for an interval by resampling, and then none is given.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws import Fit, Interval
from scaling.laws.fit import fit_sample
from scaling.laws.forms import SURFACE, PowerLaw
from scaling.laws.objectives import Objective, objective
from scaling.laws.prediction import predict_loss
from scaling.laws.rollout import roll_out, stretch_needed
from scaling.laws.surface import surface_sample

DATA = Path(__file__).parents[2] / "shared" / "data" / "gadre2024_runs.csv"
LEVEL = 0.9
_MIN_TRIALS = 10  # for an interval by resampling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--resamples", type=int, default=400)
    options = parser.parse_args()
    runs = pd.read_csv(options.data).rename(
        columns={"run": "trial", "loss_c4_val": "loss_nats", "flops": "flops_train"}
    )
    laws = {"tied": SURFACE.constrained(tied=True), "free": SURFACE}
    goals = (objective("ls_linear"), objective("huber_log"))
    for corpus, rows in runs.groupby("dataset"):
        small, large = rows[rows["params"] < 1e9], large_runs(rows)
        for what, part in (("their five", their_five(small)), ("all small", small)):
            for kind, law in laws.items():
                for goal in goals:
                    show(f"{corpus:12} {what:10} {kind} {goal.kind:9}", law, goal, part, large, options.resamples)
        for goal in goals:
            show_rollouts(str(corpus), small, goal)


def their_five(small: pd.DataFrame) -> pd.DataFrame:
    """Return the four small sizes at 20 tokens per parameter, and the smallest at 320."""
    smallest = small["params"] == small["params"].min()
    return small[(small["tok_mult"] == 20) | (smallest & (small["tok_mult"] == 320))]


def large_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the 1.4B run of most tokens per parameter, and the 6.9B run."""
    large = rows[rows["params"] > 1e9].sort_values(["params", "tok_mult"])
    return large.groupby("params").tail(1)


def show(label: str, law: PowerLaw, goal: Objective, part: pd.DataFrame, large: pd.DataFrame, resamples: int) -> None:
    """Print one row of the table."""
    try:
        fit = fit_sample(law, surface_sample(part), goal=goal, resamples=resamples if len(part) >= _MIN_TRIALS else 0)
    except NotEnoughData as error:
        print(f"{label} {len(part):3d} runs: {error.what}")
        return
    cells = [_cell(run, *_intervals(fit, law, goal, part, run)) for _, run in large.iterrows()]
    print(f"{label} {len(part):3d} runs: " + "; ".join(cells))


def _intervals(
    fit: Fit, law: PowerLaw, goal: Objective, part: pd.DataFrame, run: "pd.Series[float]"
) -> tuple[Interval, Interval]:
    factor = run["flops_train"] / part["flops_train"].max()
    stretch = stretch_needed(roll_out(part, law=law, goal=goal, level=LEVEL), factor) if fit.draws else 1.0
    at = [run["params"]], [run["tokens"]]
    return predict_loss(fit, *at, level=LEVEL)[0], predict_loss(fit, *at, level=LEVEL, stretch=stretch)[0]


def _cell(run: "pd.Series[float]", plain: Interval, stretched: Interval) -> str:
    error = f"{run['params'] / 1e9:.1f}B M={run['tok_mult']:g} {100 * (plain.value / run['loss_nats'] - 1):+.4f} %"
    if plain.low is None:
        return error
    return f"{error} (90 %: {_holds(plain, run['loss_nats'])}, stretched: {_holds(stretched, run['loss_nats'])})"


def _holds(found: Interval, seen: float) -> str:
    assert found.low is not None
    assert found.high is not None
    width = 50 * float(np.log(found.high / found.low))
    return f"{'in' if found.low <= seen <= found.high else 'OUT'} ±{width:.1f} %"


def show_rollouts(corpus: str, small: pd.DataFrame, goal: Objective) -> None:
    """Print error and coverage of every cut of the small runs."""
    for row in roll_out(small, goal=goal, level=LEVEL):
        print(
            f"{corpus:12} roll-out   {goal.kind:9} {row.n_fitted:3d} runs to {row.cut_flops:.1e} FLOPs, "
            f"{row.extrapolation_factor:6.1f}x: error {100 * row.mean_abs_error:.2f} %, "
            f"coverage {100 * row.coverage:.0f} %, stretch {row.stretch:.2f}"
        )


if __name__ == "__main__":
    main()
