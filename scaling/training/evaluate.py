"""The fixed measurement of every point: mean loss over the same validation windows, with its sampling error."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

Objective = Callable[[nn.Module, Int[Tensor, "B S"]], Tensor]
"""Maps a model and windows of ``context + 1`` tokens to losses ``(B, T)`` in nats per token."""

_BATCH_WINDOWS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Loss on the validation set.

    Attributes:
        loss_nats: mean over tokens; every window has the same number of them.
        loss_se_nats: standard error of the mean over windows.
    """

    loss_nats: float
    loss_se_nats: float


@torch.no_grad()
def evaluate(model: nn.Module, objective: Objective, windows: Int[Tensor, "N S"], device: torch.device) -> Evaluation:
    """Evaluate a model on windows of tokens; sums in float64, in a fixed order."""
    model.eval()
    means = [objective(model, batch.to(device)).double().mean(dim=1).cpu() for batch in windows.split(_BATCH_WINDOWS)]
    model.train()
    per_window = torch.cat(means)
    return Evaluation(
        loss_nats=per_window.mean().item(),
        loss_se_nats=per_window.std(correction=1).item() / math.sqrt(len(per_window)),
    )


def next_token_losses(model: nn.Module, windows: Int[Tensor, "B S"]) -> Tensor:
    """Cross-entropy of each next token, in nats, float32: shape ``(B, S - 1)``."""
    logits = model(windows[:, :-1])
    losses = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), windows[:, 1:].flatten().long(), reduction="none"
    )
    return losses.view(windows.shape[0], -1)
