"""What comes after pre-training: fine-tuning on a probe, and preference tuning of what was fine-tuned.

``AfterSpec`` is the section of a sweep file; ``Finetune`` and ``Preference`` are what one trial of it reads.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from scaling.families import Config, Family, FlopsPerToken
from scaling.spec.abilities import answer_places, answer_runs, check_probe, item_tokens
from scaling.spec.fields import Count, Part, Whole

TUNE_VERSION = 1  # raised by hand when the same settings would tune to other numbers: part of these trials' identity
STAGES = ("pretrain", "finetune", "rlhf")

Method = Literal["rloo", "dpo"]
Steps = Annotated[list[Whole], Field(min_length=1, max_length=40)]


class FinetuneSpec(Part):
    """Supervised tuning of every trial's last weights, and the same from random weights, at several amounts of data.

    Attributes:
        items: training items of the probe, one trial for each amount.
        scratch: amounts of data from random weights; ``items`` by default. Wider than ``items``, so that what
            pre-training is worth lies inside the curves.
        horizons: tokens at which a point is measured, however often they repeat the items; the best counts.
        batch_tokens: tokens in a step; the sweep's by default.
        lr_scale: times the sweep's learning rates, fine-tuned and from scratch alike.
    """

    items: Steps
    scratch: Steps | None = None
    horizons: Steps
    batch_tokens: Whole | None = None
    lr_scale: Count = 1.0


class PreferenceSpec(Part):
    """Preference tuning: a reward model learnt from comparisons that the probe's checker labels, and a policy on it.

    Attributes:
        policy: the fine-tuned models to start from, by their items.
        comparisons: pairs of answers behind the reward model, one trial for each number.
        methods: ``rloo`` (reinforcement learning, KL penalty) and ``dpo`` (on the pairs, without a reward model).
        steps: updates of the policy at which a point is measured.
        kl_weight: weight of the KL penalty in ``rloo``: units of reward a nat.
        dpo_beta: the beta of ``dpo``.
        lr: learning rate of the policy (Adam).
        prompts: questions in a step of ``rloo``; with ``samples`` answers each. ``dpo`` takes as many answers a step.
        samples: answers to a question, each judged against the others.
        reward_steps: updates of the reward model, 64 comparisons each.
        reward_lr: its learning rate (Adam).
        best_of: answers drawn for best-of-n sampling, the yardstick without any tuning.
    """

    policy: Whole
    comparisons: Steps
    methods: list[Method] = Field(default=["rloo", "dpo"], min_length=1)
    steps: Steps
    kl_weight: Annotated[float, Field(ge=0)] = 0.02
    dpo_beta: Count = 0.1
    lr: Count = 5e-4
    prompts: Whole = 32
    samples: Annotated[int, Field(ge=2, le=64)] = 4
    reward_steps: Whole = 100
    reward_lr: Count = 4e-3
    best_of: Annotated[int, Field(ge=2, le=256)] = 32


class AfterSpec(Part):
    """Trials on the stored weights of the sweep's own trials.

    Attributes:
        probe: ``TASK-LEVEL``: the task, whose checker is also the gold reward.
        test_items: test items, the same for every trial.
        finetune: supervised tuning.
        preference: preference tuning of the fine-tuned models.
    """

    probe: str
    test_items: Annotated[int, Field(ge=20, le=10_000)] = 400
    finetune: FinetuneSpec
    preference: PreferenceSpec | None = None

    @field_validator("probe")
    @classmethod
    def _known(cls, probe: str) -> str:
        return check_probe(probe)

    @model_validator(mode="after")
    def _policy_is_tuned(self) -> "AfterSpec":
        if self.preference is not None and self.preference.policy not in self.finetune.items:
            raise ValueError(
                f"preference.policy is {self.preference.policy} items, and finetune.items has {self.finetune.items}"
            )
        return self


class Base(Part):
    """The weights that a trial starts from: those of a trial of the same store, at so many tokens."""

    trial: str
    tokens: int


class Finetune(Part):
    """Supervised tuning of one trial.

    Attributes:
        base: what it starts from; ``None``: random weights.
        probe: the task.
        items: training items.
        test_items: test items at most.
    """

    stage: Literal["finetune"] = "finetune"
    base: Base | None
    probe: str
    items: int
    test_items: int

    @property
    def method(self) -> str:
        """How it is trained, in a word."""
        return "scratch" if self.base is None else "finetune"


class Preference(Part):
    """Preference tuning of one trial; the settings of ``PreferenceSpec``.

    Attributes:
        base: the fine-tuned policy.
        items: training items of that policy.
        kl_weight: of ``rloo``; of ``dpo`` its beta.
    """

    stage: Literal["rlhf"] = "rlhf"
    base: Base
    probe: str
    items: int
    test_items: int
    method: Method
    comparisons: int
    kl_weight: float
    prompts: int
    samples: int
    reward_steps: int
    reward_lr: float
    best_of: int

    @property
    def rows(self) -> int:
        """Answers in a step."""
        return self.prompts * self.samples


Tune = Annotated[Finetune | Preference, Field(discriminator="stage")]


def window_items(family: Family, probe: str, context: int) -> int:
    """Return how many items of a probe a window of a family holds; 0 where none fits."""
    return family.items_to_a_window(context, item_tokens(probe), answer_runs(probe))


def asked_flops(family: Family, config: Config, probe: str, context: int) -> FlopsPerToken:
    """Return the training FLOPs of a token in windows of a probe's items."""
    if family.asked is None:
        return family.flops_per_token(config)
    items = window_items(family, probe, context)
    return family.asked.flops(config, items, len(answer_places(probe)), answer_runs(probe))


REWARD_BATCH = 64  # comparisons in a step of the reward model


def preference_flops(tune: Preference, forward: float, updates: int, answers: int | None = None) -> Mapping[str, float]:
    """Return the FLOPs of preference tuning by part, as it is done: no cache of keys and values, backward as twice.

    Every pass of a part of an item is counted by its tokens, at the forward FLOPs per token of a window of one item.

    Args:
        tune: the trial.
        forward: FLOPs of one token forward, in a window of one item.
        updates: steps of the policy so far.
        answers: written for the comparisons; two for each by default, as the plan counts.
    """
    length = item_tokens(tune.probe)
    drawn = sum(answer_places(tune.probe))  # tokens run through to write one answer
    pair = 2 * length * forward
    parts = {"comparisons": (2 * tune.comparisons if answers is None else answers) * drawn * forward}
    if tune.method == "dpo":
        pairs = updates * tune.rows // 2
        return {**parts, "reference": tune.comparisons * pair, "update": pairs * 3 * pair}
    rows = updates * tune.rows
    return {
        **parts,
        "reward_model": tune.reward_steps * REWARD_BATCH * 3 * pair,
        "sampling": rows * drawn * forward,
        "reward": rows * length * forward,
        "reference": rows * length * forward,
        "update": rows * 3 * length * forward,
    }
