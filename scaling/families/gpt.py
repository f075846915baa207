"""Arithmetic of the decoder-only transformer: GPT-2 style (learned positions, GELU) to modern (RoPE, SwiGLU, GQA).

Counts hold to the unit against published sizes; FLOPs against ``torch.utils.flop_counter``. Conventions:
total parameters as Hoffmann et al. 2022 (2203.15556), non-embedding as Kaplan et al. 2020 (2001.08361, section
2.1), FLOPs as 2 per multiply-add in matrix products and attention only (norms, rotations and activations left out,
as Hoffmann et al. appendix F), backward as twice forward.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from scaling.families.contract import FlopsPerToken, Params
from scaling.families.keys import Keys, bad, decided_by_size, nearest_size, needed, number, whole

C = TypeVar("C")
NORMS = ("layernorm", "rmsnorm")
ACTIVATIONS = ("gelu", "gelu_tanh", "relu2", "swiglu")
POSITIONS = ("rotary", "learned", "sinusoidal", "none")
RESIDUALS = ("sequential", "parallel")
LATER = {"omit_default": True}  # a field that came after the first trials: unnamed in their ids while at its default


@dataclass(frozen=True, slots=True, kw_only=True)
class GPTConfig:
    """One size of the family; every field changes the number that a trial measures.

    Attributes:
        d_model: width of the residual stream.
        n_layer: transformer blocks.
        n_head: query heads; ``d_model`` is a multiple of it.
        n_kv_head: key and value heads (grouped-query attention when fewer than ``n_head``).
        d_ff: hidden width of the MLP.
        vocab_size: tokens in the vocabulary.
        context: tokens in a training window.
        norm: ``layernorm`` or ``rmsnorm``, before attention and MLP and at the end.
        activation: ``gelu``, ``gelu_tanh`` (its approximation in GPT-2), ``relu2`` (squared ReLU) or ``swiglu``
            (gated, three matrices).
        position: ``rotary``, ``learned``, ``sinusoidal`` or ``none``.
        rotary_base: longest wavelength of rotary positions, in units of 2 pi tokens. 10,000 suits contexts of
            thousands; in a window of a hundred most of its dimensions would not turn.
        qk_norm: normalise queries and keys per head, with one learned gain per head dimension for both.
        bias: biases in linear layers and LayerNorms.
        tied: the unembedding shares the embedding matrix.
        residual: ``sequential`` (the MLP sees what attention has added) or ``parallel`` (both see the block's input,
            as in GPT-NeoX and Pythia).
        rotary_share: share of a head's dimensions that turn with position; the others carry none (Pythia: 0.25).
    """

    d_model: int
    n_layer: int
    n_head: int
    n_kv_head: int
    d_ff: int
    vocab_size: int
    context: int
    norm: str = "rmsnorm"
    activation: str = "relu2"
    position: str = "rotary"
    rotary_base: float = 10_000.0
    qk_norm: bool = True
    bias: bool = False
    tied: bool = False
    residual: str = dataclasses.field(default="sequential", metadata=LATER)
    rotary_share: float = dataclasses.field(default=1.0, metadata=LATER)

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_head

    @property
    def rotary_dim(self) -> int:
        """Dimensions of a head that turn with position."""
        return round(self.head_dim * self.rotary_share)


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "d_model": "width of the residual stream",
        "n_layer": "number of transformer blocks",
        "n_head": "query heads (or give head_dim)",
        "head_dim": "width of one head; n_head = d_model / head_dim, at least 1",
        "n_kv_head": "key/value heads; fewer than n_head is grouped-query attention",
        "d_ff": "hidden width of the MLP (or give ff_mult)",
        "ff_mult": "d_ff = ff_mult x d_model",
        "aspect_ratio": "d_model = aspect_ratio x n_layer when a size is given as a parameter count",
        "norm": "layernorm | rmsnorm",
        "activation": "gelu | gelu_tanh | relu2 | swiglu",
        "position": "rotary | learned | sinusoidal | none",
        "rotary_base": "longest rotary wavelength; 10000 for long contexts, about the context for short ones",
        "qk_norm": "normalise queries and keys (true | false)",
        "bias": "biases in linear layers (true | false)",
        "tied": "share embedding and unembedding (true | false)",
        "residual": "sequential | parallel (attention and MLP side by side, as in Pythia)",
        "rotary_share": "share of each head's dimensions that turn with position (Pythia: 0.25)",
    }
)
KEYS = Keys(
    family="gpt",
    fields=FIELDS,
    choices={"norm": NORMS, "activation": ACTIVATIONS, "position": POSITIONS, "residual": RESIDUALS},
    whole=("d_model", "n_layer", "n_head", "head_dim", "n_kv_head", "d_ff"),
    flags=("qk_norm", "bias", "tied"),
    numbers=("ff_mult", "aspect_ratio", "rotary_base", "rotary_share"),
)


def heads(model: Mapping[str, object], d_model: int) -> int:
    """Return the number of heads that ``model`` asks for. Raises ``UsageError`` where they do not fit the width."""
    n_head, head_dim = whole(model, "n_head"), whole(model, "head_dim")
    if n_head is None:
        n_head = max(1, round(d_model / head_dim)) if head_dim else max(1, d_model // 64)
    if d_model % n_head:
        divisors = [h for h in range(1, d_model + 1) if d_model % h == 0]
        nearest = min(divisors, key=lambda h: abs(h - n_head))
        raise bad("n_head", f"d_model {d_model} is not a multiple of {n_head} heads", f"use {nearest} heads")
    if (d_model // n_head) % 2 and model.get("position", "rotary") == "rotary":
        raise bad("n_head", f"rotary positions need an even head width, got {d_model // n_head}")
    return n_head


def _check_rotary(c: GPTConfig) -> GPTConfig:
    turning = c.head_dim * c.rotary_share
    if c.position == "rotary" and (turning % 2 or not 2 <= turning <= c.head_dim):
        raise bad("rotary_share", f"{c.rotary_share:g} of a head of {c.head_dim} is not an even number of dimensions")
    return c


def build_config(model: Mapping[str, object], vocab_size: int, context: int, keys: Keys = KEYS) -> GPTConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    keys.check(model)
    d_model = needed(model, "d_model")
    n_layer = needed(model, "n_layer", "give the number of blocks")
    n_head = heads(model, d_model)
    n_kv_head = whole(model, "n_kv_head") or n_head
    if n_head % n_kv_head:
        raise bad("n_kv_head", f"{n_head} query heads are not a multiple of {n_kv_head} key/value heads")
    swiglu = model.get("activation") == "swiglu"
    d_ff = whole(model, "d_ff") or round(number(model, "ff_mult", 8 / 3 if swiglu else 4.0) * d_model)
    config = dataclasses.replace(
        GPTConfig(
            d_model=d_model,
            n_layer=n_layer,
            n_head=n_head,
            n_kv_head=n_kv_head,
            d_ff=d_ff,
            vocab_size=vocab_size,
            context=context,
            rotary_base=number(model, "rotary_base", 10_000.0),
            rotary_share=number(model, "rotary_share", 1.0),
        ),
        **keys.chosen(model),  # type: ignore[arg-type]  # they have verified each value's type
    )
    return _check_rotary(config)


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> GPTConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio.

    Width moves in steps of the head width. Depth follows ``aspect_ratio`` (d_model per block, default 64) unless
    ``n_layer`` is given.
    """
    return nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def nearest_shape(
    model: Mapping[str, object], target: float, build: Callable[[Mapping[str, object]], C], count: Callable[[C], Params]
) -> C:
    """Return the shape of blocks, built by a family, whose total count is nearest ``target`` in ratio."""
    decided_by_size(model, d_model="remove it", n_head="give head_dim")
    return nearest_size(target, candidates(model), build, lambda config: count(config).total)


def candidates(model: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield width and depth pairs, widths ascending, depth as near the aspect ratio as whole blocks allow."""
    head_dim = whole(model, "head_dim") or 64
    aspect = number(model, "aspect_ratio", 64.0)
    for width in range(head_dim, 4096 * head_dim, head_dim):
        exact = width / aspect
        fixed = whole(model, "n_layer")
        depths = {fixed} if fixed else {max(1, math.floor(exact)), max(1, math.ceil(exact))}
        for depth in sorted(depths):
            yield {**model, "d_model": width, "n_layer": depth, "head_dim": head_dim}


def attention_matmul(c: GPTConfig) -> int:
    """Weights of one block's attention."""
    return c.d_model * c.head_dim * (2 * c.n_head + 2 * c.n_kv_head)


def mlp_matmul(c: GPTConfig) -> int:
    """Weights of one block's MLP."""
    return c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)


def matmul_per_block(c: GPTConfig) -> int:
    """Weights of one block that take part in a matrix product."""
    return attention_matmul(c) + mlp_matmul(c)


def attention_size(c: GPTConfig) -> int:
    """Parameters of one block's attention, biases included, gains of the query-key norm not."""
    return attention_matmul(c) + (c.head_dim * (c.n_head + 2 * c.n_kv_head) + c.d_model if c.bias else 0)


def mlp_size(c: GPTConfig) -> int:
    """Parameters of one MLP, biases included."""
    return mlp_matmul(c) + (c.d_model + c.d_ff * (2 if c.activation == "swiglu" else 1) if c.bias else 0)


def norm_size(c: GPTConfig) -> int:
    """Parameters of one norm of the residual stream."""
    return c.d_model * (2 if c.bias and c.norm == "layernorm" else 1)


def param_groups(c: GPTConfig) -> dict[str, int]:
    """Parameters by group; the values sum to the total count of the built module."""
    attention, mlp = attention_size(c), mlp_size(c)
    norm = 2 * norm_size(c) + (c.head_dim if c.qk_norm else 0)
    return {
        "embedding": c.vocab_size * c.d_model,
        "position": c.context * c.d_model if c.position == "learned" else 0,
        "attention": c.n_layer * attention,
        "mlp": c.n_layer * mlp,
        "norm": c.n_layer * norm + norm_size(c),
        "unembedding": 0 if c.tied else c.vocab_size * c.d_model,
    }


def params_non_embedding(c: GPTConfig) -> int:
    """Kaplan's N: blocks and norms, without token or position embeddings and unembedding."""
    groups = param_groups(c)
    return groups["attention"] + groups["mlp"] + groups["norm"]


def params_matmul(c: GPTConfig) -> int:
    """Weights that take part in a matrix product: blocks, and the unembedding (tied or not)."""
    return c.n_layer * matmul_per_block(c) + c.vocab_size * c.d_model


def forward_flops_per_token(c: GPTConfig, attention_share: float) -> float:
    """FLOPs of one forward pass per token: 2 per matmul weight, plus scores and weighted values.

    ``attention_share`` is 1 for full attention over the context, 0.5 for causal attention counted as half.
    """
    attention = c.n_layer * 2 * 2 * c.context * c.n_head * c.head_dim
    return 2.0 * params_matmul(c) + attention_share * attention


def params(c: GPTConfig) -> Params:
    """Return the counts; every parameter works on every token."""
    groups = param_groups(c)
    total = sum(groups.values())
    return Params(
        total=total,
        active=total,
        non_embedding=params_non_embedding(c),
        matmul=params_matmul(c),
        groups=MappingProxyType(groups),
    )


def flops_per_token(c: GPTConfig) -> FlopsPerToken:
    """Return the training FLOPs of a token."""
    half, full = (forward_flops_per_token(c, attention_share=share) for share in (0.5, 1.0))
    return FlopsPerToken.of_forward(half, full, params(c))
