"""Arithmetic of the encoder-decoder transformer, trained on span corruption (Raffel et al. 2020, 1910.10683).

Spans of a window are cut out, 15 % of its tokens in spans of three on average (section 3.3.4); the encoder reads what
is left with a sentinel for each cut, the decoder writes the sentinels with what stood there. The number of spans and of
cut tokens is fixed by the window, so every window asks for as many targets. Blocks are those of ``gpt``; a decoder
block has cross-attention between its self-attention and its MLP.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from scaling.families import gpt, gpt_memory
from scaling.families.contract import FlopsPerToken, Params
from scaling.families.keys import Keys
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe

NOISE_SHARE, MEAN_SPAN = 0.15, 3.0
_LEFT_OUT = ("tied", "residual", "rotary_share")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class T5Config:
    """One size of the family; fields as in ``gpt.GPTConfig``, ``n_layer`` blocks of the encoder and of the decoder."""

    d_model: int
    n_layer: int
    n_head: int
    n_kv_head: int
    d_ff: int
    vocab_size: int
    context: int
    norm: str
    activation: str
    position: str
    rotary_base: float
    qk_norm: bool
    bias: bool

    @property
    def blocks(self) -> gpt.GPTConfig:
        """The shape of one stack's blocks."""
        return gpt.GPTConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        **{key: text for key, text in gpt.FIELDS.items() if key not in _LEFT_OUT},
        "n_layer": "blocks of the encoder, and as many of the decoder",
        "position": "rotary | none",
    }
)
KEYS: Keys = Keys(
    family="t5",
    fields=FIELDS,
    choices={"norm": gpt.NORMS, "activation": gpt.ACTIVATIONS, "position": ("rotary", "none")},
    whole=gpt.KEYS.whole,
    flags=("qk_norm", "bias"),
    numbers=("ff_mult", "aspect_ratio", "rotary_base"),
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """How a window is cut.

    Attributes:
        cut: tokens cut out.
        spans: pieces they are cut out in.
        encoded: places that the encoder reads: tokens left, and a sentinel for each cut.
        decoded: places that the decoder writes: a sentinel before each piece, its tokens, and a last sentinel.
    """

    cut: int
    spans: int
    encoded: int
    decoded: int


def spans_of(context: int) -> Spans:
    """Return how windows of ``context`` tokens are cut; both what is cut and what is left is in that many pieces."""
    cut = min(max(1, round(NOISE_SHARE * context)), context - 1)
    return cut_out(context, cut, max(1, min(round(cut / MEAN_SPAN), context - cut)))


def cut_out(context: int, cut: int, spans: int) -> Spans:
    """Return how a window is read and written with ``cut`` of its tokens cut out in ``spans`` pieces."""
    return Spans(cut=cut, spans=spans, encoded=context - cut + spans, decoded=cut + spans + 1)


def tokens_known(c: T5Config) -> int:
    """Tokens that can be read and written: the vocabulary, and the sentinels. The next one begins the decoder."""
    return c.vocab_size + spans_of(c.context).spans + 1


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> T5Config:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    blocks = gpt.build_config(model, vocab_size, context, KEYS)
    return T5Config(**{field.name: getattr(blocks, field.name) for field in dataclasses.fields(T5Config)})


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> T5Config:
    """Return the config whose total parameter count is nearest ``target`` in ratio."""
    return gpt.nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def params(c: T5Config) -> Params:
    """Return the counts; encoder and decoder share the embedding."""
    blocks = c.blocks
    attention, norm = gpt.attention_size(blocks), gpt.norm_size(blocks)
    gain = blocks.head_dim if c.qk_norm else 0
    groups = {
        "embedding": (tokens_known(c) + 1) * c.d_model,
        "attention": c.n_layer * 2 * attention,
        "cross_attention": c.n_layer * attention,
        "mlp": c.n_layer * 2 * gpt.mlp_size(blocks),
        "norm": c.n_layer * (5 * norm + 3 * gain) + 2 * norm,
        "unembedding": tokens_known(c) * c.d_model,
    }
    total = sum(groups.values())
    return Params(
        total=total,
        active=total,
        non_embedding=total - groups["embedding"] - groups["unembedding"],
        matmul=c.n_layer * (2 * gpt.matmul_per_block(blocks) + gpt.attention_matmul(blocks)) + groups["unembedding"],
        groups=MappingProxyType(groups),
    )


def flops_per_token(c: T5Config) -> FlopsPerToken:
    """Return the training FLOPs of a token of the window: what encoder and decoder do for it, over its tokens."""
    return _flops(c, spans_of(c.context))


def items_asked(context: int, length: int, runs: int) -> int:
    """Return how many items of ``length`` tokens fit a window: each run of answers takes a sentinel of its own."""
    return min(context // length, spans_of(context).spans // runs)


def flops_asked(c: T5Config, items: int, answers: int, runs: int) -> FlopsPerToken:
    """Return the same where the answers of so many items are cut out."""
    return _flops(c, cut_out(c.context, items * answers, items * runs))


def _flops(c: T5Config, cut: Spans) -> FlopsPerToken:
    half, full = (_window_flops(c, cut, share) / c.context for share in (0.5, 1.0))
    return FlopsPerToken.of_forward(half, full, params(c))


def _window_flops(c: T5Config, cut: Spans, causal_share: float) -> float:
    queries = c.d_model  # all heads together
    scores = 4.0 * queries  # scores and weighted values of one query and one key
    block = gpt.matmul_per_block(c.blocks)
    keys_values = 2 * c.d_model * c.n_kv_head * c.blocks.head_dim
    encoder = 2.0 * cut.encoded * block + scores * cut.encoded**2
    itself = 2.0 * cut.decoded * block + causal_share * scores * cut.decoded**2
    across = 2.0 * (cut.decoded * 2 * c.d_model * queries + cut.encoded * keys_values)
    across += scores * cut.decoded * cut.encoded
    return c.n_layer * (encoder + itself + across) + 2.0 * cut.decoded * tokens_known(c) * c.d_model


def memory_bytes(c: T5Config, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``)."""
    cut = spans_of(c.context)
    windows = recipe.batch_tokens / c.context
    blocks = c.blocks
    queries, keys = c.d_model, c.n_kv_head * blocks.head_dim
    block = gpt_memory.block_bytes(blocks, recipe)
    # Cross-attention keeps, of the decoder, norm, queries and output; of the encoder, keys and values; and their norms.
    written = 2.0 * FP32 * c.d_model + recipe.value_bytes * (c.d_model + 3 * queries)
    read = recipe.value_bytes * 3.0 * keys
    decoded = cut.decoded * (c.n_layer * (block + written) + gpt_memory.end_bytes(blocks, recipe))
    encoded = cut.encoded * (c.n_layer * (block + read) + gpt_memory.end_bytes(blocks, recipe, predicted=0.0))
    attention, mlp = 3.0 * c.n_layer * gpt.attention_matmul(blocks), 2.0 * c.n_layer * gpt.mlp_matmul(blocks)
    return components(
        recipe,
        total=float(params(c).total),
        hidden=attention + mlp,
        largest_stack=max(attention, mlp),
        activations=windows * (encoded + decoded),
        at_loss=windows * cut.decoded * 2.0 * FP32 * tokens_known(c),
    )
