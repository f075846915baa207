"""Confusion of the emergence detector on simulated worlds, half of them outside its own forms.

    python benchmarks/emergence_worlds.py                    # 40 worlds per cell: some ten minutes on one core
    python benchmarks/emergence_worlds.py --worlds 10        # a look

Five to twelve sizes over three decades, 500 items, three seeds, seeds scattering ln(loss) by 1 to 8 %. A verdict is
*right* when it is the class's word, *open* when it is "not resolved". A rise invented in a flat or smooth world is a
false alarm, of `verdict` or of `shape_call` on the score alone.
"""

import argparse
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.emergence_worlds import CLASSES, draw_world

from scaling.laws.emergence import verdict

RIGHT = {
    "flat": {"flat"},
    "smooth": {"smooth"},
    "artefact": {"threshold of the metric"},
    "break weak": {"unpredicted rise"},
    "break moderate": {"unpredicted rise"},
    "break strong": {"unpredicted rise"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=40, help="per class, number of sizes and noise")
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 6, 8, 10, 12])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.01, 0.03, 0.08])
    parser.add_argument("--only", nargs="+", choices=CLASSES, default=CLASSES, help="these classes")
    parser.add_argument("--one-seed", action="store_true", help="show the detector one of the three seeds")
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    words: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    alone: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    places: dict[tuple[str, bool, float], Counter[str]] = defaultdict(Counter)
    for kind in options.only:
        for sizes in options.sizes:
            for noise in options.noise:
                for i in range(options.worlds):
                    rng = np.random.default_rng([options.seed, CLASSES.index(kind), sizes, int(1000 * noise), i])
                    world = draw_world(rng, kind, sizes, outside=bool(i % 2), noise=noise)
                    seen = world.seeds == world.seeds[0] if options.one_seed else slice(None)
                    found = verdict(
                        world.x[seen], world.score[seen], logprob=world.logprob[seen], seeds=world.seeds[seen],
                        n_items=world.n_items, floor=world.floor, simulations=options.simulations,
                    )  # fmt: skip
                    words[kind, sizes][found.word.value] += 1
                    alone[kind, sizes][found.score.call.value] += 1
                    if sizes >= 8:
                        places[kind, world.outside, noise][found.word.value] += 1
    show(words, "verdict")
    show(alone, "shape_call on the score alone")
    print("\nverdict at 8 sizes and more, by form and noise: share right (open)")
    for (kind, outside, noise), seen in places.items():
        right, open_ = share(kind, seen)
        form = "outside" if outside else "inside"
        print(f"  {kind:15} {form:8} noise {noise:.0%}: {right:6.1%} ({open_:.1%})  {dict(seen)}")


def share(kind: str, seen: "Counter[str]") -> tuple[float, float]:
    total = sum(seen.values())
    return sum(seen[w] for w in RIGHT[kind]) / total, seen["not resolved"] / total


def show(cells: "dict[tuple[str, int], Counter[str]]", title: str) -> None:
    print(f"\n{title}: share right, (open); then the words")
    quiet = Counter[str]()
    for (kind, n), seen in cells.items():
        right, open_ = share(kind, seen)
        print(f"  {kind:15} {n:2} sizes: {right:6.1%} ({open_:.1%})  {dict(seen)}")
        if kind in ("flat", "smooth"):
            quiet += seen
    if quiet:
        rises, worlds = quiet["unpredicted rise"], sum(quiet.values())
        print(f"  false rises in flat and smooth worlds: {rises} of {worlds} ({rises / worlds:.2%})")


if __name__ == "__main__":
    main()
