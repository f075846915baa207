"""Pictures that a model draws, judged at every horizon by who sees as much as anyone could; some are kept."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from scaling.data import reader_of
from scaling.data.drawing import png
from scaling.data.source import Reader
from scaling.models import Objective
from scaling.models.objective import Draw, Rows
from scaling.store.records import Sample
from scaling.trial.member import Member

_JUDGED = 256  # pictures at every horizon, for as many captions of the validation set
_KEPT = 6
_SEED = 0  # of the numbers that pick codes: the same for every size and horizon


@dataclass(frozen=True, slots=True)
class Gallery:
    """What is drawn for the first captions of the validation set.

    Attributes:
        draw: of the family.
        reader: of the corpus.
        rows: of the validation set, as the family has them.
        rebuilt: rows of the corpus from the true codes, ``None`` where the family has no codes of another.
    """

    draw: Draw
    reader: Reader
    rows: Tensor
    rebuilt: Rows | None

    def judge(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return how much of its captions, and of other pictures' captions, a model draws."""
        drawn = self._drawn(model, device)
        found = self._told("sample", drawn, drawn) | self._told("other", drawn, np.roll(drawn, 1, axis=0))
        if self.rebuilt is not None:
            found["rebuilt_scene"] = self._told("rebuilt", self.rebuilt, self.rebuilt)["rebuilt_scene"]
        return found

    def samples(self, model: nn.Module, device: torch.device) -> tuple[Sample, ...]:
        """Return the first pictures of different captions, with what can be seen in each."""
        drawn = self._drawn(model, device)
        asked = self.reader.captions(drawn)
        first = [asked.index(caption) for caption in list(dict.fromkeys(asked))[:_KEPT]]
        pictures, seen = self.reader.pictures(drawn[first]), self.reader.seen(drawn[first])
        return tuple(
            Sample(prompt=asked[i], text=told, picture=base64.b64encode(png(picture)).decode())
            for i, picture, told in zip(first, pictures, seen, strict=True)
        )

    def _drawn(self, model: nn.Module, device: torch.device) -> Rows:
        model.eval()
        drawn = self.draw(model, self.rows.to(device), _SEED)
        model.train()
        return drawn

    def _told(self, prefix: str, rows: Rows, asked: Rows) -> dict[str, float]:
        return {f"{prefix}_{name}": float(share.mean()) for name, share in self.reader.agreement(rows, asked).items()}


def open_gallery(member: Member, validation: Tensor) -> Gallery | None:
    """Return what a trial draws; ``None`` for a family that draws nothing, or a corpus that nobody can judge."""
    objective: Objective = member.objective
    if objective.draw is None:
        return None
    reader = reader_of(member.spec.data, member.spec.data_location)
    if reader is None:
        return None
    rows = validation[:_JUDGED]
    rebuilt = None if objective.rebuild is None else objective.rebuild(rows)
    return Gallery(objective.draw, reader, rows, rebuilt)
