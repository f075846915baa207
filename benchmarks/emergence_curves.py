"""The emergence detector on real curves, against labels given by eye before it saw them.

    git clone https://github.com/EleutherAI/pythia && git clone https://github.com/ryoungj/ObsScaling
    git clone https://github.com/mlfoundations/scaling gadre && git clone https://github.com/EleutherAI/lm-evaluation-harness
    git clone https://github.com/allenai/OLMo
    python benchmarks/emergence_curves.py --pythia pythia --observations ObsScaling --gadre gadre \\
        --harness lm-evaluation-harness --olmo OLMo
    python benchmarks/emergence_curves.py … --set 2 --sheets sheets   # the plots and the guide, to label anew

Curves: published evaluations of one model family each; every task of a source with five scales or more, chosen before
any was looked at. Ten sets, one function each; each was labelled after the detector had been changed for what the one
before had shown. The scores stay where they were published: with Biderman et al. 2023 (arXiv:2304.01373), Ruan,
Maddison & Hashimoto 2024 (arXiv:2405.10938), Gadre et al. 2024 (arXiv:2403.08540), Bhagia et al. 2024
(arXiv:2412.04403), and in lm-evaluation-harness; those of Brown et al. 2020
(arXiv:2005.14165) are in `gpt3_scores.csv`.

Labels (`emergence_labels.csv`): two readers, language models both, saw each curve as a numbered plot with its chance
level and binomial errors, without the names of task or family and without the detector's answer. Where they differ, a
curve is in neither agreed set.
"""

import argparse
import csv
import io
import json
import random
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import log
from pathlib import Path

from scaling.laws.emergence import shape_call

LABELS = Path(__file__).with_name("emergence_labels.csv")
GPT3 = Path(__file__).with_name("gpt3_scores.csv")  # percent, from Table H.1 of the paper; BLEU is multi-bleu
CLASSES = ("flat", "smooth", "unpredicted rise", "falls", "falls then rises")

# Chance levels by the number of choices, and items of the usual test set.
TASKS = {
    "lambada_openai": (0.0, 5153), "wsc": (0.5, 104), "piqa": (0.5, 1838), "arc_challenge": (0.25, 1172),
    "sciq": (0.25, 1000), "winogrande": (0.5, 1267), "logiqa": (0.25, 651), "arc_easy": (0.25, 2376),
    "mmlu": (0.25, 14042),
    "MMLU": (0.25, 14042), "ARC-C": (0.25, 1172), "HellaSwag": (0.25, 10042), "Winograd": (0.5, 1267),
    "TruthfulQA": (None, 817), "GSM8K": (0.0, 1319), "XWinograd": (0.5, 2325), "HumanEval": (0.0, 164),
    "parsinlu_qa_2_acc": (0.25, 1050), "word_unscrambling_2_exact_match": (0.0, 2000),
    "ipa_transliterate_2_exact_match": (0.0, 1003), "arithmetic_3ds_2_acc": (0.0, 2000),
    "arithmetic_3da_2_acc": (0.0, 2000), "arithmetic_2dm_2_acc": (0.0, 2000), "arithmetic_2da_2_acc": (0.0, 2000),
}  # fmt: skip
PYTHIA = {
    "70m": 70.4e6, "160m": 162e6, "410m": 405e6, "1b": 1.01e9, "1.4b": 1.41e9, "2.8b": 2.78e9, "6.9b": 6.86e9,
    "12b": 11.8e9,
}  # fmt: skip
GPT3_SIZES = {
    "125M": 125e6, "350M": 356e6, "760M": 760e6, "1.3B": 1.3e9, "2.7B": 2.65e9, "6.7B": 6.65e9, "13B": 12.85e9,
    "175B": 174.6e9,
}  # fmt: skip
OPT = {
    "125m": 125e6, "350m": 331e6, "1.3b": 1.3e9, "2.7b": 2.7e9, "6.7b": 6.7e9, "13b": 13e9, "30b": 30e9, "66b": 66e9,
}  # fmt: skip
BLOOM = {"560m": 560e6, "1b1": 1.1e9, "1b7": 1.7e9, "3b": 3e9, "7b1": 7.1e9}
XGLM = {"564M": 564e6, "1.7B": 1.7e9, "2.9B": 2.9e9, "4.5B": 4.5e9, "7.5B": 7.5e9}
FAMILIES = ("Qwen1.5", "Qwen2", "Pythia", "OPT", "GPT-Neo/J", "BLOOM")
FEWEST = 5
GADRE_BY_SIZE = "1.0"  # times 20 tokens per parameter
GADRE_BY_TOKENS = ("rw_original", "d=1024_l=24_h=8")  # the largest model trained to eight horizons
GADRE_BY_TOKENS_LATER = ("rpj", "c4_original")
BY_STEP = {
    1: ("160m", "1.4b", "12b"), 2: ("410m", "2.8b", "6.9b"), 3: ("160m-deduped", "1.4b-deduped"),
    4: ("70m-deduped", "1b-deduped", "410m-deduped", "2.8b-deduped", "6.9b-deduped", "12b-deduped"),
    5: ("70m", "1b-bf16"), 9: ("160m", "1b-bf16", "2.8b", "12b"),
}  # fmt: skip
HARNESS = "2ac318a98"  # the commit of lm-evaluation-harness that holds results of BLOOM and XGLM
CHOICES = {
    "xnli": 3, "xcopa": 2, "xstory_cloze": 2, "xwinograd": 2, "pawsx": 2, "openbookqa": 4, "wsc273": 2, "swag": 4,
    "prost": 4, "copa": 2, "boolq": 2, "hellaswag": 4, "race": 4, "headqa": None, "mathqa": 5, "gsm8k": 0, "math": 0,
    "webqs": 0, "triviaqa": 0,
}  # fmt: skip
LADDER = "9bc064c72b1439640993e7ff28238e7b8f855aee"  # the commit of OLMo that holds its ladder's evaluations
LADDER_SIZES = {"190M": 190.4e6, "370M": 371.3e6, "760M": 758.2e6, "1B": 1.279e9, "3B": 3.17e9}
FIRST_LADDER = "peteish-final-new"
FIRST_LADDER_SIZES = {**{s: n for s, n in LADDER_SIZES.items() if s != "3B"}, "600M": 597.4e6}
LADDER_MULTIPLES = ("0.5", "1", "2", "5", "10")  # of 20 tokens per parameter
LADDER_CHANCE = {
    "mmlu": 1 / 4, "hellaswag": 1 / 4, "arc": 1 / 4, "boolq": 1 / 2, "csqa": 1 / 5, "openbookqa": 1 / 4, "piqa": 1 / 2,
    "socialiqa": 1 / 3, "winogrande": 1 / 2, "copa": 1 / 2, "sciq": 1 / 4,
}  # fmt: skip

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One published curve: task, family and axis in its name; ``x`` in parameters, steps or tokens."""

    name: str
    group: int
    x: tuple[float, ...]
    score: tuple[float, ...]
    floor: float | None
    n_items: int | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pythia", type=Path, required=True, help="a clone of EleutherAI/pythia, bare or not")
    parser.add_argument("--observations", type=Path, required=True, help="a clone of ryoungj/ObsScaling, bare or not")
    parser.add_argument("--gadre", type=Path, required=True, help="a clone of mlfoundations/scaling, bare or not")
    parser.add_argument("--harness", type=Path, required=True, help="a clone of EleutherAI/lm-evaluation-harness")
    parser.add_argument("--olmo", type=Path, required=True, help="a clone of allenai/OLMo with its branches")
    parser.add_argument("--set", type=int, choices=range(1, 11), help="only one of the sets")
    parser.add_argument("--sheets", type=Path, help="draw the numbered plots for a reader into this folder, and stop")
    parser.add_argument("--simulations", type=int, default=1000)
    options = parser.parse_args()
    curves = [*first(options.pythia, options.observations), *second(options.pythia, options.gadre)]
    curves += [*third(options.pythia, options.gadre, options.harness), *fourth(options.pythia)]
    curves += [*fifth(options.pythia, options.gadre), *sixth(options.olmo)]
    curves += [*seventh(options.harness, options.olmo), *eighth(options.gadre, options.olmo)]
    curves += [*ninth(options.pythia, options.gadre, options.olmo), *tenth(options.pythia, options.gadre, options.olmo)]
    curves = [c for c in curves if options.set in (None, c.group)]
    random.Random(2405).shuffle(curves)  # neighbours share nothing
    if options.sheets is not None:
        draw(curves, options.sheets)
        return
    judge(curves, options.simulations, whole=options.set is None)


def first(pythia: Path, observations: Path) -> Iterator[Measured]:
    """Every curve of the first two sources, by one rule."""
    for corpus in ("", "-deduped"):
        for shots, mark in (("zero", ""), ("five", "-5shot")):
            files = {
                n: f"evals/pythia-v1/pythia-{size}{corpus}/{shots}-shot/{size}{corpus}{mark}_step143000.json"
                for size, n in PYTHIA.items()
            }
            yield from by_task(pythia, files, f"Pythia{corpus} {shots}-shot by size", 1)
    yield from by_task(pythia, {n: f"evals/opt/opt-{s}.json" for s, n in OPT.items()}, "OPT by size", 1)
    yield from by_task(pythia, {n: f"evals/bloom/bloom-{s}.json" for s, n in BLOOM.items()}, "BLOOM by size", 1)
    yield from by_step(pythia, 1)
    yield from by_family(observations)


def second(pythia: Path, gadre: Path) -> Iterator[Measured]:
    """Every task of Gadre et al. by size and by tokens, and of other Pythia models by step."""
    yield from by_tokens_or_size(gadre, 2, GADRE_BY_SIZE, (GADRE_BY_TOKENS,))
    yield from by_step(pythia, 2)


def third(pythia: Path, gadre: Path, harness: Path) -> Iterator[Measured]:
    """The other corpora of Gadre et al. by tokens, the first Pythia suite and BLOOM by size, Pythia by step."""
    shape = GADRE_BY_TOKENS[1]
    yield from by_tokens_or_size(gadre, 3, None, tuple((corpus, shape) for corpus in GADRE_BY_TOKENS_LATER))
    for corpus in ("", "-deduped"):
        for shots in ("zero", "five"):
            yield from by_task(pythia, first_suite(pythia, corpus, shots), f"Pythia-v0{corpus} {shots}-shot by size", 3)
    yield from by_harness(harness, "bloom", BLOOM, "BLOOM by size (harness)", 3)
    yield from by_step(pythia, 3)


def fourth(pythia: Path) -> Iterator[Measured]:
    """Grammar (BLiMP) of the first Pythia suite and subjects of MMLU of OPT by size, six Pythia models by step."""
    yield from by_prefix(pythia, first_suite(pythia, "", "zero"), "blimp_", 0.5, "Pythia-v0 zero-shot by size", 4)
    opt = {n: f"evals/opt/opt-{s}.json" for s, n in OPT.items()}
    yield from by_prefix(pythia, opt, "hendrycksTest-", 0.25, "OPT by size", 4)
    yield from by_step(pythia, 4)


def fifth(pythia: Path, gadre: Path) -> Iterator[Measured]:
    """Subjects of MMLU of Pythia by size, two smaller models of Gadre et al. by tokens, two Pythia models by step."""
    folder = "evals/pythia-v1/pythia-{0}/five-shot/{0}-5shot_step143000.json"
    files = {n: folder.format(size) for size, n in PYTHIA.items() if size != "1b"}  # not published
    yield from by_prefix(pythia, files, "hendrycksTest-", 0.25, "Pythia five-shot by size", 5)
    yield from by_tokens_or_size(gadre, 5, None, (("rw_original", "d=576_l=24_h=8"), ("rpj", "d=512_l=8_h=4")))
    yield from by_step(pythia, 5)


def sixth(olmo: Path) -> Iterator[Measured]:
    """OLMo's ladder: four models by step, two by tokens, all five by size at two numbers of tokens per parameter."""
    for run, name in (("peteish7_eval_full", "7B"), ("peteish13_eval_full", "13B"), ("190M-10xC", ""), ("3B-10xC", "")):
        rows = {float(row["_step"]): row for row in ladder(olmo, run)}
        yield from by_column(checkpoints(rows), f"{name or run} by step", 6)
    for size in ("760M", "1B"):
        runs = {float(m) * 20 * LADDER_SIZES[size]: f"{size}-{m}xC" for m in LADDER_MULTIPLES}
        ends = {tokens: ladder(olmo, run, "peteish-moreeval-decay")[-1] for tokens, run in runs.items()}
        yield from by_column(ends, f"{size} by tokens", 6)
    for m in ("1", "5"):
        ends = {n: ladder(olmo, f"{size}-{m}xC", "peteish-moreeval-decay")[-1] for size, n in LADDER_SIZES.items()}
        yield from by_column(ends, f"{m}xC by size", 6)


def seventh(harness: Path, olmo: Path) -> Iterator[Measured]:
    """XGLM by size, and the first runs of OLMo's ladder, which know other tasks: two by step, all five by size."""
    yield from by_harness(harness, "xglm", XGLM, "XGLM by size (harness)", 7)
    for run in ("600M-10xC", "1B-10xC"):
        rows = {float(row["throughput/total_tokens"]): row for row in ladder(olmo, run, FIRST_LADDER)}
        yield from by_column(checkpoints(rows), f"first {run} by step", 7, formats=("_rc_", "_mc_"))
    ends = {n: ladder(olmo, f"{size}-10xC", FIRST_LADDER)[-1] for size, n in FIRST_LADDER_SIZES.items()}
    yield from by_column(ends, "first 10xC by size", 7, formats=("_rc_", "_mc_"))


def eighth(gadre: Path, olmo: Path) -> Iterator[Measured]:
    """GPT-3 by size, another model of Gadre et al. by tokens, and another first run of OLMo's ladder by step."""
    with GPT3.open() as file:
        for row in csv.DictReader(file):
            floor = float(row["chance"]) if row["chance"] else None
            items = int(row["items"]) if row["items"] else None
            points = {n: float(row[size]) / 100 for size, n in GPT3_SIZES.items()}
            yield from measured(f"{row['task']}, GPT-3 {row['shots']}-shot by size", 8, floor, items, points)
    yield from by_tokens_or_size(gadre, 8, None, (("c4_original", "d=576_l=24_h=8"),))
    rows = {float(row["throughput/total_tokens"]): row for row in ladder(olmo, "370M-10xC", FIRST_LADDER)}
    yield from by_column(checkpoints(rows), "first 370M-10xC by step", 8, formats=("_rc_", "_mc_"))


def ladder(olmo: Path, run: str, folder: str = "peteish-moreeval") -> list[dict[str, str]]:
    """Every evaluation of one run."""
    return list(csv.DictReader(io.StringIO(git(olmo, "show", f"{LADDER}:scripts/scaling/data/{folder}/{run}.csv"))))


def checkpoints(rows: dict[float, dict[str, str]], count: int = 12) -> dict[float, dict[str, str]]:
    """Evaluations nearest to places evenly spaced in the logarithm: a run is evaluated hundreds of times."""
    seen = sorted(step for step in rows if step > 0)
    wanted = [seen[0] * (seen[-1] / seen[0]) ** (i / (count - 1)) for i in range(count)]
    return {x: rows[x] for x in {min(seen, key=lambda step: abs(log(step / at))) for at in wanted}}


def by_column(
    runs: Mapping[float, dict[str, str]], title: str, group: int, formats: tuple[str, ...] = ("",)
) -> Iterator[Measured]:
    """Each column that is an accuracy; its items are the smallest number that makes every score a whole count."""
    for column in next(iter(runs.values())):
        task = column.rsplit("/", 1)[-1]
        family = task.split("_")[0]
        if column.startswith("eval/downstream/") and family in LADDER_CHANCE and any(f in task for f in formats):
            points = {x: float(row[column]) for x, row in runs.items() if row[column]}
            items = next(n for n in range(20, 20_000) if all(abs(y * n - round(y * n)) < 2e-3 for y in points.values()))
            yield from measured(f"{task}, OLMo {title}", group, LADDER_CHANCE[family], items, points)


def ninth(pythia: Path, gadre: Path, olmo: Path) -> Iterator[Measured]:
    """Four Pythia models by step, asked with five shots; MMLU of BLOOM; one more model of Gadre et al. and of OLMo."""
    yield from by_step(pythia, 9, "five")
    files = {n: f"evals/bloom/bloom-{size}.json" for size, n in BLOOM.items()}
    yield from by_prefix(pythia, files, "hendrycksTest-", 0.25, "BLOOM by size", 9)
    yield from by_tokens_or_size(gadre, 9, None, (("rpj", "d=576_l=24_h=8"),))
    rows = {float(row["throughput/total_tokens"]): row for row in ladder(olmo, "760M-10xC", FIRST_LADDER)}
    yield from by_column(checkpoints(rows), "first 760M-10xC by step", 9, formats=("_rc_", "_mc_"))


def tenth(pythia: Path, gadre: Path, olmo: Path) -> Iterator[Measured]:
    """A second run of OLMo's 7B and a smaller model by step, Gadre et al. by tokens, grammar of Pythia by size."""
    rows = {float(row["_step"]): row for row in ladder(olmo, "peteish7_medlr_eval_full")}
    yield from by_column(checkpoints(rows), "7B (lower rate) by step", 10)
    rows = {float(row["throughput/total_tokens"]): row for row in ladder(olmo, "190M-10xC", FIRST_LADDER)}
    yield from by_column(checkpoints(rows), "first 190M-10xC by step", 10, formats=("_rc_", "_mc_"))
    yield from by_tokens_or_size(gadre, 10, None, (("rw_original", "d=512_l=8_h=4"),))
    suite = first_suite(pythia, "-deduped", "zero")
    yield from by_prefix(pythia, suite, "blimp_", 0.5, "Pythia-v0-deduped zero-shot by size", 10)


def first_suite(pythia: Path, corpus: str, shots: str) -> dict[float, str]:
    """The last checkpoints of Pythia's first suite: one end, two batch sizes."""
    files: dict[float, str] = {}
    for size, n in PYTHIA.items():
        folder = f"evals/pythia-v0/pythia-{size}{corpus}/{shots}-shot/"
        names = git(pythia, "ls-tree", "--name-only", "HEAD", folder).split()
        for name in names:
            if "step71500_" in name or "step143000_" in name:
                files[n] = name
    return files


def by_prefix(
    pythia: Path, files: dict[float, str], prefix: str, floor: float, title: str, group: int
) -> Iterator[Measured]:
    """Accuracies of one collection of tasks."""
    results = [(n, json.loads(git(pythia, "show", f"HEAD:{name}"))["results"]) for n, name in files.items()]
    for task, seen in with_errors(results):
        if task.startswith(prefix):
            yield from counted(f"{task}, {title}", group, floor, seen)


def by_harness(harness: Path, family: str, sizes: dict[str, float], title: str, group: int) -> Iterator[Measured]:
    """Accuracies that the first set does not hold."""
    results = []
    for size, n in sizes.items():
        names = git(harness, "ls-tree", "--name-only", HARNESS, f"results/{family}/{family}-{size}/").split()
        texts = [git(harness, "show", f"{HARNESS}:{name}") for name in names if name.endswith(".json")]
        results += [(n, json.loads(text)["results"]) for text in texts]
    for task, seen in with_errors(results):
        if task not in TASKS:
            choices = next((c for family, c in CHOICES.items() if task.startswith(family)), None)
            floor = None if choices is None else 1 / choices if choices else 0.0
            yield from counted(f"{task}, {title}", group, floor, seen)


Scores = dict[float, tuple[float, float]]  # accuracy and its standard error by scale


def with_errors(results: list[tuple[float, dict[str, dict[str, float]]]]) -> Iterator[tuple[str, Scores]]:
    """Each task that has an accuracy."""
    points: dict[str, Scores] = {}
    for n, tasks in results:
        for task, found in tasks.items():
            if "acc" in found:
                points.setdefault(task, {})[n] = (found["acc"], found["acc_stderr"])
    yield from sorted(points.items())


def counted(name: str, group: int, floor: float | None, seen: Scores) -> Iterator[Measured]:
    """One curve, its items from the standard errors; none where no model answers anything."""
    items = [round(p * (1 - p) / e**2) + 1 for p, e in seen.values() if e > 0]
    if items:
        yield from measured(name, group, floor, max(items), {n: p for n, (p, _) in seen.items()})


def by_tokens_or_size(
    gadre: Path, group: int, multiple: str | None, by_tokens: tuple[tuple[str, str], ...]
) -> Iterator[Measured]:
    """Every task of some models: all sizes at one multiple of 20 tokens per parameter, or one model's horizons."""
    known = csv.DictReader(io.StringIO(git(gadre, "show", "HEAD:exp_data/eval_metadata.csv")))
    tasks = {r["Eval Task"]: (float(r["Random baseline"]) / 100, int(r["#datapoints"])) for r in known}
    names = git(gadre, "ls-tree", "--name-only", "HEAD", "exp_data/models/").split()
    lines: dict[str, dict[float, dict[str, float]]] = {}
    for name in names:
        run = json.loads(git(gadre, "show", f"HEAD:{name}"))["hyperparameters"]
        corpus, shape, horizon = name.rsplit("/", 1)[1].removesuffix(".json").rsplit("-", 2)
        scores = json.loads(git(gadre, "show", f"HEAD:exp_data/evals/evaluation_{corpus}-{shape}-{horizon}_heavy.json"))
        if horizon == multiple:
            lines.setdefault(f"{corpus} by size", {})[run["params"]] = scores["eval_metrics"]["icl"]
        if (corpus, shape) in by_tokens:
            model = corpus if shape == GADRE_BY_TOKENS[1] else f"{corpus} {shape}"
            lines.setdefault(f"{model} by tokens", {})[run["tokens"]] = scores["eval_metrics"]["icl"]
    for title, runs in sorted(lines.items()):
        for task in sorted(set(tasks).intersection(*runs.values())):
            yield from measured(f"{task}, {title}", group, *tasks[task], {x: found[task] for x, found in runs.items()})


def by_step(pythia: Path, group: int, shots: str = "zero") -> Iterator[Measured]:
    for size in BY_STEP[group]:
        folder = f"evals/pythia-v1/pythia-{size}/{shots}-shot/"
        names = git(pythia, "ls-tree", "--name-only", "HEAD", folder).split()
        steps = {float(n.rsplit("step", 1)[1].removesuffix(".json")): n for n in names}
        steps.pop(0.0, None)
        asked = "" if shots == "zero" else f"{shots}-shot "
        yield from by_task(pythia, steps, f"Pythia {size} {asked}by step", group)


def by_task(clone: Path, files: dict[float, str], title: str, group: int) -> Iterator[Measured]:
    """Accuracies of lm-evaluation-harness results, one curve for each task, its subjects averaged for MMLU."""
    have = set(git(clone, "ls-tree", "-r", "--name-only", "HEAD", "evals").split("\n"))
    rows: dict[str, dict[float, float]] = {}
    for x, path in sorted(files.items()):
        if path not in have:
            continue
        results = json.loads(git(clone, "show", f"HEAD:{path}"))["results"]
        subjects = [v["acc"] for k, v in results.items() if k.startswith("hendrycksTest")]
        found = {k: v["acc"] for k, v in results.items() if k in TASKS}
        for task, score in found.items():
            rows.setdefault(task, {})[x] = score
        if len(subjects) == 57:
            rows.setdefault("mmlu", {})[x] = sum(subjects) / 57
    for task, points in sorted(rows.items()):
        yield from measured(f"{task}, {title}", group, *TASKS[task], points)


def by_family(clone: Path) -> Iterator[Measured]:
    tables = [
        {r["Model"]: r for r in csv.DictReader(io.StringIO(git(clone, "show", f"HEAD:eval_results/{name}.csv")))}
        for name in ("base_llm_benchmark_eval", "base_llm_emergent_capability_eval")
    ]
    known = tables[0]
    for family in FAMILIES:
        sizes = {m: float(r["Model Size (B)"]) * 1e9 for m, r in known.items() if r["Model Family"] == family}
        for table in tables:
            for task in (t for t in next(iter(table.values())) if t in TASKS):
                points = {n: float(table[m][task]) for m, n in sizes.items() if m in table and table[m][task]}
                title = f"{task}, {family} by size (observations)"
                yield from measured(title, 1, *TASKS[task], points)


def measured(
    name: str, group: int, floor: float | None, n_items: int | None, points: dict[float, float]
) -> Iterator[Measured]:
    if len(points) < FEWEST:
        return
    x, score = zip(*sorted(points.items()), strict=True)
    yield Measured(name=name, group=group, x=x, score=score, floor=floor, n_items=n_items)


def git(clone: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(clone), *words], capture_output=True, text=True, check=True)
    return done.stdout


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


def judge(curves: list[Measured], simulations: int, *, whole: bool) -> None:
    with LABELS.open() as file:
        labels = {row["curve"]: (row["first"], row["second"]) for row in csv.DictReader(file)}
    with ProcessPoolExecutor() as pool:
        words = pool.map(called, curves, [simulations] * len(curves), chunksize=20)
        calls = dict(zip((c.name for c in curves), words, strict=True))
    missing = sorted(set(calls) ^ set(labels) if whole else set(calls) - set(labels))
    if missing:
        raise SystemExit(f"{len(missing)} curves without a label, or labels without a curve: {missing[:3]}")
    for group in sorted({c.group for c in curves}):
        names = [c.name for c in curves if c.group == group]
        agreed = {n: labels[n][0] for n in names if len(set(labels[n])) == 1}
        share = len(agreed) / len(names)
        print(f"\nset {group}: {len(names)} curves; the two readers agree on {len(agreed)} ({share:.2f})")
        show("agreed labels", agreed, calls)
        for axis in ("by size", "by step", "by tokens"):
            show(f"agreed labels, {axis}", {n: label for n, label in agreed.items() if axis in n}, calls)
        for name, label in sorted(agreed.items()):
            if calls[name] != label:
                print(f"  {name}: labelled {label}, called {calls[name]}")


def called(curve: Measured, simulations: int) -> str:
    found = shape_call(curve.x, curve.score, floor=curve.floor, n_items=curve.n_items, simulations=simulations)
    return found.call.value


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
