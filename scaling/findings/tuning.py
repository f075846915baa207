"""Judges of what came after pre-training: what it was worth in data, and how far a learnt reward could be pressed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from scaling.findings.case import Case, Numbers, Verdict, graded, shown, too_little, triple
from scaling.findings.rules import Rule
from scaling.laws.tuning import Amount, Cell, Pair, Place, Run, Tuned, transfer_law
from scaling.units import format_si

_WORDS = {Place.INSIDE: "", Place.BEYOND: "at least ", Place.BELOW: "at most "}


def transfer(case: Case, rule: Rule) -> Verdict:
    """Pre-training stands in for data of a new task."""
    amounts = case.tuning.amounts
    short = _too_few_amounts(case.tuning, rule)
    if short is not None:
        return short
    cells: dict[tuple[int, int], list[Amount]] = defaultdict(list)
    for amount in amounts:
        cells[amount.params, amount.items].append(amount)
    worth = {cell: min(seeds, key=lambda a: a.multiple) for cell, seeds in cells.items()}
    passed = [cell for cell, least in worth.items() if least.multiple >= rule.thresholds["multiple"]]
    share = len(passed) / len(worth)
    largest = max(params for params, _ in worth)
    told = "; ".join(
        f"{items} items count as {_WORDS[worth[largest, items].place]}{worth[largest, items].effective:.3g}"
        for params, items in sorted(worth)
        if params == largest
    )
    law = transfer_law(amounts)
    grows = "" if law is None else f" Data transferred grow as D_F^{shown(law.alpha)} N^{shown(law.beta)}."
    return graded(
        share >= rule.thresholds["share"],
        f"Fine-tuned models reach the loss of {rule.thresholds['multiple']:g} x their data from random weights in "
        f"{len(passed)} of {len(worth)} combinations of size and data, in every seed; at {format_si(float(largest))} "
        f"parameters, in the worst seed, {told}.{grows}",
        share=share,
        multiples={f"{params} {items}": least.multiple for (params, items), least in worth.items()},
        alpha=None if law is None else triple(law.alpha),
        beta=None if law is None else triple(law.beta),
    )


def _too_few_amounts(tuning: Tuned, rule: Rule) -> Verdict | None:
    amounts = tuning.amounts
    if not amounts:
        return too_little(f"What pre-training is worth on a new task is unknown: {_why_no_amounts(tuning.pairs)}.")
    counts: Numbers = {
        "sizes": len({a.params for a in amounts}),
        "amounts": len({a.items for a in amounts}),
        "seeds": min(_seeds((a.params, a.items), a.seed, amounts) for a in amounts),
    }
    lacking = [_counted(counts, name) for name in counts if counts[name] < rule.minimum[name]]
    if not lacking:
        return None
    short = f"Fine-tuning was measured at {', '.join(lacking)} only, too few to say what it gains"
    beside = _beside(tuning.pairs)
    return too_little(f"{short}{beside and f': {beside}'}.", **counts)


def _why_no_amounts(found: Sequence[Pair]) -> str:
    """Return why nothing can be read on a curve, with what was seen all the same."""
    if not found:
        return "this sweep fine-tuned nothing"
    beside = _beside(found)
    if not beside:
        return "nothing was trained from random weights on the same task"
    return f"{beside}; a worth in data is read between two amounts from random weights or more"


def _beside(found: Sequence[Pair]) -> str:
    """Return how often pre-training lowered the loss on the same items; nothing where no pair is whole."""
    whole = [p for p in found if p.scratch_loss is not None]
    gained = sum(p.gains for p in whole)
    return f"on the same items it lowers the loss of {gained} of {len(whole)} models" if whole else ""


def _counted(counts: Numbers, name: str) -> str:
    return f"{counts[name]} {name.removesuffix('s') if counts[name] == 1 else name}"


def _seeds(cell: tuple[int, int], _seed: int, amounts: Sequence[Amount]) -> int:
    return len({a.seed for a in amounts if (a.params, a.items) == cell})


def preference(case: Case, rule: Rule) -> Verdict:
    """Tuning on a learnt reward raises the gold reward, at the place that other questions chose."""
    cells = _cells(case.tuning.runs)
    short = _too_few_runs(cells, rule, "Whether tuning on a learnt reward pays")
    if short is not None:
        return short
    most = max(cell.comparisons for cell in cells)
    judged = {cell: runs for cell, runs in cells.items() if cell.comparisons == most and cell.method == "rloo"}
    raised = [cell for cell, runs in judged.items() if all(_clear(r.gain, r, rule) for r in runs)]
    others = _gains(c for c in cells.items() if c[0].comparisons == most and c[0].method != "rloo")
    beside = f"; DPO on the same comparisons: {others}" if others else ""
    return graded(
        len(raised) == len(judged),
        f"With {most} comparisons, reinforcement learning raises the gold score clearly, in every seed, at "
        f"{len(raised)} of {len(judged)} sizes (mean gain at the place chosen on other questions: "
        f"{_gains(judged.items())}){beside}.",
        gains={_name(cell): [r.gain for r in runs] for cell, runs in cells.items()},
        reward_accuracy={_name(cell): [r.reward_accuracy for r in runs] for cell, runs in cells.items()},
    )


def overoptimised(case: Case, rule: Rule) -> Verdict:
    """Pressed further, the proxy goes on rising and the gold score falls."""
    cells = _cells(case.tuning.runs)
    short = _too_few_runs(cells, rule, "Whether pressing a learnt reward harms the gold score")
    if short is not None:
        return short
    judged = {cell: runs for cell, runs in cells.items() if cell.method == "rloo"}
    fallen = [cell for cell, runs in judged.items() if all(_fell(r, rule) for r in runs)]
    worst = max((r for runs in judged.values() for r in runs), key=lambda r: r.drop)
    return graded(
        len(fallen) / len(judged) >= rule.thresholds["share"],
        f"In {len(fallen)} of {len(judged)} combinations of size and comparisons the gold score falls clearly, in "
        f"every seed, while the learnt reward still rises. The deepest fall is {worst.drop:.2g}, with "
        f"{worst.comparisons} comparisons at {format_si(float(worst.params))} parameters, from √KL = "
        f"{worst.d[worst.peak]:.2g} to {worst.d[-1]:.2g}.",
        fallen=[_name(cell) for cell in fallen],
        drops={_name(cell): [r.drop for r in runs] for cell, runs in judged.items()},
        reached_d={_name(cell): [r.d[-1] for r in runs] for cell, runs in judged.items()},
    )


def _cells(runs: Sequence[Run]) -> dict[Cell, list[Run]]:
    cells: dict[Cell, list[Run]] = defaultdict(list)
    for run in runs:
        cells[Cell.of(run)].append(run)
    return dict(cells)


def _too_few_runs(cells: dict[Cell, list[Run]], rule: Rule, question: str) -> Verdict | None:
    judged = {cell: runs for cell, runs in cells.items() if cell.method == "rloo"}
    if not judged:
        return too_little(f"{question} is unknown: nothing was tuned on one.")
    counts: Numbers = {
        "sizes": len({cell.params for cell in judged}),
        "comparisons": len({cell.comparisons for cell in judged}),
        "seeds": min(len({r.seed for r in runs}) for runs in judged.values()),
    }
    lacking = [_counted(counts, name) for name in counts if counts[name] < rule.minimum.get(name, 0)]
    reach = min(max(r.d) for runs in judged.values() for r in runs)
    if not lacking and reach < rule.minimum.get("d", 0):
        lacking = [f"√KL up to {reach:.2g}"]
    if not lacking:
        return None
    return too_little(f"{question} is unknown: it was measured at {', '.join(lacking)} only.", **counts)


def _clear(difference: float, run: Run, rule: Rule) -> bool:
    return difference >= rule.thresholds["errors"] * run.error


def _fell(run: Run, rule: Rule) -> bool:
    return _clear(run.drop, run, rule) and run.proxy_after_peak > 0


def _name(cell: Cell) -> str:
    return f"{cell.method} {cell.params} {cell.comparisons}"


def _gains(cells: Iterable[tuple[Cell, list[Run]]]) -> str:
    means = {cell.params: sum(r.gain for r in runs) / len(runs) for cell, runs in cells}
    return ", ".join(f"{gain:+.2g} at {format_si(float(params))}" for params, gain in sorted(means.items()))
