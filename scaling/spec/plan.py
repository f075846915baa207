"""From a checked sweep to its ordered trials, each fully resolved, counted and named by a hash.

A trial is one trunk: asking for two horizons of one model and seed, in whatever blocks, gives one trial with two
horizons. Nothing here reads a corpus or touches a store.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from scaling.errors import SpecError
from scaling.families import FAMILIES, Family
from scaling.spec.after import refusals, tuned_trials
from scaling.spec.before import before_trial, missing
from scaling.spec.blocks import count_cells, list_cells
from scaling.spec.document import Problem, dotted
from scaling.spec.explain import nearest
from scaling.spec.identity import TRAINER_VERSION, trial_hash
from scaling.spec.label import label_trials
from scaling.spec.lr_check import lr_check_trials
from scaling.spec.resolve import PlannedTrial, Refused, Resolver
from scaling.spec.schema import DEFAULT_FAMILY, DataIdentity, SweepSpec

__all__ = ["TRAINER_VERSION", "PlannedTrial", "expand", "trial_hash"]

MAX_TRIALS = 100_000  # a store has one folder per trial


def expand(
    spec: SweepSpec,
    identity: DataIdentity,
    location: Mapping[str, object],
    *,
    report: Callable[[list[Problem]], None] | None = None,
) -> list[PlannedTrial]:
    """Expand a sweep into its trials: one cheap trial per code path first, then the longest first.

    Args:
        spec: the sweep.
        identity: its corpus.
        location: how a trial finds the corpus again.
        report: raises the problems with their place in a file; without it they are named by dotted path.

    Raises:
        SpecError: everything that keeps a trial from being planned.
    """
    raise_problems = report or _raise_dotted
    number = count_cells(spec)
    if number > MAX_TRIALS:
        raise_problems([Problem(("trials",), f"lists {number:,} trials; the limit is {MAX_TRIALS:,}")])
    family = str(spec.model.get("family", DEFAULT_FAMILY))
    if family not in FAMILIES:
        raise_problems([Problem(("model", "family"), f"unknown model family {family!r}{nearest(family, FAMILIES)}")])
    raise_problems(missing(spec, FAMILIES[family]))
    problems: dict[Problem, None] = {}
    before: PlannedTrial | None = None
    try:
        before = before_trial(spec, FAMILIES[family], identity, location)
    except Refused as refused:
        raise_problems(list(refused.problems))
    resolver = Resolver(spec, FAMILIES[family], identity, location, before)
    drafts: dict[str, PlannedTrial] = {}
    for cell in list_cells(spec):
        if isinstance(cell, Problem):
            problems[cell] = None
            continue
        try:
            trial = resolver.trial(cell)
        except Refused as refused:
            problems.update(dict.fromkeys(refused.problems))
            continue
        same = drafts.get(trial.sha256)
        drafts[trial.sha256] = trial if same is None else _merge(same, trial)
    raise_problems(list(problems))
    trials = label_trials(list(drafts.values()))
    if spec.lr_check and trials:
        trials += [t for t in lr_check_trials(trials, spec.fit.min_params) if t.sha256 not in drafts]
    after = _after(spec, trials[: len(drafts)], FAMILIES[family], raise_problems)
    return [*([] if before is None else [before]), *_ordered(trials), *after]


def _after(
    spec: SweepSpec, trials: Sequence[PlannedTrial], family: Family, report: Callable[[list[Problem]], None]
) -> list[PlannedTrial]:
    """Return the trials that start from the weights of others, each after the one it starts from."""
    if spec.after is None or not trials:
        return []
    report(refusals(spec.after, trials, family, spec.executor))
    return tuned_trials(spec.after, trials, family)


def _merge(first: PlannedTrial, second: PlannedTrial) -> PlannedTrial:
    """Unite the horizons of two trials that are the same."""
    horizons = tuple(sorted({*first.spec.horizons, *second.spec.horizons}))
    longest = max(first, second, key=lambda trial: trial.tokens)
    return replace(
        longest,
        spec=longest.spec.model_copy(update={"horizons": horizons}),
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
    )


def _code_path(trial: PlannedTrial) -> tuple[object, ...]:
    """Return what decides which code a trial runs: choices and flags, not amounts."""
    train = trial.spec.train
    choices = sorted((k, v) for k, v in trial.spec.model.items() if isinstance(v, str | bool))
    return (trial.spec.family, *choices, train.optimizer, train.anneal, train.precision, train.compile)


def _ordered(trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
    """Put the cheapest trial of each code path first, to fail early; then the longest, to end together."""
    cheapest: dict[tuple[object, ...], PlannedTrial] = {}
    for trial in sorted(trials, key=lambda t: (t.flops_total, t.id)):
        cheapest.setdefault(_code_path(trial), trial)
    canaries = {trial.id for trial in cheapest.values()}
    rest = [trial for trial in trials if trial.id not in canaries]
    return [*cheapest.values(), *sorted(rest, key=lambda t: (-t.flops_total, t.id))]


def _raise_dotted(problems: list[Problem]) -> None:
    if problems:
        raise SpecError(
            "spec.invalid",
            f"{len(problems)} problem{'s' * (len(problems) > 1)} in the sweep",
            problems=tuple(f"  {dotted(p.path)}  {p.message}" for p in problems[:20]),
            why="nothing was run",
        )
