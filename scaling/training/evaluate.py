"""The fixed measurement of every point: mean loss over the same validation rows, with its sampling error."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from scaling.models.objective import Measure

BATCH_ROWS = 32

Metric = float | list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured on the validation set.

    Attributes:
        loss_nats: mean loss over units; every row has the same number of them.
        loss_se_nats: standard error of the mean over rows.
        metrics: further means over rows by name: a number, or one for each place.
    """

    loss_nats: float
    loss_se_nats: float
    metrics: Mapping[str, Metric] = field(default_factory=dict)


@torch.no_grad()
def evaluate(
    model: nn.Module, measure: Measure, rows: Tensor, device: torch.device, together: int = BATCH_ROWS
) -> Evaluation:
    """Evaluate a model on rows ``(N, …)`` of its batches; sums in float64, in a fixed order.

    Args:
        model: is left in training mode.
        measure: of the family.
        rows: the validation set.
        device: where the model lies.
        together: rows in one pass; of a loss that compares rows, those that are compared.
    """
    model.eval()
    measured = [measure(model, batch.to(device)) for batch in rows.split(together)]
    per_row = torch.cat([losses.double().mean(dim=1).cpu() for losses, _ in measured])
    model.train()
    return Evaluation(
        loss_nats=per_row.mean().item(),
        loss_se_nats=per_row.std(correction=1).item() / math.sqrt(len(per_row)),
        metrics={name: _mean([extras[name] for _, extras in measured]) for name in measured[0][1]},
    )


def _mean(parts: list[Tensor]) -> Metric:
    mean = torch.cat([part.double().cpu() for part in parts]).mean(dim=0)
    found: Metric = mean.tolist()
    return found
