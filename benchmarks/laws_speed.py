"""Speed of the fit on the 240 points of Hoffmann et al. 2022, one core, against peers doing the same work.

    OMP_NUM_THREADS=1 python benchmarks/laws_speed.py [--data chinchilla_fig4.csv] [--peer-starts 4500]

Medians of CPU seconds; imports apart. The peer is scipy's L-BFGS-B from the 4,500 starts of the original study, with
analytic gradients (finite differences would be slower). The package ``chinchilla`` is timed too where it is installed;
it is never needed. With fewer ``--peer-starts`` the peer's time is scaled up, and said so.
"""

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.peers import HOFFMANN_GRID, best_of, hoffmann_starts

from scaling.laws.estimate import Problem, solve, solve_resamples
from scaling.laws.forms import SURFACE

DATA = Path(__file__).parents[2] / "shared" / "data" / "chinchilla_fig4.csv"
DROPPED = 5  # of the highest loss, as in Besiroglu et al. 2024 (2404.10102)
RESAMPLES = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--peer-starts", type=int, default=4500)
    parser.add_argument("--repeats", type=int, default=3, help="of the bootstraps")
    options = parser.parse_args()
    frame = pd.read_csv(options.data).sort_values("loss").iloc[:-DROPPED]
    params, flops = frame["Model Size"].to_numpy(dtype=float), frame["Training FLOP"].to_numpy(dtype=float)
    points = np.column_stack([params, flops / 6 / params]), frame["loss"].to_numpy(dtype=float)
    cold = time_ours(*points, options.repeats)
    time_scipy(*points, options.peer_starts, cold)
    time_chinchilla(*points, cold)


def median(work: Callable[[], object], repeats: int) -> float:
    """Return the median CPU time of some runs."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def time_ours(variables: np.ndarray, losses: np.ndarray, repeats: int) -> float:
    """Print and return the time of the cold fit; print those of the refits."""
    ones = np.ones(len(losses))
    found = solve(Problem.of(SURFACE, variables, losses), ones)
    cold = median(lambda: solve(Problem.of(SURFACE, variables, losses), ones), 31)
    print(f"cold global fit, {found.starts} starts of 144 cells: {1e3 * cold:.2f} ms, objective {found.value:.13e}")
    problem = Problem.of(SURFACE, variables, losses)
    weights = np.random.default_rng(0).multinomial(len(losses), ones / len(losses), size=RESAMPLES).astype(float)
    for cells in (0, 8):
        worst = solve_resamples(problem, weights, found.theta, cells)[1].max()
        seconds = median(lambda cells=cells: solve_resamples(problem, weights, found.theta, cells), repeats)
        print(f"{RESAMPLES} refits from {cells + 1} starts: {seconds:.3f} s, largest relative gradient {worst:.0e}")
    return cold


def time_scipy(variables: np.ndarray, losses: np.ndarray, number: int, cold: float) -> None:
    """Time L-BFGS-B from the original study's starts, evenly thinned to ``number``."""
    starts = hoffmann_starts()
    chosen = starts[np.linspace(0, len(starts) - 1, number).round().astype(int)]
    start = time.process_time()
    value = best_of(chosen, *np.log(variables).T, np.log(losses))
    seconds = (time.process_time() - start) * len(starts) / number
    scaled = "" if number == len(starts) else f" (from {number})"
    print(f"scipy, {len(starts)} starts{scaled}: {seconds:.1f} s, objective {value:.13e}, ratio {seconds / cold:,.0f}")


def time_chinchilla(variables: np.ndarray, losses: np.ndarray, cold: float) -> None:
    """Time the package ``chinchilla`` on the same points, starts and objective."""
    if importlib.util.find_spec("chinchilla") is None:
        print("chinchilla: not installed")
        return
    from chinchilla import Chinchilla

    def log_huber(seen: np.ndarray, fitted: np.ndarray) -> np.ndarray:
        size = np.abs(np.log(fitted) - np.log(seen))
        return np.where(size <= 1e-3, size**2 / 2, 1e-3 * (size - 5e-4))

    grid = {{"a": "A", "b": "B", "e": "E"}.get(k, k): v for k, v in HOFFMANN_GRID.items()}
    grid = {k: list(np.exp(v) if k in "ABE" else v) for k, v in grid.items()}
    with tempfile.TemporaryDirectory() as folder:
        n, d = variables.T
        pd.DataFrame({"C": 6 * n * d, "N": n, "D": d, "loss": losses}).to_csv(Path(folder) / "df.csv", index=False)
        model = Chinchilla(folder, param_grid={k: grid[k] for k in ("E", "A", "B", "alpha", "beta")}, loss_fn=log_huber)
        start = time.perf_counter()
        model.fit(parallel=False)
        seconds = time.perf_counter() - start
    print(f"chinchilla, 4500 starts: {seconds:.1f} s, ratio {seconds / cold:,.0f}")


if __name__ == "__main__":
    main()
