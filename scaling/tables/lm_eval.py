"""Results of EleutherAI's lm-evaluation-harness as abilities: one row per model and task.

A run of v0.4 leaves ``OUTPUT/MODEL/results_DATE.json`` and, with ``--log_samples``, ``samples_TASK_DATE.jsonl`` beside
it; older runs left a single ``NAME.json``. From a result come the score, the number of items and the number of
choices; from logged samples the log-probability of the right choice among all, which is what shows whether a leap is
the model's or the metric's. Parameters come from ``model_num_parameters``, else from the model's name; training
tokens are known where the revision names a step and ``--column tokens=step*2097152`` says how many tokens a step has.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData, UsageError
from scaling.store.columns import ABILITIES
from scaling.store.imported import Imported
from scaling.tables.files import fingerprint
from scaling.units import parse_count

_METRICS = ("acc", "exact_match", "acc_norm", "em", "f1", "mcc", "pass@1")  # in order of preference
_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*([mbtk])(?![a-z])", re.IGNORECASE)
_STEP = re.compile(r"step[-_]?(\d+)", re.IGNORECASE)
_PER_STEP = re.compile(r"^step\s*\*\s*([\d.]+(?:e\d+)?)$", re.IGNORECASE)
_SEED = re.compile(r"seed[-_]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Run:
    """One results file."""

    path: Path
    content: Mapping[str, Any]

    @property
    def model(self) -> str:
        """The model's name with its revision."""
        name = self.content.get("model_name") or self._argument("pretrained") or self.path.stem
        revision = self._argument("revision")
        return f"{name}@{revision}" if revision and revision != "main" else str(name)

    @property
    def params(self) -> float | None:
        """Total parameters: counted by the harness, else read off the name."""
        config = self.content.get("config")
        counted = config.get("model_num_parameters") if isinstance(config, Mapping) else None
        if isinstance(counted, int | float) and counted > 0:
            return float(counted)
        found = _SIZE.findall(self.model.split("@")[0].replace("-", " ").replace("_", " "))
        return parse_count(f"{found[-1][0]}{found[-1][1].upper()}") if found else None

    @property
    def step(self) -> float | None:
        """Training step, where the revision or the folder names one."""
        found = _STEP.search(self._argument("revision") or "") or _STEP.search(str(self.path))
        return float(found[1]) if found else None

    @property
    def seed(self) -> int:
        """Training seed, where the model's name tells one."""
        found = _SEED.search(self.model)
        return int(found[1]) if found else 0

    def _argument(self, name: str) -> str | None:
        config = self.content.get("config")
        arguments = config.get("model_args") if isinstance(config, Mapping) else None
        if isinstance(arguments, Mapping):
            return str(arguments[name]) if name in arguments else None
        pairs = dict(p.split("=", 1) for p in str(arguments or "").split(",") if "=" in p)
        return pairs.get(name)


def find(folder: Path) -> list[Path]:
    """Return the results files below a folder, or the file itself; empty where there is none."""
    if folder.is_file():
        return [folder] if folder.suffix == ".json" and _is_results(folder) else []
    return [f for f in sorted(folder.rglob("*.json")) if _is_results(f)]


def is_lm_eval(source: Path) -> bool:
    """Say whether a file or folder holds results of the harness."""
    return source.exists() and bool(find(source))


def _is_results(path: Path) -> bool:
    if not (path.name.startswith("results") or path.stat().st_size < 20_000_000):
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return False
    held = content.get("results") if isinstance(content, dict) else None
    return isinstance(held, dict) and "config" in content and all(isinstance(v, dict) for v in held.values())


def read_lm_eval(source: Path, columns: Mapping[str, str] | None = None) -> Imported:
    """Read every results file below a folder.

    Args:
        source: a folder, or one results file.
        columns: ``tokens`` may say how many tokens a step has, as ``step*2097152``, or be one count for all.

    Raises:
        UsageError: a field other than ``tokens``, or a model of unknown size.
        NotEnoughData: no task with a score between 0 and 1.
    """
    files = find(source)
    per_step, constant = _tokens(dict(columns or {}))
    runs = _newest([_Run(f, json.loads(f.read_text(encoding="utf-8"))) for f in files])
    unknown = [r.model for r in runs if r.params is None]
    if unknown:
        raise UsageError(
            "lm_eval.size",
            f"the size of {unknown[0]} is not known",
            where=str(source),
            why="neither model_num_parameters nor the name tells it",
            hint="put the size into the folder's or model's name, such as my-model-160m",
        )
    rows = [row for run in runs for row in _rows(run, per_step, constant)]
    frame = pd.DataFrame(rows, columns=[*ABILITIES])
    if frame.empty:
        raise NotEnoughData("lm_eval.empty", "no task has a score between 0 and 1", where=str(source))
    empty = pd.DataFrame({"trial": pd.Series(dtype="str")})
    return Imported.of(empty, _origin(source, files, frame), frame)


def _tokens(columns: dict[str, str]) -> tuple[float | None, float | None]:
    text = columns.pop("tokens", None)
    if columns:
        raise UsageError(
            "tables.unknown_field", f"{next(iter(columns))!r} is not read from harness results", hint="tokens only"
        )
    if text is None:
        return None, None
    found = _PER_STEP.match(text)
    try:
        return (float(found[1]), None) if found else (None, parse_count(text))
    except ValueError as error:
        raise UsageError("lm_eval.tokens", f"tokens={text}: {error}", hint="such as tokens=step*2097152") from error


def _newest(runs: Iterable[_Run]) -> list[_Run]:
    """Keep for each model and task set the newest file: the harness adds one per call."""
    kept: dict[tuple[str, frozenset[str]], _Run] = {}
    for run in runs:  # by name, which ends in the date
        kept[run.model, frozenset(run.content["results"])] = run
    return list(kept.values())


def _rows(run: _Run, per_step: float | None, constant: float | None) -> Iterator[dict[str, Any]]:
    tokens = constant if per_step is None or run.step is None else run.step * per_step
    groups = {name for name, members in (run.content.get("group_subtasks") or {}).items() if members}
    for task, result in run.content["results"].items():
        metric, score = _score(result)
        if metric is None or score is None or task in groups:
            continue
        samples = _samples(run.path, task)
        items = _items(run.content, task, result, metric, score)
        chance = _chance(run.content, task) if samples.choices is None else samples.choices
        yield {
            "trial": run.model,
            "label": run.model,
            "seed": run.seed,
            "params_total": run.params,
            "tokens": tokens,
            "flops_train": None if tokens is None or run.params is None else 6.0 * run.params * tokens,
            "probe": f"{task} ({metric})",
            "ability": task,
            "items": items,
            "score": score,
            "logprob": samples.logprob,
            "brier": samples.brier,
            "floor": chance if metric in ("acc", "acc_norm") else None,
            "chance": chance if metric in ("acc", "acc_norm") else None,
        }


def _score(result: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """Return the preferred metric and its value; v0.4 writes ``acc,none``, older versions ``acc``."""
    for metric in _METRICS:
        for name, value in result.items():
            plain = name.split(",")[0]
            if plain == metric and isinstance(value, int | float) and 0 <= value <= 1:
                return metric, float(value)
    return None, None


def _items(content: Mapping[str, Any], task: str, result: Mapping[str, Any], metric: str, score: float) -> float | None:
    counted = (content.get("n-samples") or {}).get(task)
    if isinstance(counted, Mapping):
        return float(counted.get("effective") or counted.get("original") or 0) or None
    error = next((v for k, v in result.items() if k.split(",")[0] == f"{metric}_stderr"), None)
    if isinstance(error, int | float) and error > 0 and 0 < score < 1:
        return float(round(score * (1 - score) / error**2)) + 1  # the harness divides by n - 1
    return None


def _chance(content: Mapping[str, Any], task: str) -> float | None:
    choices = ((content.get("configs") or {}).get(task) or {}).get("doc_to_choice")
    return 1 / len(choices) if isinstance(choices, list) and choices else None


@dataclass(frozen=True, slots=True)
class _Samples:
    """What logged samples tell of a task with choices: means over items."""

    logprob: float | None = None
    brier: float | None = None
    choices: float | None = None  # score of a uniform guess


def _samples(results: Path, task: str) -> _Samples:
    """Read the samples logged beside a results file: the log-likelihood of every choice, and which is right."""
    date = results.stem.removeprefix("results_")
    path = results.parent / f"samples_{task}_{date}.jsonl"
    if not path.is_file():
        return _Samples()
    logprobs, briers, guesses = [], [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            found = _sample(path, number, line)
            if found is None:
                return _Samples()  # not a task with choices
            share, right = found
            logprobs.append(float(np.log(max(share[right], 1e-300))))
            briers.append(float((share**2).sum() - 2 * share[right] + 1))
            guesses.append(1 / len(share))
    if not logprobs:
        return _Samples()
    return _Samples(float(np.mean(logprobs)), float(np.mean(briers)), float(np.mean(guesses)))


def _sample(path: Path, number: int, line: str) -> tuple[np.ndarray[Any, np.dtype[np.float64]], int] | None:
    """Return the probability of each choice and the place of the right one; ``None`` where there are no choices."""
    try:
        sample = json.loads(line)
        answers, target = sample["filtered_resps"], sample["target"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("lm_eval.sample", f"{path.name} is damaged: {error}", where=f"{path}:{number}") from error
    scored = all(isinstance(a, list) and len(a) == 2 for a in answers) and len(answers) > 1
    if not scored or not str(target).strip().isdecimal() or int(target) >= len(answers):
        return None
    likelihood = np.array([float(a[0]) for a in answers])
    share = np.exp(likelihood - likelihood.max())
    return share / share.sum(), int(target)


def _origin(source: Path, files: list[Path], frame: pd.DataFrame) -> dict[str, Any]:
    logged = int(frame["logprob"].notna().sum())
    notes = [
        f"{frame['trial'].nunique()} models, {frame['probe'].nunique()} tasks; per-sample logs for {logged} of "
        f"{len(frame)} scores.",
    ]
    if frame["tokens"].isna().any():
        notes.append("Training tokens are not told by these results: scores are read against parameters.")
    return {
        "name": source.resolve().stem,
        "source": {"file": source.name, "sha256": fingerprint(files), "kind": "lm-evaluation-harness"},
        "mapping": {"params": {"column": "config.model_num_parameters or the name", "how": "guessed", "factor": 1.0}},
        "conventions": {"points": "scores of a harness; no losses"},
        "notes": notes,
        "problems": [],
    }
