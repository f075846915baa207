"""The encoder-only transformer: the blocks of ``gpt`` with the whole window in sight, asked for what is masked."""

from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from scaling.families.bert import BertConfig, masked
from scaling.models.gpt import Block, Trunk
from scaling.models.objective import Extras, Filling, Objective, Rows, accuracy, cross_entropy


class BERT(Trunk):
    """Maps tokens and places to logits at these places; the token after the vocabulary's last is the mask."""

    def __init__(self, c: BertConfig) -> None:
        super().__init__(c, partial(Block, causal=False))
        self.mask = nn.Parameter(torch.empty(c.d_model))
        nn.init.normal_(self.mask, std=0.1)

    def forward(self, tokens: Int[Tensor, "B T"], places: Int[Tensor, "B K"]) -> Float[Tensor, "B K V"]:
        """Return logits of the tokens at ``places``."""
        hidden = tokens == self.c.vocab_size
        seen = self.embedding(tokens.masked_fill(hidden, 0))
        x = self.positioned(torch.where(hidden[..., None], self.mask.type_as(seen), seen))
        for block in self.blocks:
            x = block(x, self.frequencies)
        picked = x.gather(1, places.long()[..., None].expand(-1, -1, self.c.d_model))
        logits: Tensor = self.unembedding(self.norm(picked))
        return logits


def mask_rows(rows: Rows, rng: np.random.Generator, vocab_size: int) -> Rows:
    """Hide a fixed number of tokens of each row.

    Args:
        rows: windows ``(B, T + 1)``; the last token is left out.
        rng: of the places.
        vocab_size: number of the mask.

    Returns:
        ``(B, T + 2 K)``: the tokens with K of them masked, their places in ascending order, and what stood there.
    """
    tokens = rows[:, :-1].astype(np.int32)
    places = rng.random(tokens.shape).argsort(axis=1)[:, : masked(tokens.shape[1])]
    return _hide(tokens, np.sort(places, axis=1).astype(np.int32), vocab_size)


def mask_answers(rows: Rows, answers: NDArray[np.bool_], vocab_size: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Hide the answers of each row, and nothing else.

    Args:
        rows: windows ``(B, T)``, read whole.
        answers: which of their tokens are answers; K in the row that has most.
        vocab_size: number of the mask.

    Returns:
        The same layout as ``mask_rows``, and which of its K places ``(B, K)`` are answers: a row that has fewer is
        filled up with places that are hidden too and do not count.
    """
    counts = answers.sum(axis=1)
    places = np.argsort(~answers, axis=1, kind="stable")[:, : counts.max()].astype(np.int32)
    return _hide(rows.astype(np.int32), places, vocab_size), np.arange(counts.max()) < counts[:, None]


def _hide(tokens: NDArray[np.int32], places: NDArray[np.int32], vocab_size: int) -> Rows:
    targets = np.take_along_axis(tokens, places, axis=1)
    np.put_along_axis(tokens, places, vocab_size, axis=1)
    return np.concatenate([tokens, places, targets], axis=1)


def _predict(model: nn.Module, batch: Int[Tensor, "B S"], context: int) -> tuple[Tensor, Tensor]:
    """Return logits ``(B, K, V)`` and targets ``(B, K)``, for as many places as the batch asks for."""
    count = (batch.shape[1] - context) // 2
    tokens, places, targets = batch.split([context, count, count], dim=1)
    return model(tokens, places), targets


def objective(config: BertConfig) -> Objective:
    """Return the masked-token objective: nats and accuracy at the masked places."""
    predict = partial(_predict, context=config.context)

    def losses(model: nn.Module, batch: Tensor) -> Tensor:
        return cross_entropy(*predict(model, batch))

    def measure(model: nn.Module, batch: Tensor) -> tuple[Tensor, Extras]:
        logits, targets = predict(model, batch)
        return cross_entropy(logits, targets), {"accuracy": accuracy(logits, targets)}

    return Objective(
        losses=losses,
        measure=measure,
        corrupt=partial(mask_rows, vocab_size=config.vocab_size),
        filling=Filling(ask=partial(mask_answers, vocab_size=config.vocab_size), predict=predict),
    )


def build(config: BertConfig) -> BERT:
    """Build the module of a config."""
    return BERT(config)
