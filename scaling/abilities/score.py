"""Scoring a probe: teacher-forced, batched, each answer token with its log-probability.

An item is matched exactly when the likeliest token is right at every place of the answer; a greedy generation then
writes the same answer, so nothing has to be generated.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scaling.abilities.floor import measure_floor
from scaling.abilities.items import pack, test_items, unpack
from scaling.abilities.tasks import make_task

if TYPE_CHECKING:
    from scaling.models import Filling

_BATCH_WINDOWS = 64


def predict_next(model: nn.Module, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits ``(B, T, V)`` and targets ``(B, T)`` of a model that tells each token from those before."""
    return model(windows[:, :-1]), windows[:, 1:]


class AbilityProbe:
    """One probe task, measured at every horizon on the same items.

    Args:
        name: ``TASK-LEVEL``.
        ability: what people call it: ``reasoning``, …
        items: test items at most.
        context: tokens in a window.
        filling: how the model is asked, where it is not by the tokens before the answer.
        per: items to a window; as many as fit by default.
    """

    def __init__(
        self,
        name: str,
        ability: str,
        items: int,
        context: int,
        filling: "Filling | None" = None,
        per: int | None = None,
    ) -> None:
        self.task, self.ability = make_task(name), ability
        self.context = context if filling is None else context - 1  # what fills in reads the last token too
        self.items = test_items(self.task, items)
        self.floor = measure_floor(self.task, self.items)
        self._per = per
        windows, self._answers = pack(self.items, self.context, per)
        batch, counted = (windows, self._answers) if filling is None else fill_in(filling, windows, self._answers)
        self._batch, self._counted = torch.from_numpy(batch).int(), torch.from_numpy(counted)
        self._predict = predict_next if filling is None else filling.predict

    @property
    def name(self) -> str:
        """Key among a point's probes."""
        return self.task.name

    @torch.no_grad()
    def measure(self, model: nn.Module, device: torch.device) -> Mapping[str, Any]:
        """Return the scores as plain JSON; ``ABILITIES`` in ``store/columns.py`` says what each means."""
        model.eval()
        parts = [
            _answer_scores(*self._predict(model, batch.to(device)), counted.to(device))
            for batch, counted in zip(
                self._batch.split(_BATCH_WINDOWS), self._counted.split(_BATCH_WINDOWS), strict=True
            )
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
        """Return values of all answer tokens in order as ``(items, answer tokens)``."""
        grid = np.zeros(self._answers.shape)
        grid[self._answers] = values
        return unpack(grid, self.items, self.context, self._per)[:, self.items.answer[0]]


def fill_in(
    filling: "Filling", windows: NDArray[Any], answers: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the batch that asks for the answers of packed windows ``(B, T)``, and which of its losses count.

    Args:
        filling: how.
        windows: as ``pack`` gives them.
        answers: its mask of targets ``(B, T - 1)``: the first token of a window is never one.
    """
    return filling.ask(windows, np.pad(answers, ((0, 0), (1, 0))))


def _answer_scores(
    every: torch.Tensor, sought: torch.Tensor, counted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return right (0 or 1), log-probability and Brier score of each answer token, one after another."""
    logits, targets = every[counted].float(), sought[counted].long()
    logprob = logits.log_softmax(dim=-1)
    own = logprob.gather(1, targets[:, None])[:, 0]
    p = logprob.exp()
    brier = p.square().sum(dim=-1) - 2 * own.exp() + 1  # Brier 1950: over all classes, 0 to 2
    return (logits.argmax(dim=-1) == targets).float().cpu(), own.cpu(), brier.cpu()
