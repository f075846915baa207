"""The trials that follow the sweep's own: fine-tuned and preference-tuned from the weights that those leave behind.

Each is a trial like any other, with an id that holds the trial it starts from. Seeds are those of the bases.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scaling.families import Family
from scaling.spec.abilities import MIN_CONTEXT, item_tokens
from scaling.spec.document import KeyPath, Problem
from scaling.spec.identity import trial_hash, trial_id
from scaling.spec.resolve import PlannedTrial
from scaling.spec.schema import ExecutorSpec, LearningRates, SamplesSpec, TrainSpec, TrialSpec
from scaling.spec.tuning import (
    AfterSpec,
    Base,
    Finetune,
    FinetuneSpec,
    Method,
    Preference,
    PreferenceSpec,
    asked_flops,
    window_items,
)
from scaling.spec.tuning import preference_flops as flops_by_part

_FINETUNE: KeyPath = ("after", "finetune")
_PREFERENCE: KeyPath = ("after", "preference")
_WARM_UP_STEPS = 5


def refusals(after: AfterSpec, trials: Sequence[PlannedTrial], family: Family, executor: ExecutorSpec) -> list[Problem]:
    """Return why trials cannot be tuned: each a problem at its place in the file."""
    if not family.predicts_next and family.asked is None:
        what = f"family {family.name} neither writes tokens nor fills them in: it cannot be tuned on a probe"
        return [Problem(("after",), what)]
    context, tokenizer = trials[0].spec.data.context, trials[0].spec.data.tokenizer
    found: list[Problem] = []
    if context < MIN_CONTEXT:
        found.append(Problem(("data", "context"), f"after needs a data.context of {MIN_CONTEXT} tokens or more"))
    if tokenizer not in ("ascii", "bytes"):
        found.append(Problem(("after",), f"probes are written in bytes; the tokenizer here is {tokenizer!r}"))
    if not window_items(family, after.probe, context):
        what = f"no item of {after.probe} fits a window of {context} tokens of family {family.name}"
        found.append(Problem(("after", "probe"), what))
    batch = _batch_tokens(after.finetune, trials[0].spec.train)
    if batch % context:
        message = f"a batch of {batch:,} tokens is not a multiple of data.context {context}"
        found.append(Problem((*_FINETUNE, "batch_tokens"), message))
    short = [tokens for tokens in after.finetune.horizons if tokens < batch]
    if short:
        found.append(Problem((*_FINETUNE, "horizons"), f"{short[0]:,} tokens are less than one step of {batch:,}"))
    if after.preference is not None and not family.predicts_next:
        what = f"family {family.name} writes no tokens: only what it writes can be preferred"
        found.append(Problem(_PREFERENCE, what))
    if after.preference is not None and executor.gpus_per_trial > 1:
        found.append(Problem(_PREFERENCE, "preference tuning is done by one process: executor.gpus_per_trial is 1"))
    return found


def tuned_trials(after: AfterSpec, trials: Sequence[PlannedTrial], family: Family) -> list[PlannedTrial]:
    """Return what follows the sweep's own trials: first what is fine-tuned, then what is tuned further."""
    tuned = [tune for trial in trials for tune in _finetuned(after, trial, family)]
    scratch = {tune.sha256: tune for trial in trials for tune in _from_scratch(after, trial, family)}
    found = [*tuned, *scratch.values()]
    if after.preference is not None:
        policies = [t for t in tuned if t.spec.tune is not None and t.spec.tune.items == after.preference.policy]
        found += [tune for policy in policies for tune in _preferred(after, after.preference, policy, family)]
    return found


def _batch_tokens(asked: FinetuneSpec, train: TrainSpec) -> int:
    return asked.batch_tokens or train.batch_tokens


def _finetuned(after: AfterSpec, trial: PlannedTrial, family: Family) -> Iterator[PlannedTrial]:
    base = Base(trial=trial.id, tokens=trial.tokens)
    for items in dict.fromkeys(after.finetune.items):
        yield _supervised(after, trial, family, base, items, f"{trial.spec.label} tuned {items}")


def _from_scratch(after: AfterSpec, trial: PlannedTrial, family: Family) -> Iterator[PlannedTrial]:
    for items in dict.fromkeys(after.finetune.scratch or after.finetune.items):
        yield _supervised(after, trial, family, None, items, f"{trial.spec.label} scratch {items}")


def _supervised(
    after: AfterSpec, trial: PlannedTrial, family: Family, base: Base | None, items: int, label: str
) -> PlannedTrial:
    asked, recipe = after.finetune, trial.spec.train
    batch = _batch_tokens(asked, recipe)
    rates = LearningRates(hidden=recipe.lr.hidden * asked.lr_scale, embedding=recipe.lr.embedding * asked.lr_scale)
    tune = Finetune(base=base, probe=after.probe, items=items, test_items=after.test_items)
    spec = trial.spec.model_copy(
        update={
            "train": recipe.model_copy(update={"lr": rates, "batch_tokens": batch}),
            "horizons": tuple(sorted({tokens // batch * batch for tokens in asked.horizons})),
            "abilities": None,
            "samples": SamplesSpec(),
            "label": label,
            "tune": tune,
        }
    )
    context = spec.data.context
    windows = -(-items // window_items(family, after.probe, context))
    per_token = asked_flops(family, trial.config, after.probe, context)
    planned = _planned(trial, spec, windows * context, per_token.train * spec.horizons[-1])
    return replace(planned, flops_per_token=per_token)


def _preferred(after: AfterSpec, asked: PreferenceSpec, policy: PlannedTrial, family: Family) -> Iterator[PlannedTrial]:
    for method in dict.fromkeys(asked.methods):
        for comparisons in dict.fromkeys(asked.comparisons):
            yield _preference(after, asked, policy, family, method, comparisons)


def _preference(
    after: AfterSpec, asked: PreferenceSpec, policy: PlannedTrial, family: Family, method: Method, comparisons: int
) -> PlannedTrial:
    tune = Preference(
        base=Base(trial=policy.id, tokens=policy.tokens),
        probe=after.probe,
        items=asked.policy,
        test_items=after.test_items,
        method=method,
        comparisons=comparisons,
        kl_weight=asked.kl_weight if method == "rloo" else asked.dpo_beta,
        prompts=asked.prompts,
        samples=asked.samples,
        reward_steps=asked.reward_steps,
        reward_lr=asked.reward_lr,
        best_of=asked.best_of,
    )
    batch = tune.rows * item_tokens(after.probe)
    train = TrainSpec(
        optimizer="adamw",
        lr=LearningRates(hidden=asked.lr, embedding=asked.lr),
        batch_tokens=batch,
        warmup_steps=_WARM_UP_STEPS,
        precision=policy.spec.train.precision,
    )
    spec = policy.spec.model_copy(
        update={
            "train": train,
            "horizons": tuple(sorted({steps * batch for steps in asked.steps})),
            "label": f"{policy.spec.label} {method} {comparisons}",
            "tune": tune,
        }
    )
    window = family.flops_per_token(
        family.build_config(spec.model, spec.data.vocab_size, item_tokens(after.probe))
    ).forward
    flops = math.fsum(flops_by_part(tune, window, max(asked.steps)).values())
    return _planned(policy, spec, comparisons * item_tokens(after.probe), flops)


def _planned(base: PlannedTrial, spec: TrialSpec, unique: int, flops: float) -> PlannedTrial:
    sha256, tokens = trial_hash(spec), spec.horizons[-1]
    return replace(
        base,
        id=trial_id(sha256),
        sha256=sha256,
        spec=spec,
        flops_total=flops,
        tokens=tokens,
        steps=tokens // spec.train.batch_tokens,
        epochs=tokens / unique,
        memory_bytes=base.memory_bytes if spec.tune is None else {**base.memory_bytes, **_more(base, spec)},
        notes=(),
    )


def _more(base: PlannedTrial, spec: TrialSpec) -> dict[str, float]:
    """Return the memory that preference tuning needs beside the policy's: the reference and the reward model."""
    if not isinstance(spec.tune, Preference):
        return {}
    return {"reference": 4.0 * base.params.total, "reward_model": 16.0 * base.params.total}
