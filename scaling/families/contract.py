"""What the house asks of a model family, whatever it is trained on and by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scaling.families.recipe import Recipe

Config = Any  # a family's own frozen dataclass; only that family's files look inside
NATS_PER_TOKEN = "nats per token"
NATS_PER_IMAGE = "nats per image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Facts of a loss that compares the rows of a batch with each other: the batch is part of what is learned.

    Such a batch is never cut into micro-batches or over processes, and points of other batches are another law.

    Attributes:
        key: of the model, in which the plan puts how many rows a step has.
        candidates: rows that are compared at validation, whatever the batch: so trials of any batch compare.
    """

    key: str
    candidates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StandsOn:
    """What a family stands on: the frozen weights of one trial of another, the same for every size.

    Attributes:
        family: of that trial, which the section ``before`` of a sweep file asks for.
        keys: of the model, which its config says.
    """

    family: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The number that tells how good is what a family makes.

    Attributes:
        metric: among its metrics; ``None``: what is measured in the place of a loss.
        rises: it is a share, and more of it is better: a point is a hundredth. Else it is a distance, and less is
            better: a point is 1 % less.
    """

    metric: str | None
    rises: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """Parameter counts in the conventions of the field, and by group.

    Attributes:
        total: every parameter, embeddings included (Hoffmann et al. 2022).
        active: those that work on one token: fewer than ``total`` where a router picks experts, else the same.
        non_embedding: without token and position embeddings and the unembedding (Kaplan et al. 2020).
        matmul: weights that take part in a matrix product: blocks and unembedding, those of idle experts included.
            This, ``active`` and ``non_embedding`` are ``None`` for a trainer of which only the total is known.
        groups: parameters by named group; sums to ``total``.
    """

    total: int
    active: int | None = None
    non_embedding: int | None
    matmul: int | None
    groups: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsPerToken:
    """Training FLOPs (forward and backward) for one token of data at the trained context length.

    Attributes:
        train: matrix products and attention, causal attention counted as half.
        train_full_attention: the same with full attention, as profilers count it.
        rough_6n: six times the active parameters (the "6ND" rule).
        forward: the forward part of ``train``.
    """

    train: float
    train_full_attention: float
    rough_6n: float
    forward: float

    @property
    def causal(self) -> bool:
        """Whether some attention is causal: only then is there a half to count."""
        return self.train != self.train_full_attention

    @classmethod
    def of_forward(cls, forward: float, forward_full_attention: float, params: Params) -> "FlopsPerToken":
        """Return the counts of a family whose backward pass is twice its forward pass."""
        assert params.active is not None
        return cls(
            train=3 * forward,
            train_full_attention=3 * forward_full_attention,
            rough_6n=6.0 * params.active,
            forward=forward,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a family fills in the answers of a probe's items, several items to a window.

    Attributes:
        items: context, tokens of an item, runs of answer tokens in it -> items to a window, 0 where none fits.
        flops: config, items to a window, answer tokens of an item, their runs -> FLOPs of a token of such a window.
    """

    items: Callable[[int, int, int], int]
    flops: Callable[[Config, int, int, int], FlopsPerToken]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the house must know of a family without torch. Whatever a family lacks follows from its facts here.

    Attributes:
        name: the key in a sweep file.
        title: one line for people.
        module: dotted module of the torch half, loaded by name inside the trial only (``scaling.models``).
        fields: the keys a sweep file may set under ``model``, with a line on each.
        build_config: ``model`` keys, vocabulary and context -> config; raises ``UsageError`` on bad values.
        config_for_params: ``model`` keys, vocabulary, context and a target of total parameters -> config.
        params: config -> counts.
        flops_per_token: config -> FLOPs.
        memory_bytes: config, recipe -> predicted bytes by component; they add up to the peak.
        objective: what it is trained on, in words. Losses of different objectives do not compare.
        unit: of its loss.
        quantity: what is measured in the place of a loss, where it is none; findings say that word.
        eats: kind of data: ``tokens``, ``images``, ``pairs`` of a picture and its caption, ``clips`` that move,
            ``points``.
        predicts_next: it gives the next token at every place, from those before. Only then can text be continued and
            an ability probed, and only then is its loss bits per byte, with the entropy of a language as its floor.
        asked: how it fills in the answers of a probe's items, so that it can be fine-tuned on them; ``None`` where it
            cannot, or tells them from the tokens before.
        stacks: ``scaling.models.stacked`` takes its module: trials of one shape may be trained in one program.
        contrast: its loss compares the rows of a batch with each other; ``None``: each row has a loss of its own.
        together: rows that validation measures at once, where what is recorded is told by many; ``None``: a row alone
            says it.
        whole: its loss looks across the rows of a batch, such as at their spread: a batch is never cut.
        stands_on: whose frozen weights its trials stand on; ``None``: they start from nothing.
        metrics: what is measured beside the loss at every horizon, with a line on each.
        floors: metrics by name, each with the metric that says what a guess has.
        ceilings: metrics by name, each with the metric that says what the best of its kind could have.
        quality: of what it makes; ``None`` for a family that makes nothing, or of which the corpus alone can judge.
    """

    name: str
    title: str
    module: str
    fields: Mapping[str, str]
    build_config: Callable[[Mapping[str, object], int, int], Config]
    config_for_params: Callable[[Mapping[str, object], int, int, float], Config]
    params: Callable[[Config], Params]
    flops_per_token: Callable[[Config], FlopsPerToken]
    memory_bytes: Callable[[Config, Recipe], dict[str, float]]
    objective: str
    unit: str = NATS_PER_TOKEN
    quantity: str = "loss"
    eats: str = "tokens"
    predicts_next: bool = False
    asked: Asked | None = None
    stacks: bool = False
    contrast: Contrast | None = None
    together: int | None = None
    whole: bool = False
    stands_on: StandsOn | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    floors: Mapping[str, str] = field(default_factory=dict)
    ceilings: Mapping[str, str] = field(default_factory=dict)
    quality: Quality | None = None

    @property
    def measured_rows(self) -> int | None:
        """Validation rows that are measured at once; ``None``: any number will do."""
        return self.together if self.contrast is None else self.contrast.candidates

    @property
    def keeps_batches(self) -> bool:
        """Whether a batch is neither cut into micro-batches nor divided over processes."""
        return self.whole or self.contrast is not None

    def items_to_a_window(self, context: int, length: int, runs: int) -> int:
        """Return how many items of ``length`` tokens fit a window: one token more where the last is never read."""
        return (context + 1) // length if self.asked is None else self.asked.items(context, length, runs)
