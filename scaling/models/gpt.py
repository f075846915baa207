"""The decoder-only transformer, pre-norm, from GPT-2 style to modern, in one readable forward pass.

Rotary positions: Su et al. 2021 (2104.09864), pairs of neighbouring dimensions as complex numbers.
Query-key normalisation: Dehghani et al. 2023 (2302.05442). Squared ReLU: So et al. 2021 (2109.08668). SwiGLU: Shazeer
2020 (2002.05202). Grouped-query attention: Ainslie et al. 2023 (2305.13245).
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scaling.families.gpt import GPTConfig
from scaling.models.linear import Linear
from scaling.models.objective import NEXT_TOKEN, Objective
from scaling.models.stacked import scale, shift


def rotary_frequencies(context: int, head_dim: int, base: float) -> Tensor:
    """Return unit complex numbers of shape ``(context, 1, head_dim / 2)``: position times frequency."""
    rates = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(context, dtype=torch.float32), rates)
    return torch.polar(torch.ones_like(angles), angles).unsqueeze(1)


def rotate(x: Float[Tensor, "B T H K"], frequencies: Tensor) -> Float[Tensor, "B T H K"]:
    """Turn each pair of neighbouring dimensions by its position's angle, in float32."""
    pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * frequencies[: x.shape[1]]).flatten(-2).type_as(x)


def sinusoids(context: int, width: int) -> Float[Tensor, "T D"]:
    """Return the fixed position table of Vaswani et al. 2017 (1706.03762, section 3.5)."""
    rates = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10_000.0) / width))
    angles = torch.outer(torch.arange(context, dtype=torch.float32), rates)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[:, :width]


Matrices = list[tuple[nn.Parameter, tuple[int, ...]]]
"""Parameters that hold matrices between activations, each with the rows of every matrix in it."""


def matrix(linear: nn.Linear) -> nn.Parameter:
    """Return the weights of a linear layer."""
    assert isinstance(linear.weight, nn.Parameter)
    return linear.weight


class SquaredReLU(torch.autograd.Function):
    """``relu(x) ** 2`` that keeps one tensor for the backward pass and touches memory four times, not seven."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        """Return the squared positive part."""
        positive = x.relu()
        ctx.save_for_backward(positive)
        return positive * positive

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
        """Return ``2 relu(x) grad``."""
        (positive,) = ctx.saved_tensors  # type: ignore[attr-defined]
        scaled: Tensor = (grad * positive).mul_(2.0)
        return scaled


def squared_relu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return ``relu(x) ** 2``."""
    y: Tensor = SquaredReLU.apply(x)  # type: ignore[no-untyped-call]
    return y


def norm_of(c: GPTConfig) -> nn.Module:
    """Return a norm of the residual stream."""
    if c.norm == "layernorm":
        return nn.LayerNorm(c.d_model, bias=c.bias)
    return nn.RMSNorm(c.d_model, eps=1e-6)


class Attention(nn.Module):
    """Self-attention, causal unless said otherwise, with optional rotary positions, query-key norm, grouped queries."""

    def __init__(self, c: GPTConfig, causal: bool = True) -> None:
        super().__init__()
        self.c, self.causal = c, causal
        self.qkv = Linear(c.d_model, (c.n_head + 2 * c.n_kv_head) * c.head_dim, bias=c.bias)
        self.out = Linear(c.n_head * c.head_dim, c.d_model, bias=c.bias)
        if c.qk_norm:
            self.gain = nn.Parameter(torch.ones(c.head_dim))

    def forward(self, x: Float[Tensor, "B T D"], frequencies: Tensor | None) -> Float[Tensor, "B T D"]:
        """Mix positions."""
        c = self.c
        heads = self.qkv(x).unflatten(-1, (c.n_head + 2 * c.n_kv_head, c.head_dim))
        qk, v = heads.split([c.n_head + c.n_kv_head, c.n_kv_head], dim=2)
        if c.qk_norm:  # one gain for queries and keys: their product is all that attention sees
            qk = self._normalise(qk)
        if frequencies is not None:
            qk = self._turn(qk, frequencies)
        q, k = qk.split([c.n_head, c.n_kv_head], dim=2)
        mixed = F.scaled_dot_product_attention(
            q.transpose(1, 2),
            k.transpose(1, 2),
            v.transpose(1, 2),
            is_causal=self.causal,
            enable_gqa=c.n_head != c.n_kv_head,
        )
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y

    def matrices(self) -> Matrices:
        """Return queries, keys and values apart, and what writes to the residual stream."""
        c = self.c
        kv_rows = c.n_kv_head * c.head_dim
        return [(matrix(self.qkv), (c.n_head * c.head_dim, kv_rows, kv_rows)), (matrix(self.out), (c.d_model,))]

    def _normalise(self, qk: Float[Tensor, "B T H K"]) -> Float[Tensor, "B T H K"]:
        unit = F.layer_norm if self.c.norm == "layernorm" else F.rms_norm
        if self.gain.dim() == 2:  # a stack of models
            return scale(unit(qk, (self.c.head_dim,)), self.gain)
        return unit(qk, (self.c.head_dim,), self.gain.type_as(qk))

    def _turn(self, qk: Float[Tensor, "B T H K"], frequencies: Tensor) -> Float[Tensor, "B T H K"]:
        """Rotate the leading dimensions of each head; the rest carry no position."""
        if self.c.rotary_dim == self.c.head_dim:
            return rotate(qk, frequencies)
        turning, still = qk.split([self.c.rotary_dim, self.c.head_dim - self.c.rotary_dim], dim=-1)
        return torch.cat([rotate(turning.contiguous(), frequencies), still], dim=-1)


class MLP(nn.Module):
    """Two matrices and an activation, or three with SwiGLU; ``linear`` makes the layers."""

    def __init__(self, c: GPTConfig, linear: type[nn.Linear] = Linear) -> None:
        super().__init__()
        self.c, self.activation = c, c.activation
        self.up = linear(c.d_model, c.d_ff * (2 if c.activation == "swiglu" else 1), bias=c.bias)
        self.down = linear(c.d_ff, c.d_model, bias=c.bias)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Transform each position."""
        hidden = self.up(x)
        if self.activation in ("gelu", "gelu_tanh"):
            hidden = F.gelu(hidden, approximate="tanh" if self.activation == "gelu_tanh" else "none")
        elif self.activation == "relu2":
            hidden = squared_relu(hidden)
        else:
            gate, value = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * value
        y: Tensor = self.down(hidden)
        return y

    def matrices(self) -> Matrices:
        """Return both matrices, gate and value apart."""
        c = self.c
        return [
            (matrix(self.up), (c.d_ff,) * (2 if c.activation == "swiglu" else 1)),
            (matrix(self.down), (c.d_model,)),
        ]


class Block(nn.Module):
    """Pre-norm residual block; attention and MLP one after the other, or side by side (Wang & Komatsuzaki 2021)."""

    def __init__(self, c: GPTConfig, causal: bool = True) -> None:
        super().__init__()
        self.parallel = c.residual == "parallel"
        self.norm_attention = norm_of(c)
        self.attention = Attention(c, causal)
        self.norm_mlp = norm_of(c)
        self.mlp = MLP(c)

    def forward(self, x: Float[Tensor, "B T D"], frequencies: Tensor | None) -> Float[Tensor, "B T D"]:
        """Add attention and the MLP."""
        mixed = x + self.attention(self.norm_attention(x), frequencies)
        y: Tensor = mixed + self.mlp(self.norm_mlp(x if self.parallel else mixed))
        return y

    def matrices(self) -> Matrices:
        """Return the matrices of attention and MLP."""
        return [*self.attention.matrices(), *self.mlp.matrices()]

    def writers(self) -> list[nn.Linear]:
        """Return what writes to the residual stream."""
        return [self.attention.out, self.mlp.down]


def initialise_blocks(blocks: nn.ModuleList) -> None:
    """Scale by fan-in; what writes to the residual stream starts at zero (each block is the identity)."""
    for module in blocks.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.5 * module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for block in blocks:
        for linear in block.writers():  # type: ignore[operator]  # a ModuleList forgets what it holds
            nn.init.zeros_(linear.weight)


class Trunk(nn.Module):
    """Token embedding, positions, blocks, final norm and unembedding; what is asked of them is a subclass's affair.

    Args:
        c: the shape.
        block: makes one block; it has ``matrices()`` and ``writers()``.
    """

    frequencies: Tensor | None
    positions: Tensor | None

    def __init__(self, c: GPTConfig, block: Callable[[GPTConfig], nn.Module] = Block) -> None:
        super().__init__()
        self.c = c
        self.embedding = nn.Embedding(c.vocab_size, c.d_model)
        if c.position == "learned":
            self.position = nn.Parameter(torch.empty(c.context, c.d_model))
        rotary, fixed = c.position == "rotary", c.position == "sinusoidal"
        self.register_buffer(
            "frequencies",
            rotary_frequencies(c.context, c.rotary_dim, c.rotary_base) if rotary else None,
            persistent=False,
        )
        self.register_buffer("positions", sinusoids(c.context, c.d_model) if fixed else None, persistent=False)
        self.blocks = nn.ModuleList(block(c) for _ in range(c.n_layer))
        self.norm = norm_of(c)
        self.unembedding = Linear(c.d_model, c.vocab_size, bias=False)
        if c.tied:
            self.unembedding.weight = self.embedding.weight
        self._initialise()

    def positioned(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Add learned or sinusoidal positions, where the shape has them."""
        if self.c.position == "learned":
            stacked = self.position.dim() == 3
            x = shift(x, self.position[:, : x.shape[1]]) if stacked else x + self.position[: x.shape[1]]
        if self.positions is not None:
            x = x + self.positions[: x.shape[1]]
        return x

    def hidden_matrices(self) -> Matrices:
        """Return the matrices inside the blocks, with the rows of each matrix that a parameter holds."""
        return [found for block in self.blocks for found in block.matrices()]  # type: ignore[operator]  # as above

    def _initialise(self) -> None:
        tied = self.c.tied
        nn.init.normal_(self.embedding.weight, std=0.02 if tied else 0.1)
        if not tied:
            nn.init.zeros_(self.unembedding.weight)
        if self.c.position == "learned":
            nn.init.normal_(self.position, std=0.02)
        initialise_blocks(self.blocks)


class GPT(Trunk):
    """The decoder-only transformer."""

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return next-token logits."""
        x = self.positioned(self.embedding(tokens))
        for block in self.blocks:
            x = block(x, self.frequencies)
        logits: Tensor = self.unembedding(self.norm(x))
        return logits


def build(config: GPTConfig) -> GPT:
    """Build the module of a config."""
    return GPT(config)


def objective(config: GPTConfig) -> Objective:
    """Return the next-token objective."""
    return NEXT_TOKEN
