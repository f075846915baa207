"""What a family is trained by and measured by: losses per unit from a model and a batch.

A batch is one array of whole numbers with a row for each example; what stands where in a row is the family's own
affair. The stream gives rows of the corpus; ``corrupt`` makes of them what the model is shown and asked, from a random
generator that depends on seed and step alone: a resumed run sees the same, and every size does.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor, nn

if TYPE_CHECKING:
    from scaling.data import Corrupt

Rows = NDArray[Any]
Losses = Callable[[nn.Module, Tensor], Tensor]
"""Maps a model and a batch ``(B, …)`` to float32 losses ``(B, K)``, in the family's unit; their mean is minimised."""

Encode = Callable[[Rows], Rows]
"""Makes of rows of the corpus ``(n, …)`` the rows that a family is trained on, once and for all."""
Draw = Callable[[nn.Module, Tensor, int], Rows]
"""Maps a model, rows and a seed to rows of the corpus that the model makes of what is given in them."""

Extras = Mapping[str, Tensor]
Measure = Callable[[nn.Module, Tensor], tuple[Tensor, Extras]]
"""Maps a model and a batch to the losses ``(B, K)`` that validation records, and further metrics ``(B,)`` or
``(B, P)``, whose means over the validation set are recorded under their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How a model that fills in text is asked for the answers in it, all of a window at once.

    Attributes:
        ask: windows ``(B, T)`` and the mask of their answers -> the batch of the family's objective, and which of its
            losses ``(B, K)`` count; answers in the order of their places.
        predict: a model and such a batch -> logits ``(B, K, V)`` and targets ``(B, K)``.
    """

    ask: Callable[[NDArray[Any], NDArray[np.bool_]], tuple[NDArray[Any], NDArray[np.bool_]]]
    predict: Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]

    def losses(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Return the losses ``(B, K)`` of such a batch, in nats."""
        return cross_entropy(*self.predict(model, batch))


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """How a family turns rows of its data into losses.

    Attributes:
        losses: what training minimises.
        measure: what validation records; it may leave out what only helps training, such as a router's balance.
        corrupt: makes the batch from rows of the corpus; ``None``: the rows are the batch.
        filling: how it is asked for chosen tokens of a window; ``None`` where it is not, or by the tokens before them.
        encode: makes the rows of training and validation from those of the corpus; ``None``: they are the same.
        draw: writes rows of the corpus, to be looked at and judged; ``None``: the family makes none.
        rebuild: makes rows of the corpus from encoded ones: the best that could be drawn.
    """

    losses: Losses
    measure: Measure
    corrupt: "Corrupt | None" = None
    filling: Filling | None = None
    encode: Encode | None = None
    draw: Draw | None = None
    rebuild: Callable[[Tensor], Rows] | None = None


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the float32 cross-entropy ``(B, K)`` in nats of logits ``(B, K, V)`` and targets ``(B, K)``."""
    losses = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten().long(), reduction="none")
    return losses.view(targets.shape[0], -1)


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the share ``(B,)`` of targets ``(B, K)`` that logits ``(B, K, V)`` find likeliest."""
    return (logits.argmax(dim=-1) == targets).float().mean(dim=1)


def next_token_losses(model: nn.Module, windows: Int[Tensor, "B S"]) -> Tensor:
    """Cross-entropy of each next token, in nats, float32: shape ``(B, S - 1)``."""
    return cross_entropy(model(windows[:, :-1]), windows[:, 1:])


def by_position(losses: Tensor) -> Tensor:
    """Return the mean loss ``(B, P)`` at places 1, 2, 3 to 4, 5 to 8, … of losses ``(B, T)``."""
    ends = [2**i for i in range(math.ceil(math.log2(losses.shape[1])) + 1)]
    parts = zip([0, *ends], ends, strict=False)
    return torch.stack([losses[:, begin:end].mean(dim=1) for begin, end in parts], dim=1)


def _measure_next_token(model: nn.Module, windows: Int[Tensor, "B S"]) -> tuple[Tensor, Extras]:
    losses = next_token_losses(model, windows)
    return losses, {"loss_by_position": by_position(losses)}


NEXT_TOKEN = Objective(losses=next_token_losses, measure=_measure_next_token)
