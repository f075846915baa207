"""How long a table of many rows takes ``scaling fit``, from the file to the printed laws, and how much memory.

    OMP_NUM_THREADS=1 python benchmarks/laws_tables.py                      10,000 rows, quick and full; 1,000,000 rows

Rows are logged losses of runs drawn from a known law with noise within and between runs. Each line is a process of its
own: wall and CPU seconds, peak memory. The first line is L(N,D) alone, imports apart: a point fit, 1,000 resamples.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = ((500, 20), (5000, 200))  # runs, logged losses of each


def table(runs: int, steps: int) -> pd.DataFrame:
    """Return logged losses of Chinchilla's law."""
    rng = np.random.default_rng(1)
    params = np.exp(rng.uniform(np.log(4e7), np.log(1e10), runs))
    tokens = params * np.exp(rng.uniform(np.log(2), np.log(200), runs))
    run = np.repeat(np.arange(runs), steps)
    n, d = params[run], tokens[run] * np.tile(np.arange(1, steps + 1) / steps, runs)
    noise = 0.003 * rng.normal(size=runs)[run] + 0.004 * rng.normal(size=len(run))
    loss = (1.69 + 406.4 / n**0.34 + 410.7 / d**0.28) * np.exp(noise)
    return pd.DataFrame({"run": run, "params": n.round(), "tokens": d.round(), "loss": loss.round(5)})


def time_library(frame: pd.DataFrame) -> None:
    """Print the time of L(N,D) alone."""
    from scaling.laws import fit_loss_surface

    wall, cpu = time.perf_counter(), time.process_time()
    fit_loss_surface(frame["params"], frame["tokens"], frame["loss"], frame["run"], resamples=1000)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{len(frame):,} rows, L(N,D), 1,000 resamples: {wall:.1f} s, {cpu:.1f} s of CPU")


def time_command(path: Path, rows: int, *options: str) -> None:
    """Print the time and memory of ``scaling fit`` on a file."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "scaling", "fit", path, *options], stdout=-3, stderr=-3)
    _, status, used = os.wait4(process.pid, 0)
    wall, cpu, peak = time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20
    words = " ".join(options)
    print(f"{rows:,} rows, scaling fit {words}: {wall:.1f} s, {cpu:.1f} s of CPU, peak {peak:.2f} GiB, exit {status}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for runs, steps in ROWS:
            frame, path = table(runs, steps), Path(folder, f"{runs * steps}.csv")
            frame.to_csv(path, index=False)
            if len(frame) <= 10_000:
                time_library(frame)
                time_command(path, len(frame), "--steps", "all", "--full")
            time_command(path, len(frame), "--steps", "all", "--quick")


if __name__ == "__main__":
    main()
