"""Arithmetic of the decoder-only transformer: GPT-2 style (learned positions, GELU) to modern (RoPE, SwiGLU, GQA).

Counts hold to the unit against published sizes; FLOPs against ``torch.utils.flop_counter``. Conventions:
total parameters as Hoffmann et al. 2022 (2203.15556), non-embedding as Kaplan et al. 2020 (2001.08361, section
2.1), FLOPs as 2 per multiply-add in matrix products and attention only (norms, rotations and activations left out,
as Hoffmann et al. appendix F), backward as twice forward.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.errors import UsageError

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
_CHOICES = {"norm": NORMS, "activation": ACTIVATIONS, "position": POSITIONS, "residual": RESIDUALS}
_WHOLE = ("d_model", "n_layer", "n_head", "head_dim", "n_kv_head", "d_ff")
_FLAGS = ("qk_norm", "bias", "tied")
_NUMBERS = ("ff_mult", "aspect_ratio", "rotary_base", "rotary_share")


def _bad(key: str, message: str, hint: str | None = None) -> UsageError:
    return UsageError("model.bad_value", f"model.{key}: {message}", where=f"model.{key}", hint=hint)


def _check(model: Mapping[str, object]) -> None:
    for key, value in model.items():
        if key not in FIELDS:
            raise _bad(key, "unknown key of family gpt", f"known keys: {', '.join(FIELDS)}")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise _bad(key, f"{value!r} is not one of {', '.join(_CHOICES[key])}")
        if key in _FLAGS and not isinstance(value, bool):
            raise _bad(key, f"{value!r} is not true or false")
        if key in _WHOLE and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise _bad(key, f"{value!r} is not a whole number above zero")
        if key in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            raise _bad(key, f"{value!r} is not a number above zero")


def _whole(model: Mapping[str, object], key: str) -> int | None:
    value = model.get(key)
    return value if isinstance(value, int) else None


def _number(model: Mapping[str, object], key: str, default: float) -> float:
    value = model.get(key, default)
    return float(value) if isinstance(value, int | float) else default


def _heads(model: Mapping[str, object], d_model: int) -> int:
    n_head, head_dim = _whole(model, "n_head"), _whole(model, "head_dim")
    if n_head is None:
        n_head = max(1, round(d_model / head_dim)) if head_dim else max(1, d_model // 64)
    if d_model % n_head:
        divisors = [h for h in range(1, d_model + 1) if d_model % h == 0]
        nearest = min(divisors, key=lambda h: abs(h - n_head))
        raise _bad("n_head", f"d_model {d_model} is not a multiple of {n_head} heads", f"use {nearest} heads")
    if (d_model // n_head) % 2 and model.get("position", "rotary") == "rotary":
        raise _bad("n_head", f"rotary positions need an even head width, got {d_model // n_head}")
    return n_head


def _check_rotary(c: GPTConfig) -> GPTConfig:
    turning = c.head_dim * c.rotary_share
    if c.position == "rotary" and (turning % 2 or not 2 <= turning <= c.head_dim):
        raise _bad("rotary_share", f"{c.rotary_share:g} of a head of {c.head_dim} is not an even number of dimensions")
    return c


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> GPTConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    _check(model)
    d_model, n_layer = _whole(model, "d_model"), _whole(model, "n_layer")
    if d_model is None:
        raise _bad("d_model", "missing", "give d_model, or a size in parameters under `sizes`")
    if n_layer is None:
        raise _bad("n_layer", "missing", "give the number of blocks")
    n_head = _heads(model, d_model)
    n_kv_head = _whole(model, "n_kv_head") or n_head
    if n_head % n_kv_head:
        raise _bad("n_kv_head", f"{n_head} query heads are not a multiple of {n_kv_head} key/value heads")
    swiglu = model.get("activation") == "swiglu"
    d_ff = _whole(model, "d_ff") or round(_number(model, "ff_mult", 8 / 3 if swiglu else 4.0) * d_model)
    chosen = {key: model[key] for key in (*_CHOICES, *_FLAGS) if key in model}
    config = dataclasses.replace(
        GPTConfig(
            d_model=d_model,
            n_layer=n_layer,
            n_head=n_head,
            n_kv_head=n_kv_head,
            d_ff=d_ff,
            vocab_size=vocab_size,
            context=context,
            rotary_base=_number(model, "rotary_base", 10_000.0),
            rotary_share=_number(model, "rotary_share", 1.0),
        ),
        **chosen,  # type: ignore[arg-type]  # _check has verified each value's type
    )
    return _check_rotary(config)


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> GPTConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio.

    Width moves in steps of the head width. Depth follows ``aspect_ratio`` (d_model per block, default 64) unless
    ``n_layer`` is given.
    """
    _check(model)
    if target <= 0:
        raise _bad("sizes", f"{target!r} parameters is not above zero")
    for key, instead in (("d_model", "remove it"), ("n_head", "give head_dim")):
        if key in model:
            raise _bad(key, "a size in parameters decides it", instead)
    best: tuple[float, GPTConfig] | None = None
    for keys in _candidates(model):
        config = build_config(keys, vocab_size, context)
        count = sum(param_groups(config).values())
        ratio = max(count / target, target / count)
        if best is None or ratio < best[0]:
            best = (ratio, config)
        if count > 2 * target:
            break
    assert best is not None
    return best[1]


def _candidates(model: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield width and depth pairs, widths ascending, depth as near the aspect ratio as whole blocks allow."""
    head_dim = _whole(model, "head_dim") or 64
    aspect = _number(model, "aspect_ratio", 64.0)
    for width in range(head_dim, 4096 * head_dim, head_dim):
        exact = width / aspect
        fixed = _whole(model, "n_layer")
        depths = {fixed} if fixed else {max(1, math.floor(exact)), max(1, math.ceil(exact))}
        for depth in sorted(depths):
            yield {**model, "d_model": width, "n_layer": depth, "head_dim": head_dim}


def _attention_matmul(c: GPTConfig) -> int:
    return c.d_model * c.head_dim * (2 * c.n_head + 2 * c.n_kv_head)


def _mlp_matmul(c: GPTConfig) -> int:
    return c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2)


def matmul_per_block(c: GPTConfig) -> int:
    """Weights of one block that take part in a matrix product."""
    return _attention_matmul(c) + _mlp_matmul(c)


def _norm_size(c: GPTConfig) -> int:
    return c.d_model * (2 if c.bias and c.norm == "layernorm" else 1)


def param_groups(c: GPTConfig) -> dict[str, int]:
    """Parameters by group; the values sum to the total count of the built module."""
    attention = _attention_matmul(c)
    mlp = _mlp_matmul(c)
    if c.bias:
        attention += c.head_dim * (c.n_head + 2 * c.n_kv_head) + c.d_model
        mlp += c.d_model + c.d_ff * (2 if c.activation == "swiglu" else 1)
    norm = 2 * _norm_size(c) + (c.head_dim if c.qk_norm else 0)
    return {
        "embedding": c.vocab_size * c.d_model,
        "position": c.context * c.d_model if c.position == "learned" else 0,
        "attention": c.n_layer * attention,
        "mlp": c.n_layer * mlp,
        "norm": c.n_layer * norm + _norm_size(c),
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
