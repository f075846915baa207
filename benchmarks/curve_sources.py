"""Readers of published scores, as their repositories keep them, and of the probes trained for this benchmark."""

import csv
import io
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import fmean
from typing import TypeVar

import numpy as np

from scaling.laws.emergence.abilities import lifted

T = TypeVar("T")
GPT3 = Path(__file__).with_name("gpt3_scores.csv")  # percent; BLEU is multi-bleu
PROBES = Path(__file__).with_name("probes") / "scores.csv"
LATER_MODELS = {
    "probes-deeper": ("d24 s20", "d96 s20"), "probes-wider": ("d24 s30", "d96 s30"),
    "probes-between": ("d28 s40", "d56 s40"), "probes-faster": ("d22 s50", "d42 s50"),
}  # fmt: skip
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
HARNESS = "2ac318a98"  # the commit of lm-evaluation-harness that holds results of BLOOM and XGLM
CHOICES = {
    "xnli": 3, "xcopa": 2, "xstory_cloze": 2, "xwinograd": 2, "pawsx": 2, "openbookqa": 4, "wsc273": 2, "swag": 4,
    "prost": 4, "copa": 2, "boolq": 2, "hellaswag": 4, "race": 4, "headqa": None, "mathqa": 5, "gsm8k": 0, "math": 0,
    "webqs": 0, "triviaqa": 0,
}  # fmt: skip
LADDER = "9bc064c72b1439640993e7ff28238e7b8f855aee"  # the commit of OLMo that holds its ladder's evaluations
LADDER_SIZES = {"190M": 190.4e6, "370M": 371.3e6, "760M": 758.2e6, "1B": 1.279e9, "3B": 3.17e9}
LATER_LADDER, DECAYED, CONSTANT = "peteish-moreeval", "peteish-moreeval-decay", "peteish-moreeval-const"
FIRST_LADDER, FIRST_FORMATS = "peteish-final-new", ("_rc_", "_mc_")
FIRST_LADDER_SIZES = {**{s: n for s, n in LADDER_SIZES.items() if s != "3B"}, "600M": 597.4e6}
LADDER_MULTIPLES = ("0.5", "1", "2", "5", "10")  # of 20 tokens per parameter
LADDER_CHANCE = {
    "mmlu": 1 / 4, "hellaswag": 1 / 4, "arc": 1 / 4, "boolq": 1 / 2, "csqa": 1 / 5, "openbookqa": 1 / 4, "piqa": 1 / 2,
    "socialiqa": 1 / 3, "winogrande": 1 / 2, "copa": 1 / 2, "sciq": 1 / 4,
}  # fmt: skip
BIGSCIENCE_RUNS = {
    "OSCAR": "tr3/tr3d-1B3-oscar-checkpoints",
    "C4": "tr3/tr3e-1B3-c4-checkpoints",
    "the Pile": "tr3/tr3m-1B3-pile-checkpoints",
    "filtered OSCAR": "tr12/tr12a-1B3-oscar-en-filtered",
    "deduplicated OSCAR": "tr12/tr12b-1B3-oscar-en-filtered-dedup",
}
BIGSCIENCE_CHOICES = {
    "arc_challenge": 4, "arc_easy": 4, "boolq": 2, "copa": 2, "headqa_en": 4, "hellaswag": 4, "lambada": 0, "logiqa": 4,
    "mathqa": 5, "mrpc": 2, "openbookqa": 4, "piqa": 2, "prost": 4, "pubmedqa": 3, "qnli": 2, "qqp": 2, "race": 4,
    "rte": 2, "sciq": 4, "sst": 2, "triviaqa": 0, "webqs": 0, "wic": 2, "winogrande": 2, "wnli": 2, "wsc": 2,
}  # fmt: skip
BIG_G = {
    "2m": 2e6, "16m": 16e6, "53m": 53e6, "125m": 125e6, "244m": 244e6, "422m": 422e6, "1b": 1e9, "2b": 2e9, "4b": 4e9,
    "8b": 8e9, "27b": 27e9, "128b": 128e9,
}  # fmt: skip
BIG_BENCH_LABELS = "artifacts/csv-results-new/q6scaling/deberta_bs32_3sh_instance-split-07251345/base"
BIG_BENCH_RATES = ("artifacts/csv-results/scaling-0sh", "artifacts/csv-results/scaling-0sh-small")
FEWEST_ITEMS = 30  # many tasks of BIG-bench have a handful of test instances, some probes a dozen items in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One curve: task, family and axis in its name; ``x`` in parameters, steps or tokens."""

    name: str
    x: tuple[float, ...]
    score: tuple[float, ...]
    floor: float | None
    n_items: int | None


def counted_labels(lass: Path, size: str) -> dict[str, tuple[int, int]]:
    """Right answers and test instances of each task."""
    tasks = json.loads(git(lass, "show", f"HEAD:{BIG_BENCH_LABELS}/{size}/predictions_per_task.json"))
    return {task: (sum(found["labels"]), len(found["labels"])) for task, found in tasks.items()}


def counted_rates(lass: Path, size: str) -> dict[str, tuple[int, int]]:
    """The same from what two assessors' rates allow, where one number alone fits them."""
    tables = [
        {row[""]: row for row in csv.DictReader(io.StringIO(git(lass, "show", f"HEAD:{folder}/{size}.csv")))}
        for folder in BIG_BENCH_RATES
    ]
    answers: dict[str, tuple[int, int]] = {}
    for task in tables[0]:
        rows = [{name: float(v or "nan") for name, v in table[task].items() if name} for table in tables]
        n = round(rows[0]["count"])
        fits = [k for k in range(n + 1) if all(fits_rates(k, n, row) for row in rows)]
        if len(fits) == 1 and task != "_total":
            answers[task] = fits[0], n
    return answers


def fits_rates(k: int, n: int, row: Mapping[str, float]) -> bool:
    """Whether k right answers in n agree with an assessor's rates and the uncertainty term of its Brier score."""
    accuracy, recall = row["test_accuracy"], row["test_recall"]
    if abs(k * (n - k) / n**2 - row["test_bs_unc"]) > 1e-6:
        return False
    if k == 0:
        return recall == 0
    if k == n:
        return abs(recall - accuracy) < 1e-6
    specificity = 2 * row["test_balanced_accuracy"] - recall
    return abs(recall * k + specificity * (n - k) - accuracy * n) < 1e-4


def by_probe(sweep: str, *, at: str, seed: str | None = None, model: str | None = None) -> Iterator[Measured]:
    """Each probe of one sweep that has items enough: each seed by size, or models by tokens."""
    with PROBES.open() as file:
        rows = [r for r in csv.DictReader(file) if r["sweep"] == sweep and seed in (None, r["seed"])]
    if at == "tokens":
        kept_back = LATER_MODELS.get(sweep, ())
        rows = [r for r in rows if (r["label"] not in kept_back if model is None else r["label"] == model)]
    most = max(float(row["tokens"]) for row in rows)
    lines: dict[str, dict[float, dict[str, str]]] = {}
    for row in rows:
        if at == "tokens":
            run = f"{row['probe']}, {sweep} {row['label']} by tokens"
            lines.setdefault(run, {})[float(row["tokens"])] = row
        elif float(row["tokens"]) == most:
            ends = f"{row['probe']}, {sweep} s{row['seed']} by size"
            lines.setdefault(ends, {})[float(row["params_total"])] = row
    for name, seen in sorted(lines.items()):
        one = next(iter(seen.values()))
        floor, items = fmean(float(row["floor"]) for row in seen.values()), int(one["items"])
        if items < FEWEST_ITEMS:
            continue
        score = np.array([float(row["score"]) for row in seen.values()])
        if one["format_only"]:  # as the tool does before it judges
            score = lifted(score, floor, np.full(len(score), items))
        yield from measured(name, floor, items, dict(zip(seen, score.tolist(), strict=True)))


def ladder(olmo: Path, run: str, folder: str) -> list[dict[str, str]]:
    """Every evaluation of one run."""
    return list(csv.DictReader(io.StringIO(git(olmo, "show", f"{LADDER}:scripts/scaling/data/{folder}/{run}.csv"))))


def checkpoints(rows: Mapping[float, T], count: int = 12) -> dict[float, T]:
    """Evaluations nearest to places evenly spaced in the logarithm: a run is evaluated hundreds of times."""
    seen = sorted(step for step in rows if step > 0)
    wanted = [seen[0] * (seen[-1] / seen[0]) ** (i / (count - 1)) for i in range(count)]
    return {x: rows[x] for x in {min(seen, key=lambda step: abs(log(step / at))) for at in wanted}}


def by_checkpoint(olmo: Path, run: str, title: str, folder: str = LATER_LADDER) -> Iterator[Measured]:
    """One run by step; the first ladder counts tokens instead, and knows each task in several formats."""
    axis, formats = ("throughput/total_tokens", FIRST_FORMATS) if folder == FIRST_LADDER else ("_step", ("",))
    rows = {float(row[axis]): row for row in ladder(olmo, run, folder)}
    yield from by_column(checkpoints(rows), f"{title} by step", formats)


def by_column(runs: Mapping[float, dict[str, str]], title: str, formats: tuple[str, ...] = ("",)) -> Iterator[Measured]:
    """Each column that is an accuracy; its items are the smallest number that makes every score a whole count."""
    for column in next(iter(runs.values())):
        task = column.rsplit("/", 1)[-1]
        family = task.split("_")[0]
        if column.startswith("eval/downstream/") and family in LADDER_CHANCE and any(f in task for f in formats):
            points = {x: float(row[column]) for x, row in runs.items() if row[column]}
            items = next(n for n in range(20, 20_000) if all(abs(y * n - round(y * n)) < 2e-3 for y in points.values()))
            yield from measured(f"{task}, OLMo {title}", LADDER_CHANCE[family], items, points)


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


def by_prefix(pythia: Path, files: dict[float, str], prefix: str, floor: float, title: str) -> Iterator[Measured]:
    """Accuracies of one collection of tasks."""
    results = [(n, json.loads(git(pythia, "show", f"HEAD:{name}"))["results"]) for n, name in files.items()]
    for task, seen in with_errors(results):
        if task.startswith(prefix):
            yield from counted(f"{task}, {title}", floor, seen)


def by_harness(harness: Path, family: str, sizes: dict[str, float], title: str) -> Iterator[Measured]:
    """Accuracies that the first set does not hold."""
    results = []
    for size, n in sizes.items():
        names = git(harness, "ls-tree", "--name-only", HARNESS, f"results/{family}/{family}-{size}/").split()
        texts = [git(harness, "show", f"{HARNESS}:{name}") for name in names if name.endswith(".json")]
        results += [(n, json.loads(text)["results"]) for text in texts]
    for task, seen in with_errors(results):
        if task not in TASKS:
            choices = next((c for prefix, c in CHOICES.items() if task.startswith(prefix)), None)
            floor = None if choices is None else 1 / choices if choices else 0.0
            yield from counted(f"{task}, {title}", floor, seen)


Scores = dict[float, tuple[float, float]]  # accuracy and its standard error by scale


def with_errors(results: list[tuple[float, dict[str, dict[str, float]]]]) -> Iterator[tuple[str, Scores]]:
    """Each task that has an accuracy."""
    points: dict[str, Scores] = {}
    for n, tasks in results:
        for task, found in tasks.items():
            if "acc" in found:
                points.setdefault(task, {})[n] = (found["acc"], found["acc_stderr"])
    yield from sorted(points.items())


def counted(name: str, floor: float | None, seen: Scores) -> Iterator[Measured]:
    """One curve, its items from the standard errors; none where no model answers anything."""
    items = [round(p * (1 - p) / e**2) + 1 for p, e in seen.values() if e > 0]
    if items:
        yield from measured(name, floor, max(items), {n: p for n, (p, _) in seen.items()})


def by_tokens_or_size(gadre: Path, multiple: str | None, by_tokens: tuple[tuple[str, str], ...]) -> Iterator[Measured]:
    """Every task of some models: all sizes at one multiple of 20 tokens per parameter, or one model's horizons."""
    known = csv.DictReader(io.StringIO(git(gadre, "show", "HEAD:exp_data/eval_metadata.csv")))
    tasks = {r["Eval Task"]: (float(r["Random baseline"]) / 100, int(r["#datapoints"])) for r in known}
    names = git(gadre, "ls-tree", "--name-only", "HEAD", "exp_data/models/").split()
    lines: dict[str, dict[float, dict[str, float]]] = {}
    for name in names:
        run = json.loads(git(gadre, "show", f"HEAD:{name}"))["hyperparameters"]
        corpus, shape, horizon = name.rsplit("/", 1)[1].removesuffix(".json").rsplit("-")
        scores = json.loads(git(gadre, "show", f"HEAD:exp_data/evals/evaluation_{corpus}-{shape}-{horizon}_heavy.json"))
        if horizon == multiple:
            lines.setdefault(f"{corpus} by size", {})[run["params"]] = scores["eval_metrics"]["icl"]
        if (corpus, shape) in by_tokens:
            model = corpus if shape == GADRE_BY_TOKENS[1] else f"{corpus} {shape}"
            lines.setdefault(f"{model} by tokens", {})[run["tokens"]] = scores["eval_metrics"]["icl"]
    for title, runs in sorted(lines.items()):
        for task in sorted(set(tasks).intersection(*runs.values())):
            yield from measured(f"{task}, {title}", *tasks[task], {x: found[task] for x, found in runs.items()})


def by_step(pythia: Path, sizes: tuple[str, ...], shots: str = "zero") -> Iterator[Measured]:
    for size in sizes:
        folder = f"evals/pythia-v1/pythia-{size}/{shots}-shot/"
        names = git(pythia, "ls-tree", "--name-only", "HEAD", folder).split()
        steps = {float(n.rsplit("step", 1)[1].removesuffix(".json")): n for n in names}
        steps.pop(0.0, None)
        asked = "" if shots == "zero" else f"{shots}-shot "
        yield from by_task(pythia, steps, f"Pythia {size} {asked}by step")


def by_task(clone: Path, files: dict[float, str], title: str) -> Iterator[Measured]:
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
        yield from measured(f"{task}, {title}", *TASKS[task], points)


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
                yield from measured(title, *TASKS[task], points)


def measured(name: str, floor: float | None, n_items: int | None, points: dict[float, float]) -> Iterator[Measured]:
    if len(points) < FEWEST:
        return
    x, score = zip(*sorted(points.items()), strict=True)
    yield Measured(name=name, x=x, score=score, floor=floor, n_items=n_items)


def git(clone: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(clone), *words], capture_output=True, text=True, check=True)
    return done.stdout
