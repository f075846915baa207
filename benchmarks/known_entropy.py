"""Does the fit find a floor that is known? The shipped sweep on made-up languages, and what the finding on E says.

    python benchmarks/known_entropy.py

For each language: the exact conditional entropy at this context, the interval of E, and the finding. Either the entropy
lies inside the interval, or the finding says that E is not identified; anything else exits 1.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

LANGUAGES = {
    "markov, order 1": ("data.markov.order=1",),
    "markov, order 2": (),
    "grammar": ("data.source=grammar",),
    "melodies": ("data.source=melodies",),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="keep the stores here")
    parser.add_argument("--resamples", type=int, default=1000)
    args = parser.parse_args()
    honest = True
    with tempfile.TemporaryDirectory() as temporary:
        for name, sets in LANGUAGES.items():
            store = (args.out or Path(temporary)) / name.replace(", ", "-").replace(" ", "")
            finding = find(store, sets, args.resamples)
            truth, floor = finding["numbers"]["entropy_nats"], finding["numbers"]["E"]
            inside = floor["low"] <= truth <= floor["high"]
            told = inside or "not identified" in finding["sentence"]
            honest &= told
            print(
                f"{name}: entropy {truth:.4f}, E {floor['value']:.4f} [{floor['low']:.4f}, {floor['high']:.4f}],",
                end=" ",
            )
            print(f"lowest loss {finding['numbers']['lowest_loss']:.4f}: {finding['grade']}")
            print(f"  {finding['sentence']}", flush=True)
    return 0 if honest else 1


def find(store: Path, sets: tuple[str, ...], resamples: int) -> dict:
    """Run the sweep (or go on with it) and return the finding on the floor."""
    scaling = [sys.executable, "-m", "scaling"]
    options = [part for one in sets for part in ("--set", one)]
    run = [*scaling, "run", "known-entropy", *options, "--out", str(store), "--yes", "--no-report"]
    subprocess.run(run, check=True, stdout=sys.stderr)
    fit = [*scaling, "fit", str(store), "--json", "--resamples", str(resamples)]
    document = json.loads(subprocess.run(fit, check=True, stdout=subprocess.PIPE).stdout)
    return next(f for f in document["findings"] if f["id"] == "irreducible_loss")


if __name__ == "__main__":
    sys.exit(main())
