"""The encoder-decoder transformer: one stack reads a window with holes, another writes what stood in them."""

from functools import partial
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from scaling.families.gpt import GPTConfig
from scaling.families.t5 import Spans, T5Config, spans_of, tokens_known
from scaling.models.gpt import (
    MLP,
    Attention,
    Block,
    Matrices,
    initialise_blocks,
    matrix,
    norm_of,
    rotary_frequencies,
)
from scaling.models.linear import Linear
from scaling.models.objective import Extras, Filling, Objective, Rows, accuracy, cross_entropy


class CrossAttention(nn.Module):
    """Attention from the decoder to what the encoder has read, without positions."""

    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.c = c
        self.query = Linear(c.d_model, c.n_head * c.head_dim, bias=c.bias)
        self.key_value = Linear(c.d_model, 2 * c.n_kv_head * c.head_dim, bias=c.bias)
        self.out = Linear(c.n_head * c.head_dim, c.d_model, bias=c.bias)
        if c.qk_norm:
            self.gain = nn.Parameter(torch.ones(c.head_dim))

    def forward(self, x: Float[Tensor, "B K D"], read: Float[Tensor, "B S D"]) -> Float[Tensor, "B K D"]:
        """Mix what was read into each place that is written."""
        c = self.c
        q = self.query(x).unflatten(-1, (c.n_head, c.head_dim))
        k, v = self.key_value(read).unflatten(-1, (2 * c.n_kv_head, c.head_dim)).chunk(2, dim=2)
        if c.qk_norm:
            q, k = self._normalise(q), self._normalise(k)
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, enable_gqa=c.n_head != c.n_kv_head)
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y

    def _normalise(self, heads: Float[Tensor, "B T H K"]) -> Float[Tensor, "B T H K"]:
        unit = F.layer_norm if self.c.norm == "layernorm" else F.rms_norm
        return unit(heads, (self.c.head_dim,), self.gain.type_as(heads))

    def matrices(self) -> Matrices:
        """Return queries, keys, values, and what writes to the residual stream."""
        c = self.c
        kv_rows = c.n_kv_head * c.head_dim
        return [
            (matrix(self.query), (c.n_head * c.head_dim,)),
            (matrix(self.key_value), (kv_rows, kv_rows)),
            (matrix(self.out), (c.d_model,)),
        ]


class DecoderBlock(nn.Module):
    """Pre-norm residual block: causal self-attention, cross-attention, MLP."""

    def __init__(self, c: GPTConfig) -> None:
        super().__init__()
        self.norm_attention, self.norm_cross, self.norm_mlp = norm_of(c), norm_of(c), norm_of(c)
        self.attention = Attention(c)
        self.cross = CrossAttention(c)
        self.mlp = MLP(c)

    def forward(
        self, x: Float[Tensor, "B K D"], read: Float[Tensor, "B S D"], frequencies: Tensor | None
    ) -> Float[Tensor, "B K D"]:
        """Add both attentions and the MLP."""
        x = x + self.attention(self.norm_attention(x), frequencies)
        x = x + self.cross(self.norm_cross(x), read)
        y: Tensor = x + self.mlp(self.norm_mlp(x))
        return y

    def matrices(self) -> Matrices:
        """Return the matrices of both attentions and the MLP."""
        return [*self.attention.matrices(), *self.cross.matrices(), *self.mlp.matrices()]

    def writers(self) -> list[nn.Linear]:
        """Return what writes to the residual stream."""
        return [self.attention.out, self.cross.out, self.mlp.down]


class T5(nn.Module):
    """Maps what the encoder reads and what was written before to logits of what is written next."""

    frequencies: Tensor | None

    def __init__(self, c: T5Config) -> None:
        super().__init__()
        blocks, self.known = c.blocks, tokens_known(c)
        self.embedding = nn.Embedding(self.known + 1, c.d_model)
        turned = rotary_frequencies(c.context + 1, blocks.rotary_dim, c.rotary_base) if c.position == "rotary" else None
        self.register_buffer("frequencies", turned, persistent=False)
        self.encoder = nn.ModuleList(Block(blocks, causal=False) for _ in range(c.n_layer))
        self.decoder = nn.ModuleList(DecoderBlock(blocks) for _ in range(c.n_layer))
        self.norm_encoder, self.norm_decoder = norm_of(blocks), norm_of(blocks)
        self.unembedding = Linear(c.d_model, self.known, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.zeros_(self.unembedding.weight)
        initialise_blocks(self.encoder)
        initialise_blocks(self.decoder)

    def forward(self, shown: Int[Tensor, "B S"], targets: Int[Tensor, "B K"]) -> Float[Tensor, "B K V"]:
        """Return logits of each target, given what is shown and the targets before it."""
        read = self.embedding(shown)
        for block in self.encoder:
            read = block(read, self.frequencies)
        read = self.norm_encoder(read)
        x = self.embedding(F.pad(targets[:, :-1], (1, 0), value=self.known))
        for block in self.decoder:
            x = block(x, read, self.frequencies)
        logits: Tensor = self.unembedding(self.norm_decoder(x))
        return logits

    def hidden_matrices(self) -> Matrices:
        """Return the matrices inside the blocks of both stacks."""
        blocks = cast("list[Block | DecoderBlock]", [*self.encoder, *self.decoder])
        return [found for block in blocks for found in block.matrices()]


def cut_spans(rows: Rows, rng: np.random.Generator, vocab_size: int) -> Rows:
    """Cut spans out of each row.

    Args:
        rows: windows ``(B, T + 1)``; the last token is left out.
        rng: of the spans.
        vocab_size: number of the first sentinel.

    Returns:
        ``(B, S + K)``: what is shown, then the targets (see ``families.t5.Spans``).
    """
    tokens = rows[:, :-1].astype(np.int32)
    how = spans_of(tokens.shape[1])
    return np.stack([_cut_row(row, rng, how, vocab_size) for row in tokens])


def _cut_row(row: NDArray[np.int32], rng: np.random.Generator, how: Spans, first: int) -> NDArray[np.int32]:
    """Cut one row ``(T,)``: what is left and what is cut take turns, beginning with what is left."""
    left, cut = _pieces(len(row) - how.cut, how.spans, rng), _pieces(how.cut, how.spans, rng)
    ends = np.cumsum(np.stack([left, cut], axis=1).ravel())
    parts = np.split(row, ends[:-1])
    sentinels = [np.array([first + i], dtype=np.int32) for i in range(how.spans + 1)]
    shown = [part for i in range(how.spans) for part in (parts[2 * i], sentinels[i])]
    asked = [part for i in range(how.spans) for part in (sentinels[i], parts[2 * i + 1])]
    return np.concatenate([*shown, *asked, sentinels[-1]])


def cut_answers(rows: Rows, answers: NDArray[np.bool_], vocab_size: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Cut the answers out of each row, and nothing else: each run of them is a span.

    Args:
        rows: windows ``(B, T)``, read whole.
        answers: which of their tokens are answers: at the same places of every row, or at fewer of these.
        vocab_size: number of the first sentinel.

    Returns:
        ``(B, 1 + S + K)``: how many places are shown, what is shown, the targets; and which of the K are answers.
    """
    cut = answers.any(axis=0)
    (begins,) = np.nonzero(np.diff(cut, prepend=False, append=False))
    sentinels = [np.full((len(rows), 1), vocab_size + i, dtype=np.int32) for i in range(len(begins) // 2 + 1)]
    unasked = np.zeros((len(rows), 1), dtype=bool)
    shown, asked, counted, end = [], [], [], 0
    for sentinel, begin, after in zip(sentinels, begins[::2], begins[1::2], strict=False):
        shown += [rows[:, end:begin], sentinel]
        asked += [sentinel, rows[:, begin:after]]
        counted += [unasked, answers[:, begin:after]]
        end = after
    shown.append(rows[:, end:])
    width = np.full((len(rows), 1), sum(part.shape[1] for part in shown), dtype=np.int32)
    batch = np.concatenate([width, *shown, *asked, sentinels[-1]], axis=1, dtype=np.int32)
    return batch, np.concatenate([*counted, unasked], axis=1)


def _predict_answers(model: nn.Module, batch: Int[Tensor, "B S"]) -> tuple[Tensor, Tensor]:
    """Return logits ``(B, K, V)`` and targets ``(B, K)`` of a batch from ``cut_answers``."""
    shown = int(batch[0, 0])
    targets = batch[:, 1 + shown :]
    return model(batch[:, 1 : 1 + shown], targets), targets


def _pieces(length: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return lengths of ``count`` pieces, one or more each, every division as likely as any other."""
    marks = np.sort(rng.choice(np.arange(1, length), size=count - 1, replace=False))
    return np.diff(marks, prepend=0, append=length)


def _predict(model: nn.Module, batch: Int[Tensor, "B S"], how: Spans) -> tuple[Tensor, Tensor]:
    """Return logits ``(B, K, V)`` and targets ``(B, K)``."""
    shown, targets = batch.split([how.encoded, how.decoded], dim=1)
    return model(shown, targets), targets


def objective(config: T5Config) -> Objective:
    """Return the span-corruption objective: nats and accuracy of the targets, sentinels included."""
    how = spans_of(config.context)

    def losses(model: nn.Module, batch: Tensor) -> Tensor:
        return cross_entropy(*_predict(model, batch, how))

    def measure(model: nn.Module, batch: Tensor) -> tuple[Tensor, Extras]:
        logits, targets = _predict(model, batch, how)
        return cross_entropy(logits, targets), {"accuracy": accuracy(logits, targets)}

    return Objective(
        losses=losses,
        measure=measure,
        corrupt=partial(cut_spans, vocab_size=config.vocab_size),
        filling=Filling(ask=partial(cut_answers, vocab_size=config.vocab_size), predict=_predict_answers),
    )


def build(config: T5Config) -> T5:
    """Build the module of a config."""
    return T5(config)
