"""Recovery on worlds whose truth is known, half of them outside the fitted form; and the optimum against scipy's.

    python benchmarks/laws_recovery.py --worlds 60 --resamples 200      # a minute or two
    python benchmarks/laws_recovery.py --worlds 334 --resamples 200     # a thousand studies, eight minutes of CPU
    python benchmarks/laws_recovery.py --against-scipy 200              # 64 L-BFGS starts each

Coverage is of 95 % bootstrap intervals by trial: of the exponents, and of the mean loss at the largest size with four
times its tokens. Where the world has no alpha of ours (interaction), only the loss can be covered. A study is *sound*
where the tool warns of nothing (its fit, and the test for an interaction of size and data), else *warned*.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.peers import best_of, random_starts
from support.worlds import INSIDE, OUTSIDE, World, random_world

from scaling.laws import Fit, fit_loss_surface
from scaling.laws.bootstrap import interval
from scaling.laws.choice import choose_form, interaction_warning
from scaling.laws.estimate import Problem, solve
from scaling.laws.forms import SURFACE
from scaling.laws.frontier import Surface

# Each outside kind once for every two worlds inside: half and half.
KINDS = tuple(kind for outside, inside in zip(OUTSIDE, INSIDE * 2, strict=True) for kind in (inside, outside))


GROUPS = (
    "inside",
    "outside",
    "inside, sound",
    "inside, warned",
    "outside, sound",
    "outside, warned",
    "sound",
    "warned",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=60, help="per number of trials")
    parser.add_argument("--trials", type=int, nargs="+", default=[24, 50, 100])
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--against-scipy", type=int, default=0, metavar="N", help="compare optima on N worlds instead")
    parser.add_argument("--starts", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.against_scipy:
        compare_optima(options.against_scipy, options.starts, options.seed)
    else:
        study(options.worlds, options.trials, options.resamples, options.seed)


def study(worlds: int, trials: list[int], resamples: int, seed: int) -> None:
    """Print bias and coverage by kind of world and number of trials."""
    print(f"{'world':18} {'trials':>6} {'worlds':>6} | coverage of 95 % intervals, bias in standard errors")
    print(f"{'':32} |  alpha          beta           a              loss at 4x tokens")
    for count in trials:
        cells: dict[str, dict[str, list[tuple[bool, float]]]] = defaultdict(lambda: defaultdict(list))
        for i in range(worlds):
            world = random_world(np.random.default_rng([seed, count, i]), KINDS[i % len(KINDS)], count)
            warned, scores = judge(world, resamples)
            side = "inside" if world.kind in INSIDE else "outside"
            for name, seen in scores.items():
                for group in (world.kind, side, f"{side}, {warned}", warned):
                    cells[group][name].append(seen)
        for group in (*INSIDE, *OUTSIDE, *GROUPS):
            if group in cells:
                print(
                    f"{group:18} {count:6d} {len(cells[group]['loss']):6d} |"
                    + "".join(map(_cell, _columns(cells[group])))
                )


def _columns(cells: dict[str, list[tuple[bool, float]]]) -> list[list[tuple[bool, float]]]:
    return [cells[name] for name in ("alpha", "beta", "a", "loss")]


def _cell(seen: list[tuple[bool, float]]) -> str:
    if not seen:
        return f"  {'–':13}"
    covered, bias = np.mean([c for c, _ in seen]), np.median([b for _, b in seen])
    return f"  {100 * covered:3.0f} % {bias:+5.2f}  "


def judge(world: World, resamples: int) -> tuple[str, dict[str, tuple[bool, float]]]:
    """Return whether the tool warned, and per quantity whether its interval holds the truth and by how much it errs."""
    fit = fit_loss_surface(world.params, world.tokens, world.losses, world.trials, resamples=resamples)
    n, d = world.params.max(), 4 * world.tokens[world.params == world.params.max()].max()
    found = {"loss": (float(world.loss(n, d)), Surface.of(fit).loss(np.array([[n]]), np.array([[d]]))[:, 0])}
    if world.kind != "interaction":
        alpha, beta = (_rows(fit, name) for name in ("alpha", "beta"))
        a, b = world.truth["alpha"], world.truth["beta"]
        found |= {"alpha": (a, alpha), "beta": (b, beta), "a": (b / (a + b), beta / (alpha + beta))}
    return _warned(world, fit), {name: _score(truth, rows) for name, (truth, rows) in found.items()}


def _warned(world: World, fit: Fit) -> str:
    used = pd.DataFrame(
        {
            "trial": world.trials,
            "params": world.params,
            "tokens": world.tokens,
            "flops_train": 6 * world.params * world.tokens,
            "loss_nats": world.losses,
        }
    )
    return "warned" if fit.warnings or interaction_warning(choose_form(used)) else "sound"


def _rows(fit: Fit, name: str) -> np.ndarray:
    return np.array([fit.params[name].value, *(draw[list(fit.params).index(name)] for draw in fit.draws)])


def _score(truth: float, rows: np.ndarray) -> tuple[bool, float]:
    found = interval(rows[0], rows[1:])
    covered = found.low is not None and found.high is not None and found.low <= truth <= found.high
    return covered, float((rows[0] - truth) / max(np.std(rows[1:]), 1e-12))


def compare_optima(worlds: int, starts: int, seed: int) -> None:
    """Print how many optima lie above the best of many L-BFGS runs by more than 1e-9 relative."""
    worse, unconverged, gaps = [], 0, []
    for i in range(worlds):
        rng = np.random.default_rng([seed, i])
        trials, horizons = ((8, 3), (24, 4), (50, 6))[i % 3]
        world = random_world(rng, KINDS[i % len(KINDS)], trials, horizons)
        logs = np.log(world.params), np.log(world.tokens), np.log(world.losses)
        problem = Problem.of(SURFACE, np.column_stack([world.params, world.tokens]), world.losses)
        found = solve(problem, np.ones(len(world.losses)))
        gap = found.value / best_of(random_starts(rng, starts, *logs), *logs) - 1
        gaps.append(gap)
        unconverged += not found.converged
        if gap > 1e-9:
            worse.append((i, world.kind, trials, f"{gap:.1e}"))
    better = sum(g < -1e-9 for g in gaps)
    print(f"{worlds} worlds against {starts} L-BFGS starts: worse {len(worse)}, better {better}, equal otherwise")
    print(f"gradient not vanishing: {unconverged}; largest gap {max(gaps):.1e}; worse: {worse}")


if __name__ == "__main__":
    main()
