"""Scoring a probe: teacher-forced, batched, each answer token with its log-probability.

An item is matched exactly when the likeliest token is right at every place of the answer; a greedy generation then
writes the same answer, so nothing has to be generated.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from scaling.abilities.floor import measure_floor
from scaling.abilities.items import pack, test_items, unpack
from scaling.abilities.tasks import make_task

_BATCH_WINDOWS = 64


class AbilityProbe:
    """One probe task, measured at every horizon on the same items.

    Args:
        name: ``TASK-LEVEL``.
        ability: what people call it: ``reasoning``, …
        items: test items at most.
        context: tokens in a window.
    """

    def __init__(self, name: str, ability: str, items: int, context: int) -> None:
        self.task, self.ability, self.context = make_task(name), ability, context
        self.items = test_items(self.task, items)
        self.floor = measure_floor(self.task, self.items)
        windows, mask = pack(self.items, context)
        self._windows, self._mask = torch.from_numpy(windows).int(), torch.from_numpy(mask)

    @property
    def name(self) -> str:
        """Key among a point's probes."""
        return self.task.name

    @torch.no_grad()
    def measure(self, model: nn.Module, device: torch.device) -> Mapping[str, Any]:
        """Return the scores as plain JSON; ``ABILITIES`` in ``store/columns.py`` says what each means."""
        model.eval()
        parts = [
            _token_scores(model, windows.to(device), mask.to(device))
            for windows, mask in zip(self._windows.split(_BATCH_WINDOWS), self._mask.split(_BATCH_WINDOWS), strict=True)
        ]
        model.train()
        right, logprob, brier = (self._by_answer(torch.cat(column).numpy()) for column in zip(*parts, strict=True))
        n = len(right)
        return {
            "ability": self.ability,
            "items": n,
            "answer_tokens": right.shape[1],
            "exact_match": float(right.all(axis=1).mean()),
            "token_accuracy": float(right.mean()),
            "logprob": float(logprob.mean()),
            "logprob_se": float(logprob.mean(axis=1).std(ddof=1) / np.sqrt(n)) if n > 1 else None,
            "brier": float(brier.mean()),
            "floor": self.floor.score,
            "chance": self.floor.chance,
            "majority": self.floor.majority,
            "format_only": self.floor.format_only,
            "hint_only": self.floor.hint_only,
            "format_logprob": self.floor.format_logprob,
        }

    def _by_answer(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return values of targets as ``(items, answer tokens)``."""
        return unpack(values.astype(np.float64), self.items, self.context)[:, self.items.answer[0]]


def _token_scores(
    model: nn.Module, windows: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return right (0 or 1), log-probability and Brier score of each target ``(B, T)``; zero where no answer stands."""
    logits = model(windows[:, :-1])[mask].float()
    targets = windows[:, 1:][mask].long()
    logprob = logits.log_softmax(dim=-1)
    own = logprob.gather(1, targets[:, None])[:, 0]
    p = logprob.exp()
    brier = p.square().sum(dim=-1) - 2 * own.exp() + 1  # Brier 1950: over all classes, 0 to 2
    found = []
    for values in ((logits.argmax(dim=-1) == targets).float(), own, brier):
        grid = torch.zeros(mask.shape, device=mask.device)
        grid[mask] = values
        found.append(grid.cpu())
    return found[0], found[1], found[2]
