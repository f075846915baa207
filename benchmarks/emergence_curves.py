"""The emergence detector on real curves, against labels given by eye before it saw them.

    git clone https://github.com/EleutherAI/pythia && git clone https://github.com/ryoungj/ObsScaling
    git clone https://github.com/mlfoundations/scaling gadre && git clone https://github.com/EleutherAI/lm-evaluation-harness
    git clone https://github.com/allenai/OLMo && git clone https://github.com/wschella/lass
    git clone https://github.com/bigscience-workshop/bigscience
    python benchmarks/emergence_curves.py --pythia pythia --observations ObsScaling --gadre gadre \\
        --harness lm-evaluation-harness --olmo OLMo --lass lass --bigscience bigscience
    python benchmarks/emergence_curves.py … --set 19 --sheets sheets   # the plots and the guide, to label anew

Curves (`real_curves.py`): nineteen sets. Between most of them the detector was changed for what they had shown; the
last two met the rules blind as they are (`README.md`).

Labels (`emergence_labels.csv`): two readers, language models both, saw each curve as a numbered plot with its chance
level and binomial errors, without the names of task or family and without the detector's answer. Where they differ, a
curve is in no agreed set.
"""

import argparse
import csv
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean, median

from curve_sources import Measured
from real_curves import SETS, Clones

from scaling.laws.emergence import shape_call

LABELS = Path(__file__).with_name("emergence_labels.csv")
CLASSES = ("flat", "smooth", "unpredicted rise", "falls", "falls then rises")
HEIGHTS = (0.2, 0.1, 0.05)  # of a rise: classes by which the recall is told

GUIDE = """\
Each numbered plot is one score of one model family against scale (logarithmic). The dotted line is chance, where it is
known; the bars are 95 % binomial errors, where items are counted. values.txt holds the numbers. Give every curve one of
five labels:

flat              no change that the errors and the scatter of neighbouring points do not explain
smooth            rises, be it little, and a reader who saw only the smaller scales and went on as they go would have
                  expected about the scores of the larger; a rise that gathers pace step by step, and is under way by
                  the middle of the range, is smooth
unpredicted rise  cover what lies right of the middle of the range, or a little less: what remains shows nothing or next
                  to nothing of the rise, and a reader who went on as it goes would have missed the larger scales by
                  three points of a hundred or more, far beyond the errors
falls             the larger scales score less than the smaller, beyond the errors
falls then rises  both legs beyond the errors

One odd point is noise. Judge the range that is drawn, not what may lie beyond it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythia", type=Path, required=True, help="a clone of EleutherAI/pythia, bare or not")
    parser.add_argument("--observations", type=Path, required=True, help="a clone of ryoungj/ObsScaling, bare or not")
    parser.add_argument("--gadre", type=Path, required=True, help="a clone of mlfoundations/scaling, bare or not")
    parser.add_argument("--harness", type=Path, required=True, help="a clone of EleutherAI/lm-evaluation-harness")
    parser.add_argument("--olmo", type=Path, required=True, help="a clone of allenai/OLMo with its branches")
    parser.add_argument("--lass", type=Path, required=True, help="a clone of wschella/lass, bare or not")
    parser.add_argument("--bigscience", type=Path, required=True, help="a clone of bigscience-workshop/bigscience")
    parser.add_argument("--set", type=int, choices=SETS, help="only one of the sets")
    parser.add_argument("--sheets", type=Path, help="draw the numbered plots for a reader into this folder, and stop")
    parser.add_argument("--simulations", type=int, default=1000)
    options = parser.parse_args()
    clones = Clones(
        pythia=options.pythia, observations=options.observations, gadre=options.gadre, harness=options.harness,
        olmo=options.olmo, lass=options.lass, bigscience=options.bigscience,
    )  # fmt: skip
    sets = {n: list(gather(clones)) for n, gather in SETS.items() if options.set in (None, n)}
    if options.sheets is not None:
        curves = [c for found in sets.values() for c in found]
        random.Random(2405).shuffle(curves)  # neighbours share nothing
        draw(curves, options.sheets)
        return
    judge(sets, options.simulations)


def draw(curves: list[Measured], folder: Path, per_sheet: int = 12) -> None:
    """Sheets of numbered plots without names, and the numbers behind them."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "guide.txt").write_text(GUIDE)
    with (folder / "values.txt").open("w") as out:
        for i, curve in enumerate(curves):
            at = " ".join(f"{x:.3g}:{y:.4f}" for x, y in zip(curve.x, curve.score, strict=True))
            out.write(f"c{i:03d} chance={curve.floor} items={curve.n_items} {at}\n")
    for start in range(0, len(curves), per_sheet):
        part = curves[start : start + per_sheet]
        grid = make_subplots(rows=3, cols=4, subplot_titles=[f"c{start + i:03d}" for i in range(len(part))])
        for i, curve in enumerate(part):
            items = curve.n_items or float("inf")  # no bars where they are not counted
            error = [1.96 * (max(y * (1 - y), 0.0) / items) ** 0.5 for y in curve.score]
            line = go.Scatter(x=curve.x, y=curve.score, error_y={"array": error}, mode="lines+markers")
            place = {"row": i // 4 + 1, "col": i % 4 + 1}
            grid.add_trace(line, **place)
            if curve.floor is not None:
                grid.add_hline(y=curve.floor, line_dash="dot", **place)
            top, low = max(curve.score), min([*curve.score, curve.floor or 1.0])
            room = max(0.1 - (top - low), 0.0) / 2 + 0.02
            grid.update_yaxes(range=[low - room, top + room], **place)
        grid.update_xaxes(type="log")
        grid.update_layout(width=1500, height=1000, showlegend=False, margin={"l": 40, "r": 20, "t": 40, "b": 30})
        grid.write_html(folder / f"sheet{start // per_sheet:02d}.html")


def judge(sets: dict[int, list[Measured]], simulations: int) -> None:
    with LABELS.open() as file:
        labels = {row["curve"]: (row["first"], row["second"]) for row in csv.DictReader(file)}
    curves = {c.name: c for found in sets.values() for c in found}
    missing = sorted(set(curves) ^ set(labels) if sets.keys() == SETS.keys() else set(curves) - set(labels))
    if missing:
        raise SystemExit(f"{len(missing)} curves without a label, or labels without a curve: {missing[:3]}")
    with ProcessPoolExecutor() as pool:
        words = pool.map(called, curves.values(), [simulations] * len(curves), chunksize=20)
        calls = dict(zip(curves, words, strict=True))
    everywhere: dict[str, str] = {}
    for number, found in sets.items():
        agreed = {c.name: labels[c.name][0] for c in found if len(set(labels[c.name])) == 1}
        everywhere |= agreed
        share = len(agreed) / len(found)
        print(f"\nset {number}: {len(found)} curves; the two readers agree on {len(agreed)} ({share:.2f})")
        show("agreed labels", agreed, calls)
        for axis in ("by size", "by step", "by tokens"):
            show(f"agreed labels, {axis}", {n: label for n, label in agreed.items() if axis in n}, calls)
        for name, label in sorted(agreed.items()):
            if calls[name] != label:
                print(f"  {name}: labelled {label}, called {calls[name]}")
    if len(sets) > 1:
        show("all sets", everywhere, calls)
    show_heights([curves[n] for n, label in everywhere.items() if label == "unpredicted rise"], calls)


def called(curve: Measured, simulations: int) -> str:
    found = shape_call(curve.x, curve.score, floor=curve.floor, n_items=curve.n_items, simulations=simulations)
    return found.call.value


def show_heights(rises: list[Measured], calls: dict[str, str]) -> None:
    seen: Counter[float] = Counter()
    found: Counter[float] = Counter()
    for curve in rises:
        least = next((h for h in HEIGHTS if height(curve) >= h), 0.0)
        seen[least] += 1
        found[least] += calls[curve.name] == "unpredicted rise"
    told = [f"{found[least]} of {seen[least]} from {least:g} on" for least in (*HEIGHTS, 0.0)]
    print("\nrises found by height, each class up to the one before: " + ", ".join(told))


def height(curve: Measured) -> float:
    """How far the largest sixth of the scales lies above the median of the smallest third."""
    n = len(curve.score)
    return fmean(curve.score[-max(1, n // 6) :]) - median(curve.score[: max(2, n // 3)])


def show(title: str, labels: dict[str, str], calls: dict[str, str]) -> None:
    if not labels:
        return
    pairs = Counter((label, calls[name]) for name, label in labels.items())
    words = [*CLASSES, "not resolved"]
    right = sum(n for (label, call), n in pairs.items() if label == call)
    rises = sum(n for (label, _), n in pairs.items() if label == "unpredicted rise")
    hits = pairs["unpredicted rise", "unpredicted rise"]
    alarms = sum(n for (label, call), n in pairs.items() if call == "unpredicted rise" != label)
    recall = f"{hits} of {rises} rises found" if rises else "no rise labelled"
    print(f"\n{title}: {right} of {len(labels)} right ({right / len(labels):.2f}); {recall}, {alarms} false alarms")
    print(f"{'label / call':>18s} " + " ".join(f"{w:>17s}" for w in words))
    for label in CLASSES:
        print(f"{label:>18s} " + " ".join(f"{pairs[label, w]:17d}" for w in words))


if __name__ == "__main__":
    main()
