"""A thousand random kills over many small sweeps: nothing is lost, nothing is published twice, little is repeated.

    python benchmarks/kill_storm.py --kills 1000

Runners, forges, supervisors and trials, real processes all, die by SIGKILL at random moments. The trials train nothing
(a step is a pause of 20 ms and a line of the curve; a checkpoint every 10 steps), so that a thousand take minutes;
``--real`` kills a sweep of real models as well and holds its table, bit for bit, against the unbroken one.
"""

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HOME = Path(__file__).parents[1]
sys.path[:0] = [str(HOME), str(HOME / "tests"), str(HOME / "tests" / "faults")]

from support.storm import Storm  # noqa: E402  # after the path to it
from support.storm_of_models import kill_a_real_sweep  # noqa: E402


def storm(folder, seed, kills):
    return Storm(folder, seed).run(kills)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=4, help="storms side by side")
    parser.add_argument("--real", type=int, default=20, help="kills of a sweep of real models")
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    began = time.monotonic()
    share = -(-options.kills // options.jobs)
    with tempfile.TemporaryDirectory(prefix="storm ") as name, ProcessPoolExecutor(options.jobs) as pool:
        folder = Path(name)
        storms = [pool.submit(storm, folder / str(i), options.seed + i, share) for i in range(options.jobs)]
        tally = storms[0].result()
        for other in storms[1:]:
            tally += other.result()
        print(f"{tally.total} kills in {(time.monotonic() - began) / 60:.1f} min", file=sys.stderr)
        real = kill_a_real_sweep(folder, options.real, options.seed) if options.real else None
    rows = {
        "seed": tally.seed,
        "kills": {**tally.kills, "total": tally.total},
        "sweeps": tally.sweeps,
        "trials": tally.trials,
        "attempts": tally.attempts,
        "most_attempts_of_a_trial": tally.most_attempts,
        "steps": tally.steps,
        "steps_repeated": tally.steps_repeated,
        "most_steps_repeated_at_once": tally.worst_repeat,
        "checkpoint_interval_steps": 10,
        "faults": tally.faults,
        "real": real,
        "seconds": round(time.monotonic() - began, 1),
    }
    text = json.dumps(rows, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 1 if tally.faults or (real and real["faults"]) else 0


if __name__ == "__main__":
    sys.exit(main())
