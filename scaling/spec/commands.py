"""From a command sweep to its ordered trials: values filled in, tokens and FLOPs counted, each named by a hash."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scaling.errors import UsageError
from scaling.spec.blocks import Cell, Wish, count_cells, list_cells
from scaling.spec.command import GIVEN, NATS, CommandSpec, CommandTrialSpec
from scaling.spec.document import Problem
from scaling.spec.explain import nearest
from scaling.spec.expression import evaluate, names_in
from scaling.spec.identity import trial_id
from scaling.spec.schema import Scalar, SweepSpec
from scaling.units import format_si

MAX_TRIALS = 100_000
_RESERVED = {*GIVEN, "size"} - {"seed"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_TOKENS = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCommand:
    """One trial of a command sweep.

    Attributes:
        id: first 16 hexadecimal digits of ``sha256``; the trial's folder.
        sha256: hash of everything that changes the number.
        spec: what the trial's process reads.
        flops_total: training FLOPs to the last horizon.
        tokens: D at the last horizon.
        notes: what was rounded.
    """

    id: str
    sha256: str
    spec: CommandTrialSpec
    flops_total: float
    tokens: int
    notes: tuple[str, ...] = ()


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem


def expand_command(spec: SweepSpec, folder: Path, report: Callable[[list[Problem]], None]) -> list[PlannedCommand]:
    """Expand a command sweep into its trials: the cheapest first, to fail early; then the longest first.

    Args:
        spec: the sweep; has a ``command``.
        folder: of the sweep file: the command runs there, and its inputs are found from there.
        report: raises the problems with their place in the file.

    Raises:
        SpecError: everything that keeps a trial from being planned.
        UsageError: a declared input cannot be read.
    """
    command = spec.command
    assert command is not None
    problems = list(_static_problems(spec, command))
    if (number := count_cells(spec)) > MAX_TRIALS:
        problems.append(Problem(("trials",), f"lists {number:,} trials; the limit is {MAX_TRIALS:,}"))
    report(problems)
    inputs = fingerprints(command, folder)
    drafts: dict[str, PlannedCommand] = {}
    for cell in list_cells(spec):
        if isinstance(cell, Problem):
            problems.append(cell)
            continue
        try:
            for trial in _trials(command, cell, folder, inputs):
                same = drafts.get(trial.sha256)
                drafts[trial.sha256] = trial if same is None else _merge(same, trial)
        except _Refused as refused:
            problems.append(refused.problem)
    report(list(dict.fromkeys(problems)))
    trials = sorted(_labelled(list(drafts.values())), key=lambda t: (-t.flops_total, t.id))
    return [trials[-1], *trials[:-1]]


def _static_problems(spec: SweepSpec, command: CommandSpec) -> Iterator[Problem]:
    for key in ("data", "model", "train", "samples"):
        if key in spec.model_fields_set:
            yield Problem((key,), f"{key} belongs to the built-in trainer; a command has its own", at_key=True)
    axes = {key for index, item in enumerate(spec.trials) for key in _axis_names(item)}
    for name in sorted(axes):
        if name in _RESERVED or not _NAME.fullmatch(name):
            message = f"the axis {name} needs another name: a plain word, none of {', '.join(sorted(_RESERVED))}"
            yield Problem(("trials",), message)
    known = {*GIVEN, *(axes - {"horizon"})}
    for name, index in command.placeholders().items():
        if name not in known:
            yield Problem(("command", "run", index), f"no axis gives {{{name}}}{nearest(name, known)}")
        elif name == "steps" and command.batch_tokens is None:
            yield Problem(("command", "run", index), "{steps} needs command.batch_tokens, the tokens of one step")
    for index, item in enumerate(spec.trials):
        for kind in ("ladder", "isoflop"):
            if getattr(item, kind) is not None:
                yield Problem(("trials", index, kind), "a command has no sizes to choose from: write grid, zip or list")
    used = {*command.placeholders(), *(name for text in _expressions(command) for name in names_in(text))}
    for name in sorted(axes - used - {"seed", "horizon"}):
        yield Problem(("command", "run"), f"the axis {name} is used nowhere: write {{{name}}} in an argument")
    seeds = {seed for _, block in _given_blocks(spec) for seed in block.seeds}
    if (len(seeds) > 1 or "seed" in axes) and "seed" not in used:
        yield Problem(("command", "run"), "several seeds, but {seed} is in no argument: they would be the same run")


def _expressions(command: CommandSpec) -> list[str]:
    texts = (command.params, command.params_non_embedding, command.flops, command.batch_tokens)
    return [text for text in texts if text is not None]


def _given_blocks(spec: SweepSpec) -> Iterator[tuple[str, Any]]:
    for item in spec.trials:
        for kind in ("grid", "zip", "list"):
            if getattr(item, kind) is not None:
                yield kind, getattr(item, kind)


def _axis_names(item: Any) -> Iterator[str]:  # noqa: ANN401  # a TrialBlock; its blocks share no base with these fields
    for block in (item.grid, item.zip):
        yield from () if block is None else block.axes
    for row in () if item.list is None else item.list.items:
        yield from row


def fingerprints(command: CommandSpec, folder: Path) -> dict[str, str]:
    """Return the sha256 of every declared input by its name relative to ``folder``. Raises ``UsageError``."""
    if command.inputs is None:
        words = [word for word in command.run if "{" not in word and not word.startswith("-")]
        found = [folder / word for word in words if (folder / word).is_file() and not Path(word).is_absolute()]
    else:
        found = [path for pattern in command.inputs for path in _matching(folder, pattern)]
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(set(found))}


def _matching(folder: Path, pattern: str) -> list[Path]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise _bad_input(pattern, "inputs lie below the folder of the sweep file")
    files = [path for path in folder.glob(pattern) if path.is_file()]
    if not files:
        raise _bad_input(pattern, f"no such file in {folder}")
    return files


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _bad_input(str(path), str(error.strerror)) from error


def _bad_input(name: str, what: str) -> UsageError:
    return UsageError(
        "command.bad_input",
        f"cannot use the input {name!r}: {what}",
        where="command.inputs",
        why="the content of declared inputs is part of every trial's id",
    )


def _trials(command: CommandSpec, cell: Cell, folder: Path, inputs: Mapping[str, str]) -> Iterator[PlannedCommand]:
    numbers = {key: float(v) for key, v in cell.keys.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    numbers["seed"] = float(cell.seed)
    params = _whole(command.params, numbers, cell)
    numbers["params"] = float(params)
    batch = None if command.batch_tokens is None else _whole(command.batch_tokens, numbers, cell)
    asked = sorted({_tokens(command, wish, numbers, batch) for wish in cell.wishes})
    other = command.params_non_embedding
    for horizons in [tuple(asked)] if command.horizons == "trunk" else [(tokens,) for tokens in asked]:
        spec = CommandTrialSpec(
            run=tuple(command.run),
            values=dict(cell.keys),
            seed=cell.seed,
            cwd=str(folder),
            inputs=dict(inputs),
            stdout={str(name): pattern for name, pattern in command.stdout.items()},
            trunk=command.horizons == "trunk",
            horizons=horizons,
            flops_train=tuple(_number(command.flops, {**numbers, "tokens": float(t)}, cell) for t in horizons),
            flops_convention=command.flops,
            params_total=params,
            params_non_embedding=None if other is None else _whole(other, numbers, cell),
            params_convention=command.params,
            batch_tokens=batch,
            anneal=command.anneal,
            unit=command.unit,
        )
        sha256 = command_hash(spec)
        yield PlannedCommand(
            id=trial_id(sha256), sha256=sha256, spec=spec, flops_total=spec.flops_train[-1], tokens=horizons[-1]
        )


def _number(text: str, numbers: Mapping[str, float], cell: Cell) -> float:
    try:
        value = evaluate(text, numbers)
    except ValueError as error:
        raise _Refused(Problem(cell.path, f"command: {error}")) from error
    if value <= 0:
        raise _Refused(Problem(cell.path, f"command: {text!r} is {value:g} here; it must be above zero"))
    return value


def _whole(text: str, numbers: Mapping[str, float], cell: Cell) -> int:
    return max(1, round(_number(text, numbers, cell)))


def _tokens(command: CommandSpec, wish: Wish, numbers: Mapping[str, float], batch: int | None) -> int:
    amount, unit = wish.horizon.amount, wish.horizon.unit
    if unit == "tokens_per_param":
        amount *= numbers["params"]
    elif unit == "flops":
        per_token = evaluate(command.flops, {**numbers, "tokens": 1e9}) / 1e9
        amount /= per_token
        if abs(evaluate(command.flops, {**numbers, "tokens": amount}) / wish.horizon.amount - 1) > 1e-3:
            raise _Refused(Problem(wish.path, f"{wish.horizon}: command.flops is not in proportion to tokens"))
    tokens = round(amount) if batch is None else max(1, round(amount / batch)) * batch
    if not 0 < tokens <= _MAX_TOKENS:
        raise _Refused(Problem(wish.path, f"{wish.horizon} is {tokens:.3g} tokens: absurd"))
    return tokens


def command_hash(spec: CommandTrialSpec) -> str:
    """Return the sha256 of everything that changes the number of a command trial, in hexadecimal."""
    words = " ".join(spec.run)
    told = not spec.trunk or "{tokens}" in words or "{steps}" in words
    content = {
        "command": list(spec.run),
        "values": dict(spec.values),
        "seed": spec.seed,
        "inputs": dict(spec.inputs),
        "stdout": dict(spec.stdout),
        "tokens": spec.horizons[-1] if told else None,
        "version": spec.version,
        **({"unit": spec.unit} if spec.unit != NATS else {}),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _merge(first: PlannedCommand, second: PlannedCommand) -> PlannedCommand:
    """Unite the horizons of two trunks that are the same."""
    flops = {h: c for s in (first.spec, second.spec) for h, c in zip(s.horizons, s.flops_train, strict=True)}
    horizons = tuple(sorted(flops))
    spec = first.spec.model_copy(update={"horizons": horizons, "flops_train": tuple(flops[h] for h in horizons)})
    return replace(first, spec=spec, flops_total=spec.flops_train[-1], tokens=horizons[-1])


def _labelled(trials: Sequence[PlannedCommand]) -> list[PlannedCommand]:
    """Name each trial by what tells it apart."""
    keys = [key for key in dict.fromkeys(k for t in trials for k in t.spec.values) if _differs(trials, key)]
    many = len({t.tokens for t in trials}) > 1 and not trials[0].spec.trunk
    return [replace(t, spec=t.spec.model_copy(update={"label": _label(t, keys, many)})) for t in trials]


def _differs(trials: Sequence[PlannedCommand], key: str) -> bool:
    return len({str(t.spec.values.get(key)) for t in trials}) > 1 or len(trials) == 1


def _label(trial: PlannedCommand, keys: Sequence[str], tokens: bool) -> str:
    values: Mapping[str, Scalar] = trial.spec.values
    parts = [f"{key}={str(values[key])[:40]}" for key in keys if key in values]
    parts += [format_si(float(trial.tokens))] if tokens else []
    return " ".join([*parts, f"s{trial.spec.seed}"])
