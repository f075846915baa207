"""Arithmetic of a joint-embedding predictor: what comes next is told as an embedding, not as pixels.

Assran et al. 2023 (2301.08243) and Bardes et al. 2024 (2404.08471): an encoder sees the first frames, a predictor tells
from its output what a slow copy of the encoder makes of the next ones. ``predicts: pixels`` is the same encoder and
predictor with pixels to tell, for comparison. A patch of two frames is a token; FLOPs of a clip are shared out over all
its patches. The copy is no parameter: nothing is trained in it; it takes its memory and its forward pass.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.families import gpt, vit
from scaling.families.contract import FlopsPerToken, Params
from scaling.families.gpt_memory import block_bytes
from scaling.families.keys import Keys, bad, needed, number, whole
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe

PREDICTS = ("latent", "pixels")
TOGETHER = 2048  # clips that a readout is fitted to and tested on


@dataclass(frozen=True, slots=True, kw_only=True)
class JEPAConfig:
    """One size of the family; every field changes the number that a trial measures.

    Attributes:
        d_model: width of the residual stream, and of the embedding.
        n_layer: blocks of the encoder; the predictor is one more.
        n_head: heads; ``d_model`` is a multiple of it.
        d_ff: hidden width of the MLP.
        vocab_size: values that a number of a row may have.
        context: patches in a clip, half of them seen, half of them told.
        patch_values: pixels in a patch.
        state: numbers of the state, at the end of a row before as many estimates.
        norm, activation, qk_norm, bias: as in ``gpt.GPTConfig``.
        predicts: ``latent``, what the slow copy makes of the next frames, or their ``pixels``.
        momentum: share that the slow copy keeps of itself at a step.
        spread: weight of the hinge that keeps every number of the embedding at a standard deviation of one.
    """

    d_model: int
    n_layer: int
    n_head: int
    d_ff: int
    vocab_size: int
    context: int
    patch_values: int
    state: int
    norm: str = "layernorm"
    activation: str = "gelu"
    qk_norm: bool = False
    bias: bool = True
    predicts: str = "latent"
    momentum: float = 0.98
    spread: float = 1.0

    @property
    def places(self) -> int:
        """Patches seen, and patches told."""
        return self.context // 2

    @property
    def told(self) -> int:
        """Numbers told of each patch."""
        return self.d_model if self.predicts == "latent" else self.patch_values

    @property
    def blocks(self) -> gpt.GPTConfig:
        """The blocks, as those of a decoder that sees all places at once."""
        return gpt.GPTConfig(
            d_model=self.d_model,
            n_layer=self.n_layer,
            n_head=self.n_head,
            n_kv_head=self.n_head,
            d_ff=self.d_ff,
            vocab_size=self.vocab_size,
            context=self.places,
            norm=self.norm,
            activation=self.activation,
            position="none",
            qk_norm=self.qk_norm,
            bias=self.bias,
        )


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        **{key: line for key, line in vit.FIELDS.items() if key != "pool"},
        "n_layer": "number of blocks of the encoder; the predictor is one more",
        "predicts": "latent (the embedding of what comes next) | pixels",
        "momentum": "share that the slow copy of the encoder keeps of itself at a step",
        "spread": "weight of the hinge on the standard deviation of the embedding; 0: none",
    }
)
KEYS = Keys(
    family="jepa",
    fields={**FIELDS, "patch_values": "pixels in a patch; the data says it", "state": "of the state; the data says it"},
    choices={"norm": gpt.NORMS, "activation": gpt.ACTIVATIONS, "predicts": PREDICTS},
    whole=("d_model", "n_layer", "n_head", "head_dim", "d_ff", "patch_values", "state"),
    flags=("qk_norm", "bias"),
    numbers=("ff_mult", "aspect_ratio"),
    or_zero=("momentum", "spread"),
)


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> JEPAConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    KEYS.check(model)
    if number(model, "momentum", 0.0) >= 1:
        raise bad("momentum", "a copy that keeps all of itself never follows", "use less than 1, such as 0.98")
    d_model = needed(model, "d_model")
    swiglu = model.get("activation") == "swiglu"
    return dataclasses.replace(
        JEPAConfig(
            d_model=d_model,
            n_layer=needed(model, "n_layer", "give the number of blocks"),
            n_head=gpt.heads({**model, "position": "none"}, d_model),
            d_ff=whole(model, "d_ff") or round(number(model, "ff_mult", 8 / 3 if swiglu else 4.0) * d_model),
            vocab_size=vocab_size,
            context=context,
            patch_values=needed(model, "patch_values", "family jepa eats clips, such as data.source: moving"),
            state=needed(model, "state", "family jepa eats clips, such as data.source: moving"),
            momentum=number(model, "momentum", 0.98),
            spread=number(model, "spread", 1.0),
        ),
        **KEYS.chosen(model),  # type: ignore[arg-type]  # KEYS has verified each value's type
    )


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> JEPAConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio; width and depth as in ``gpt``."""
    return gpt.nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def param_groups(c: JEPAConfig) -> dict[str, int]:
    """Parameters by group; the values sum to the total count of the built module."""
    encoder = gpt.param_groups(c.blocks)
    predictor = gpt.param_groups(dataclasses.replace(c.blocks, n_layer=1))
    return {
        "patches": c.patch_values * c.d_model + (c.d_model if c.bias else 0),
        "position": c.places * c.d_model,
        "attention": encoder["attention"],
        "mlp": encoder["mlp"],
        "norm": encoder["norm"],
        "predictor": predictor["attention"] + predictor["mlp"] + predictor["norm"],
        "head": c.told * c.d_model + (c.told if c.bias else 0),
    }


def params(c: JEPAConfig) -> Params:
    """Return the counts; the embedding of patches and the head stand for embedding and unembedding."""
    groups = param_groups(c)
    total = sum(groups.values())
    return Params(
        total=total,
        active=total,
        non_embedding=sum(groups[name] for name in ("attention", "mlp", "norm", "predictor")),
        matmul=(c.n_layer + 1) * gpt.matmul_per_block(c.blocks) + c.d_model * (c.patch_values + c.told),
        groups=MappingProxyType(groups),
    )


def flops_per_token(c: JEPAConfig) -> FlopsPerToken:
    """Return the training FLOPs of a clip, shared out over its patches.

    The backward pass is twice the forward pass, but for the embedding of patches, since pixels have no gradient; the
    slow copy has a forward pass alone.
    """
    block = 2 * c.places * (gpt.matmul_per_block(c.blocks) + 2 * c.places * c.d_model)
    patches = 2 * c.places * c.patch_values * c.d_model
    encoder = patches + c.n_layer * block
    trained = encoder + block + 2 * c.places * c.d_model * c.told
    copy = encoder if c.predicts == "latent" else 0
    train = (3 * trained - patches + copy) / c.context
    total = sum(param_groups(c).values())
    forward = (trained + copy) / c.context
    return FlopsPerToken(train=train, train_full_attention=train, rough_6n=6.0 * total, forward=forward)


def memory_bytes(c: JEPAConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``); ``target`` is the slow copy."""
    clips, value = recipe.batch_tokens / c.context, recipe.value_bytes
    ends = c.places * ((FP32 + value) * c.patch_values + 4 * FP32 * c.d_model + 2 * FP32 * c.told)
    activations = clips * (c.places * (c.n_layer + 1) * block_bytes(c.blocks, recipe) + ends)
    counts, groups = params(c), param_groups(c)
    assert counts.matmul is not None
    if recipe.precision == "bfloat16":
        activations += 2.0 * counts.matmul
    hidden, mlp = (float((c.n_layer + 1) * count(c.blocks)) for count in (gpt.matmul_per_block, gpt.mlp_matmul))
    found = components(
        recipe,
        total=float(counts.total),
        hidden=hidden,
        largest_stack=max(mlp, hidden - mlp),
        activations=activations,
        at_loss=clips * c.places * FP32 * c.told,
    )
    copied = float(sum(groups[name] for name in ("patches", "position", "attention", "mlp", "norm")))
    # The weight average, or what a cooldown branch copies, holds a copy too.
    return {**found, "target": 2 * FP32 * copied if c.predicts == "latent" else 0.0}
