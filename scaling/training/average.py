"""A weight average whose memory grows with training: an annealed model at every horizon of one constant-rate run.

Power-law profile of Karras et al. 2023 (2312.02696, section 3.1): the weight given to step ``s`` at step ``t`` grows
as ``(s / t) ** gamma``, so the mean age of the averaged weights is a fixed share ``1 / (gamma + 2)`` of ``t``. A fixed
decay would be right for one horizon only.
"""

import copy

import torch
from torch import nn


class GrowingAverage:
    """Averages the parameters of a model after every step.

    Args:
        model: the model in training; its parameters and buffers are read, never changed.
        lag: mean age of the average as a share of the steps so far, below 0.5.
    """

    def __init__(self, model: nn.Module, lag: float) -> None:
        self.model = copy.deepcopy(model)
        self._source = [p.detach() for p in model.parameters()]
        self._target = [p.detach() for p in self.model.parameters()]
        self._buffers = [b.detach() for b in self.model.buffers()], [b.detach() for b in model.buffers()]
        self._gamma = 1 / lag - 2

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` (from 1)."""
        torch._foreach_lerp_(self._target, self._source, self.share(step))
        if self._buffers[0]:  # what follows the weights is no average of its own
            torch._foreach_copy_(*self._buffers)

    def share(self, step: int) -> float:
        """Return the share of the weights after ``step`` in the average."""
        return float(1 - (1 - 1 / step) ** (self._gamma + 1))
