"""Does the quickstart's law predict a size it has not seen, on seeds it has never met?

Runs the quickstart with its seeds replaced by fresh ones (0 by S, 1 by S + 1), in a store of its own, and prints the
error of predicting the largest size from the others (whole trunk left out), beside the error of "same loss as the next
smaller size at the same tokens". Cuts and recipe are those of the sweep file: nothing is chosen after looking.

    python benchmarks/fresh_seeds.py [--seeds 701 801 901] [--out runs]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

SWEEP = Path(__file__).parents[1] / "sweeps" / "quickstart.yaml"


def sweep_of(seed, folder):
    """Write the quickstart with every seed moved up by ``seed``; returns its path."""
    yaml = YAML()
    spec = yaml.load(SWEEP)
    spec["name"] = f"fresh-{seed}"
    for block in spec["trials"]:
        block["ladder"]["seeds"] = [seed + s for s in block["ladder"]["seeds"]]
    path = folder / f"fresh-{seed}.yaml"
    with path.open("w") as file:
        yaml.dump(spec, file)
    return path


def scaling(*arguments, **options):
    return subprocess.run([sys.executable, "-m", "scaling", *map(str, arguments)], check=True, **options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[701, 801, 901])
    parser.add_argument("--out", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"{'seed':>6} {'mean':>7} {'largest':>8} {'next smaller':>13} {'ratio':>6}")
    for seed in arguments.seeds:
        store = arguments.out / f"fresh-{seed}"
        scaling("run", sweep_of(seed, arguments.out), "--out", store, "--yes", stdout=subprocess.DEVNULL)
        fit = json.loads(scaling("fit", store, "--json", stdout=subprocess.PIPE).stdout)
        held = fit["heldout"]
        mean, naive = held["mean_abs_error"], held["naive_mean_abs_error"]
        print(f"{seed:6} {mean:7.2%} {held['max_abs_error']:8.2%} {naive:13.2%} {mean / naive:6.2f}", flush=True)


if __name__ == "__main__":
    main()
