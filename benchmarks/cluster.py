"""The scheduling code at a scale that is not to hand: 10,000 trials on 1,024 GPUs, with failures, in simulated time.

python benchmarks/cluster.py [--trials 10000] [--gpus 1024] [--failures 0.01]
"""

import argparse
import resource
import time

import numpy as np

from scaling.executor.simulated import Cluster, Load, simulate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--gpus", type=int, default=1024)
    parser.add_argument("--failures", type=float, default=0.01, help="per GPU-hour")
    options = parser.parse_args()
    seconds = np.sort(np.random.default_rng(0).lognormal(np.log(1800), 1.0, options.trials))[::-1]
    loads = [
        Load(id=f"{i:016x}", label=f"t{i}", flops=1.0, seconds=s, energy_j=600 * s)
        for i, s in enumerate(seconds.tolist())
    ]
    began = time.monotonic()
    found = simulate(loads, Cluster(gpus=options.gpus, failures_per_gpu_hour=options.failures))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{options.trials:,} trials on {options.gpus:,} GPUs: {time.monotonic() - began:.1f} s, peak {peak:.2f} GiB")
    print(found)


if __name__ == "__main__":
    main()
