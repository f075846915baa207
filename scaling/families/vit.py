"""Arithmetic of the vision transformer (Dosovitskiy et al. 2021, 2010.11929): patches in, one of a few labels out.

A patch of the picture is a token, so that D, FLOPs and tokens per parameter mean what they mean for text; the loss is
in nats per picture. FLOPs of a picture are shared out over its patches. Attention is of all to all: no half is left
out. Counts hold to the unit against the published ViT-Ti, S, B and L with 16 x 16 patches of 224 x 224 pixels.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.families import gpt
from scaling.families.contract import FlopsPerToken, Params
from scaling.families.gpt_memory import block_bytes
from scaling.families.keys import Keys, needed, number, whole
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe

POOLS = ("class", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTConfig:
    """One size of the family; every field changes the number that a trial measures.

    Attributes:
        d_model: width of the residual stream.
        n_layer: transformer blocks.
        n_head: heads; ``d_model`` is a multiple of it.
        d_ff: hidden width of the MLP.
        vocab_size: labels.
        context: patches in a picture.
        patch_values: numbers in a patch: its pixels times their colours.
        norm, activation, qk_norm, bias: as in ``gpt.GPTConfig``.
        pool: what the label is read from: a ``class`` token beside the patches, or the ``mean`` over them.
    """

    d_model: int
    n_layer: int
    n_head: int
    d_ff: int
    vocab_size: int
    context: int
    patch_values: int
    norm: str = "layernorm"
    activation: str = "gelu"
    qk_norm: bool = False
    bias: bool = True
    pool: str = "class"

    @property
    def places(self) -> int:
        """Places in the sequence: the patches, and the class token."""
        return self.context + (self.pool == "class")

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
        "d_model": "width of the residual stream",
        "n_layer": "number of transformer blocks",
        "n_head": "heads (or give head_dim)",
        "head_dim": "width of one head; n_head = d_model / head_dim, at least 1",
        "d_ff": "hidden width of the MLP (or give ff_mult)",
        "ff_mult": "d_ff = ff_mult x d_model",
        "aspect_ratio": "d_model = aspect_ratio x n_layer when a size is given as a parameter count",
        "norm": "layernorm | rmsnorm",
        "activation": "gelu | gelu_tanh | relu2 | swiglu",
        "qk_norm": "normalise queries and keys (true | false)",
        "bias": "biases in linear layers (true | false)",
        "pool": "class (a token of its own) | mean (over the patches)",
    }
)
KEYS = Keys(
    family="vit",
    fields={**FIELDS, "patch_values": "numbers in a patch; the data says it"},
    choices={"norm": gpt.NORMS, "activation": gpt.ACTIVATIONS, "pool": POOLS},
    whole=("d_model", "n_layer", "n_head", "head_dim", "d_ff", "patch_values"),
    flags=("qk_norm", "bias"),
    numbers=("ff_mult", "aspect_ratio"),
)


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> ViTConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    KEYS.check(model)
    d_model = needed(model, "d_model")
    swiglu = model.get("activation") == "swiglu"
    return dataclasses.replace(
        ViTConfig(
            d_model=d_model,
            n_layer=needed(model, "n_layer", "give the number of blocks"),
            n_head=gpt.heads({**model, "position": "none"}, d_model),
            d_ff=whole(model, "d_ff") or round(number(model, "ff_mult", 8 / 3 if swiglu else 4.0) * d_model),
            vocab_size=vocab_size,
            context=context,
            patch_values=needed(model, "patch_values", "family vit eats pictures, such as data.source: shapes"),
        ),
        **KEYS.chosen(model),  # type: ignore[arg-type]  # KEYS has verified each value's type
    )


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> ViTConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio; width and depth as in ``gpt``."""
    return gpt.nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def param_groups(c: ViTConfig) -> dict[str, int]:
    """Parameters by group; the values sum to the total count of the built module."""
    blocks = gpt.param_groups(c.blocks)
    return {
        "patches": c.patch_values * c.d_model + (c.d_model if c.bias else 0),
        "class_token": c.d_model if c.pool == "class" else 0,
        "position": c.places * c.d_model,
        "attention": blocks["attention"],
        "mlp": blocks["mlp"],
        "norm": blocks["norm"],
        "head": c.vocab_size * c.d_model + (c.vocab_size if c.bias else 0),
    }


def params(c: ViTConfig) -> Params:
    """Return the counts; the embedding of patches and the head stand for embedding and unembedding."""
    groups = param_groups(c)
    total = sum(groups.values())
    return Params(
        total=total,
        active=total,
        non_embedding=gpt.params_non_embedding(c.blocks),
        matmul=c.n_layer * gpt.matmul_per_block(c.blocks) + c.d_model * (c.patch_values + c.vocab_size),
        groups=MappingProxyType(groups),
    )


def forward_flops_per_image(c: ViTConfig) -> float:
    """FLOPs of one forward pass of a picture: 2 per matmul weight and use, plus scores and weighted values."""
    blocks = 2 * c.places * c.n_layer * (gpt.matmul_per_block(c.blocks) + 2 * c.places * c.d_model)
    return float(blocks + 2 * c.d_model * (c.context * c.patch_values + c.vocab_size))


def flops_per_token(c: ViTConfig) -> FlopsPerToken:
    """Return the training FLOPs of a picture, shared out over its patches.

    The backward pass is twice the forward pass, but for the embedding of patches: pixels have no gradient.
    """
    forward = forward_flops_per_image(c) / c.context
    train = 3 * forward - 2 * c.patch_values * c.d_model
    total = sum(param_groups(c).values())
    return FlopsPerToken(train=train, train_full_attention=train, rough_6n=6.0 * total, forward=forward)


def memory_bytes(c: ViTConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``)."""
    pictures, value = recipe.batch_tokens / c.context, recipe.value_bytes
    ends = c.context * (FP32 + value) * c.patch_values + (c.places * FP32 + value) * c.d_model
    activations = pictures * (c.places * c.n_layer * block_bytes(c.blocks, recipe) + ends)
    counts = params(c)
    assert counts.matmul is not None
    if recipe.precision == "bfloat16":
        activations += 2.0 * counts.matmul
    hidden, mlp = (float(c.n_layer * count(c.blocks)) for count in (gpt.matmul_per_block, gpt.mlp_matmul))
    return components(
        recipe,
        total=float(counts.total),
        hidden=hidden,
        largest_stack=max(mlp, hidden - mlp),
        activations=activations,
        at_loss=pictures * 2.0 * FP32 * c.vocab_size,
    )
