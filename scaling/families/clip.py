"""Arithmetic of two encoders, one of pictures and one of captions, trained to find each other (2103.00020).

Radford et al. 2021. The encoder of pictures is ``vit``'s, with a projection for its head; that of captions has blocks
of the same shape, which see all words. A patch and a word are a token each; the loss is in nats per pair. It compares
the pairs of a batch with each other, so that the batch decides what is learned and what a step costs: it is part of
the config, in which the plan puts it.
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

CANDIDATES = 64  # among which a validation pair is found, whatever the training batch
BATCH = "batch_pairs"


@dataclass(frozen=True, slots=True, kw_only=True)
class CLIPConfig:
    """One size of the family; every field changes the number that a trial measures.

    Attributes:
        d_model, n_layer, n_head, d_ff: shape of either encoder.
        vocab_size: words of captions.
        context: tokens of a pair: patches and words.
        patch_values: numbers in a patch: its pixels times their colours.
        words: words in a caption.
        batch_pairs: pairs in a step, compared with each other.
        d_embed: width of the space in which both meet.
        norm, activation, qk_norm, bias: as in ``gpt.GPTConfig``.
    """

    d_model: int
    n_layer: int
    n_head: int
    d_ff: int
    vocab_size: int
    context: int
    patch_values: int
    words: int
    batch_pairs: int
    d_embed: int
    norm: str = "layernorm"
    activation: str = "gelu"
    qk_norm: bool = False
    bias: bool = True

    @property
    def image(self) -> vit.ViTConfig:
        """The encoder of pictures: its labels are the dimensions of the common space."""
        return vit.ViTConfig(
            **self._shape(),  # type: ignore[arg-type]  # its own fields, handed on
            vocab_size=self.d_embed,
            context=self.context - self.words,
            patch_values=self.patch_values,
            pool="mean",
        )

    @property
    def text(self) -> gpt.GPTConfig:
        """The encoder of captions, without its projection."""
        return gpt.GPTConfig(
            **self._shape(),  # type: ignore[arg-type]  # as above
            n_kv_head=self.n_head,
            vocab_size=self.vocab_size,
            context=self.words,
            position="learned",
        )

    def _shape(self) -> dict[str, object]:
        names = ("d_model", "n_layer", "n_head", "d_ff", "norm", "activation", "qk_norm", "bias")
        return {name: getattr(self, name) for name in names}


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        **{key: line for key, line in vit.FIELDS.items() if key != "pool"},
        "n_layer": "number of transformer blocks in either encoder",
        "d_embed": "width of the space in which pictures and captions meet (d_model by default)",
    }
)
_FROM_DATA = {
    "patch_values": "numbers in a patch; the data says it",
    "words": "words in a caption; the data says it",
    BATCH: "pairs in a step; train.batch_tokens says it",
}
KEYS = Keys(
    family="clip",
    fields={**FIELDS, **_FROM_DATA},
    choices={"norm": gpt.NORMS, "activation": gpt.ACTIVATIONS},
    whole=("d_model", "n_layer", "n_head", "head_dim", "d_ff", "d_embed", *_FROM_DATA),
    flags=("qk_norm", "bias"),
    numbers=("ff_mult", "aspect_ratio"),
)


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> CLIPConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    KEYS.check(model)
    d_model, pairs = needed(model, "d_model"), needed(model, BATCH, "train.batch_tokens says it")
    if pairs < 2:
        raise bad(BATCH, "a pair is found among those of its batch, and one pair has no other", "raise the batch")
    swiglu = model.get("activation") == "swiglu"
    return dataclasses.replace(
        CLIPConfig(
            d_model=d_model,
            n_layer=needed(model, "n_layer", "give the number of blocks"),
            n_head=gpt.heads({**model, "position": "none"}, d_model),
            d_ff=whole(model, "d_ff") or round(number(model, "ff_mult", 8 / 3 if swiglu else 4.0) * d_model),
            vocab_size=vocab_size,
            context=context,
            patch_values=needed(model, "patch_values", "family clip eats pairs, such as data.source: scenes"),
            words=needed(model, "words", "family clip eats pairs, such as data.source: scenes"),
            batch_pairs=pairs,
            d_embed=whole(model, "d_embed") or d_model,
        ),
        **KEYS.chosen(model),  # type: ignore[arg-type]  # KEYS has verified each value's type
    )


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> CLIPConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio; width and depth as in ``gpt``."""
    return gpt.nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def param_groups(c: CLIPConfig) -> dict[str, int]:
    """Parameters by group; the values sum to the total count of the built module."""
    image, text = vit.param_groups(c.image), gpt.param_groups(c.text)
    projection = c.d_model * c.d_embed + (c.d_embed if c.bias else 0)
    return {
        "patches": image["patches"],
        "embedding": text["embedding"],
        "position": image["position"] + text["position"],
        **{name: image[name] + text[name] for name in ("attention", "mlp", "norm")},
        "projection": image["head"] + projection,
        "temperature": 1,
    }


def params(c: CLIPConfig) -> Params:
    """Return the counts; both projections stand for the unembedding."""
    groups = param_groups(c)
    total = sum(groups.values())
    blocks = 2 * c.n_layer * gpt.matmul_per_block(c.text)
    return Params(
        total=total,
        active=total,
        non_embedding=groups["attention"] + groups["mlp"] + groups["norm"],
        matmul=blocks + c.d_model * (c.patch_values + 2 * c.d_embed),
        groups=MappingProxyType(groups),
    )


def forward_flops_per_pair(c: CLIPConfig) -> float:
    """FLOPs of one forward pass of a pair: both encoders, and its picture against every caption of the batch."""
    blocks = 2 * c.words * c.n_layer * (gpt.matmul_per_block(c.text) + 2 * c.words * c.d_model)
    text = blocks + 2 * c.d_model * c.d_embed
    return vit.forward_flops_per_image(c.image) + text + 2.0 * c.batch_pairs * c.d_embed


def flops_per_token(c: CLIPConfig) -> FlopsPerToken:
    """Return the training FLOPs of a pair, shared out over its patches and words.

    The backward pass is twice the forward pass, but for the embedding of patches: pixels have no gradient.
    """
    forward = forward_flops_per_pair(c) / c.context
    train = 3 * forward - 2 * (c.context - c.words) * c.patch_values * c.d_model / c.context
    total = sum(param_groups(c).values())
    return FlopsPerToken(train=train, train_full_attention=train, rough_6n=6.0 * total, forward=forward)


def memory_bytes(c: CLIPConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``)."""
    pairs, value = recipe.batch_tokens / c.context, recipe.value_bytes
    patches = c.context - c.words
    image = patches * ((FP32 + value) * c.patch_values + FP32 * c.d_model)
    text = c.words * (FP32 * c.d_model + 8)
    blocks = c.context * c.n_layer * block_bytes(c.text, recipe)
    ends = 2 * c.d_model * (FP32 + value) + 6 * FP32 * c.d_embed
    compared = pairs * (6 * FP32 + 2)  # scores, their logarithms in either direction, and what is right among them
    activations = pairs * (blocks + image + text + ends + compared)
    counts = params(c)
    assert counts.matmul is not None
    if recipe.precision == "bfloat16":
        activations += 2.0 * counts.matmul
    hidden, mlp = (float(2 * c.n_layer * count(c.text)) for count in (gpt.matmul_per_block, gpt.mlp_matmul))
    return components(
        recipe,
        total=float(counts.total),
        hidden=hidden,
        largest_stack=max(mlp, hidden - mlp),
        activations=activations,
        at_loss=pairs * pairs * 2.0 * FP32,
    )
