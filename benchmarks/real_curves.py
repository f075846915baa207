"""Real scores against scale: nineteen sets of curves, each by one rule, fixed before any curve was looked at.

Published scores stay where they were published: with Biderman et al. 2023 (arXiv:2304.01373), Ruan, Maddison &
Hashimoto 2024 (arXiv:2405.10938), Gadre et al. 2024 (arXiv:2403.08540), Bhagia et al. 2024 (arXiv:2412.04403), in
lm-evaluation-harness and with BigScience's first runs. Those of BIG-bench (Srivastava et al. 2022, arXiv:2206.04615)
are counted from the records of Schellaert's assessors, which hold for a fifth of each task's instances whether the
model's answer was right. Those of GPT-3 (Brown et al. 2020, arXiv:2005.14165, Table H.1) are in `gpt3_scores.csv`,
from public transcriptions of the table that agree where they overlap; rows on which they part are left out.

Scores in `probes/scores.csv` come from the sweeps beside it (`scaling run benchmarks/probes/easier.yaml`), trained to
be judged here: tasks at levels that no shipped sweep holds, each size and seed at the last horizon, some at every
horizon.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from curve_sources import (
    BIG_G,
    BIGSCIENCE_CHOICES,
    BIGSCIENCE_RUNS,
    BLOOM,
    CONSTANT,
    DECAYED,
    FEWEST_ITEMS,
    FIRST_FORMATS,
    FIRST_LADDER,
    FIRST_LADDER_SIZES,
    GADRE_BY_SIZE,
    GADRE_BY_TOKENS,
    GADRE_BY_TOKENS_LATER,
    GPT3,
    GPT3_SIZES,
    LADDER_MULTIPLES,
    LADDER_SIZES,
    LATER_MODELS,
    OPT,
    PYTHIA,
    XGLM,
    Measured,
    by_checkpoint,
    by_column,
    by_family,
    by_harness,
    by_prefix,
    by_probe,
    by_step,
    by_task,
    by_tokens_or_size,
    checkpoints,
    counted,
    counted_labels,
    counted_rates,
    first_suite,
    git,
    ladder,
    measured,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clones:
    """Where the repositories lie, bare or not."""

    pythia: Path
    observations: Path
    gadre: Path
    harness: Path
    olmo: Path
    lass: Path
    bigscience: Path


def first(at: Clones) -> Iterator[Measured]:
    """Every curve of the first two sources, by one rule."""
    for corpus in ("", "-deduped"):
        for shots, mark in (("zero", ""), ("five", "-5shot")):
            files = {
                n: f"evals/pythia-v1/pythia-{size}{corpus}/{shots}-shot/{size}{corpus}{mark}_step143000.json"
                for size, n in PYTHIA.items()
            }
            yield from by_task(at.pythia, files, f"Pythia{corpus} {shots}-shot by size")
    yield from by_task(at.pythia, {n: f"evals/opt/opt-{s}.json" for s, n in OPT.items()}, "OPT by size")
    yield from by_task(at.pythia, {n: f"evals/bloom/bloom-{s}.json" for s, n in BLOOM.items()}, "BLOOM by size")
    yield from by_step(at.pythia, ("160m", "1.4b", "12b"))
    yield from by_family(at.observations)


def second(at: Clones) -> Iterator[Measured]:
    """Every task of Gadre et al. by size and by tokens, and of other Pythia models by step."""
    yield from by_tokens_or_size(at.gadre, GADRE_BY_SIZE, (GADRE_BY_TOKENS,))
    yield from by_step(at.pythia, ("410m", "2.8b", "6.9b"))


def third(at: Clones) -> Iterator[Measured]:
    """The other corpora of Gadre et al. by tokens, the first Pythia suite and BLOOM by size, Pythia by step."""
    shape = GADRE_BY_TOKENS[1]
    yield from by_tokens_or_size(at.gadre, None, tuple((corpus, shape) for corpus in GADRE_BY_TOKENS_LATER))
    for corpus in ("", "-deduped"):
        for shots in ("zero", "five"):
            yield from by_task(
                at.pythia, first_suite(at.pythia, corpus, shots), f"Pythia-v0{corpus} {shots}-shot by size"
            )
    yield from by_harness(at.harness, "bloom", BLOOM, "BLOOM by size (harness)")
    yield from by_step(at.pythia, ("160m-deduped", "1.4b-deduped"))


def fourth(at: Clones) -> Iterator[Measured]:
    """Grammar (BLiMP) of the first Pythia suite and subjects of MMLU of OPT by size, six Pythia models by step."""
    yield from by_prefix(at.pythia, first_suite(at.pythia, "", "zero"), "blimp_", 0.5, "Pythia-v0 zero-shot by size")
    opt = {n: f"evals/opt/opt-{s}.json" for s, n in OPT.items()}
    yield from by_prefix(at.pythia, opt, "hendrycksTest-", 0.25, "OPT by size")
    yield from by_step(
        at.pythia, ("70m-deduped", "1b-deduped", "410m-deduped", "2.8b-deduped", "6.9b-deduped", "12b-deduped")
    )


def fifth(at: Clones) -> Iterator[Measured]:
    """Subjects of MMLU of Pythia by size, two smaller models of Gadre et al. by tokens, two Pythia models by step."""
    folder = "evals/pythia-v1/pythia-{0}/five-shot/{0}-5shot_step143000.json"
    files = {n: folder.format(size) for size, n in PYTHIA.items() if size != "1b"}  # not published
    yield from by_prefix(at.pythia, files, "hendrycksTest-", 0.25, "Pythia five-shot by size")
    yield from by_tokens_or_size(at.gadre, None, (("rw_original", "d=576_l=24_h=8"), ("rpj", "d=512_l=8_h=4")))
    yield from by_step(at.pythia, ("70m", "1b-bf16"))


def sixth(at: Clones) -> Iterator[Measured]:
    """OLMo's ladder: four models by step, two by tokens, all five by size at two numbers of tokens per parameter."""
    for run, name in (("peteish7_eval_full", "7B"), ("peteish13_eval_full", "13B"), ("190M-10xC", ""), ("3B-10xC", "")):
        yield from by_checkpoint(at.olmo, run, name or run)
    for size in ("760M", "1B"):
        runs = {float(m) * 20 * LADDER_SIZES[size]: f"{size}-{m}xC" for m in LADDER_MULTIPLES}
        ends = {tokens: ladder(at.olmo, run, DECAYED)[-1] for tokens, run in runs.items()}
        yield from by_column(ends, f"{size} by tokens")
    for m in ("1", "5"):
        ends = {n: ladder(at.olmo, f"{size}-{m}xC", DECAYED)[-1] for size, n in LADDER_SIZES.items()}
        yield from by_column(ends, f"{m}xC by size")


def seventh(at: Clones) -> Iterator[Measured]:
    """XGLM by size, and the first runs of OLMo's ladder, which know other tasks: two by step, all five by size."""
    yield from by_harness(at.harness, "xglm", XGLM, "XGLM by size (harness)")
    for run in ("600M-10xC", "1B-10xC"):
        yield from by_checkpoint(at.olmo, run, f"first {run}", FIRST_LADDER)
    ends = {n: ladder(at.olmo, f"{size}-10xC", FIRST_LADDER)[-1] for size, n in FIRST_LADDER_SIZES.items()}
    yield from by_column(ends, "first 10xC by size", FIRST_FORMATS)


def eighth(at: Clones) -> Iterator[Measured]:
    """GPT-3 by size, another model of Gadre et al. by tokens, and another first run of OLMo's ladder by step."""
    with GPT3.open() as file:
        for row in csv.DictReader(file):
            floor = float(row["chance"]) if row["chance"] else None
            items = int(row["items"]) if row["items"] else None
            points = {n: float(row[size]) / 100 for size, n in GPT3_SIZES.items()}
            yield from measured(f"{row['task']}, GPT-3 {row['shots']}-shot by size", floor, items, points)
    yield from by_tokens_or_size(at.gadre, None, (("c4_original", "d=576_l=24_h=8"),))
    yield from by_checkpoint(at.olmo, "370M-10xC", "first 370M-10xC", FIRST_LADDER)


def ninth(at: Clones) -> Iterator[Measured]:
    """Four Pythia models by step, asked with five shots; MMLU of BLOOM; one more model of Gadre et al. and of OLMo."""
    yield from by_step(at.pythia, ("160m", "1b-bf16", "2.8b", "12b"), "five")
    files = {n: f"evals/bloom/bloom-{size}.json" for size, n in BLOOM.items()}
    yield from by_prefix(at.pythia, files, "hendrycksTest-", 0.25, "BLOOM by size")
    yield from by_tokens_or_size(at.gadre, None, (("rpj", "d=576_l=24_h=8"),))
    yield from by_checkpoint(at.olmo, "760M-10xC", "first 760M-10xC", FIRST_LADDER)


def tenth(at: Clones) -> Iterator[Measured]:
    """A second run of OLMo's 7B and a smaller model by step, Gadre et al. by tokens, grammar of Pythia by size."""
    yield from by_checkpoint(at.olmo, "peteish7_medlr_eval_full", "7B (lower rate)")
    yield from by_checkpoint(at.olmo, "190M-10xC", "first 190M-10xC", FIRST_LADDER)
    yield from by_tokens_or_size(at.gadre, None, (("rw_original", "d=512_l=8_h=4"),))
    suite = first_suite(at.pythia, "-deduped", "zero")
    yield from by_prefix(at.pythia, suite, "blimp_", 0.5, "Pythia-v0-deduped zero-shot by size")


def eleventh(at: Clones) -> Iterator[Measured]:
    """BIG-bench by size: BIG-G at temperature 0, asked with three shots and with none."""
    chance_text = git(at.lass, "show", "HEAD:artifacts/csv-results/accs_3.csv")  # tasks with choices; the others write
    chance = {row["task"]: float(row["random_acc"]) for row in csv.DictReader(io.StringIO(chance_text))}
    for shots, count in ((3, counted_labels), (0, counted_rates)):
        found = {n: count(at.lass, size) for size, n in BIG_G.items()}
        for task in sorted(set.intersection(*(set(tasks) for tasks in found.values()))):
            answers = {n: tasks[task] for n, tasks in found.items()}
            items = min(n_items for _, n_items in answers.values())
            if items >= FEWEST_ITEMS:
                points = {n: right / n_items for n, (right, n_items) in answers.items()}
                yield from measured(f"{task}, BIG-G {shots}-shot by size", chance.get(task, 0.0), items, points)


def twelfth(at: Clones) -> Iterator[Measured]:
    """Five runs of 1.3B parameters on different corpora by tokens, with which BLOOM was prepared."""
    for corpus, run in BIGSCIENCE_RUNS.items():
        found = json.loads(git(at.bigscience, "show", f"HEAD:evaluation/results/{run}_agg.json"))
        for task, scores in sorted(found["results"].items()):
            if task in BIGSCIENCE_CHOICES:
                choices = BIGSCIENCE_CHOICES[task]
                rows = zip(found["tokens"], scores["acc"], scores["acc_stderr"], strict=True)
                seen = checkpoints({float(tokens): (score, error) for tokens, score, error in rows})
                yield from counted(f"{task}, 1.3B on {corpus} by tokens", 1 / choices if choices else 0.0, seen)


def thirteenth(_: Clones) -> Iterator[Measured]:
    """Twenty probes of this project, trained in two sweeps: each seed by size, three sizes of one seed by tokens."""
    for sweep in ("probes-easier", "probes-harder"):
        yield from by_probe(sweep, at="size")
        yield from by_probe(sweep, at="tokens", seed="10")


def fourteenth(at: Clones) -> Iterator[Measured]:
    """Sixteen other probes in deeper models, and what is left of OLMo's ladder: two runs by step, all five by size."""
    yield from by_probe("probes-deeper", at="size")
    yield from by_probe("probes-deeper", at="tokens", seed="20")
    for run in ("760M-10xC", "1B-10xC"):
        yield from by_checkpoint(at.olmo, run, run)
    for m in ("2", "10"):
        ends = {n: ladder(at.olmo, f"{size}-{m}xC", DECAYED)[-1] for size, n in LADDER_SIZES.items()}
        yield from by_column(ends, f"{m}xC by size")


def fifteenth(at: Clones) -> Iterator[Measured]:
    """The same probes by tokens in two other sizes with another seed; of Gadre et al., OLMo and Pythia what is left."""
    for sweep, seed in (("probes-easier", "11"), ("probes-harder", "11"), ("probes-deeper", "21")):
        yield from by_probe(sweep, at="tokens", seed=seed)
    yield from by_tokens_or_size(at.gadre, None, (("c4_original", "d=512_l=8_h=4"),))
    yield from by_checkpoint(at.olmo, "3B-10xC", "3B-10xC at a constant rate", CONSTANT)
    yield from by_step(at.pythia, ("160m-0.5MtokBS", "1b-0.5MtokBS"))


def sixteenth(at: Clones) -> Iterator[Measured]:
    """Sixteen more probes by size, and by tokens with both seeds; the last of OLMo's and Pythia's runs."""
    yield from by_probe("probes-wider", at="size")
    for seed in ("30", "31"):
        yield from by_probe("probes-wider", at="tokens", seed=seed)
    yield from by_checkpoint(at.olmo, "1B-10xC", "1B-10xC at a constant rate", CONSTANT)
    ends = {n: ladder(at.olmo, f"{size}-0.5xC", DECAYED)[-1] for size, n in LADDER_SIZES.items()}
    yield from by_column(ends, "0.5xC by size")
    yield from by_step(at.pythia, ("410m", "1.4b", "6.9b"), "five")


def seventeenth(at: Clones) -> Iterator[Measured]:
    """Seventeen probes at sizes between, as before; three more runs of OLMo's ladder by step."""
    yield from by_probe("probes-between", at="size")
    for seed in ("40", "41"):
        yield from by_probe("probes-between", at="tokens", seed=seed)
    for run in ("370M-10xC", "760M-10xC"):
        yield from by_checkpoint(at.olmo, run, f"{run} at a constant rate", CONSTANT)
    yield from by_checkpoint(at.olmo, "370M-10xC", "370M-10xC")


def eighteenth(at: Clones) -> Iterator[Measured]:
    """Sixteen probes learnt at another rate, as before; five Pythia models asked with five shots, one run of OLMo's."""
    yield from by_probe("probes-faster", at="size")
    for seed in ("50", "51"):
        yield from by_probe("probes-faster", at="tokens", seed=seed)
    yield from by_checkpoint(at.olmo, "190M-10xC", "190M-10xC at a constant rate", CONSTANT)
    sizes = ("160m", "410m", "1.4b", "2.8b", "6.9b")
    yield from by_step(at.pythia, tuple(f"{size}-deduped" for size in sizes), "five")


def nineteenth(at: Clones) -> Iterator[Measured]:
    """Two more models of each of four sweeps by tokens; three Pythia models asked with five shots."""
    for sweep, models in LATER_MODELS.items():
        for model in models:
            yield from by_probe(sweep, at="tokens", model=model)
    yield from by_step(at.pythia, ("70m-deduped", "1b-deduped", "12b-deduped"), "five")


SETS: dict[int, Callable[[Clones], Iterator[Measured]]] = {
    1: first, 2: second, 3: third, 4: fourth, 5: fifth, 6: sixth, 7: seventh, 8: eighth, 9: ninth, 10: tenth,
    11: eleventh, 12: twelfth, 13: thirteenth, 14: fourteenth, 15: fifteenth, 16: sixteenth, 17: seventeenth,
    18: eighteenth, 19: nineteenth,
}  # fmt: skip
