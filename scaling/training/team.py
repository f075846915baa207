"""Processes that train one model together, each on its share of every batch (data parallel, started by torchrun).

Gradients are averaged over the processes before the optimizer's step, so that all of them hold the same weights and
a batch means what it means to one process: the curve is the same within the rounding of sums.
"""

import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn

from scaling.errors import UsageError


class PeerLost(Exception):
    """Another process of the team has gone; its own end says why."""


class Team:
    """The processes of one trial; one of them alone by default.

    Args:
        rank: this process, from 0; only the first one writes.
        size: number of processes.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Return this process's rows of a batch. Raises ``UsageError`` when they cannot be shared out evenly."""
        rows, rest = divmod(len(batch), self.size)
        if rest:
            raise UsageError(
                "train.uneven_batch",
                f"a batch of {len(batch)} windows cannot be shared evenly by {self.size} processes",
                hint="choose train.batch_tokens / data.context as a multiple of executor.gpus_per_trial",
            )
        return batch[self.rank * rows : (self.rank + 1) * rows]

    def average_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its mean over the processes, in one message for each type of number."""
        if self.size == 1:
            return
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for parameter in model.parameters():
            if parameter.grad is not None:
                by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_type.values():
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            self._sum(flat)
            torch._foreach_copy_(gradients, _like(gradients, flat.div_(self.size)))

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a value over the processes."""
        if self.size == 1:
            return value
        total = value.clone()
        self._sum(total)
        return total / self.size

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether any process says so; all get the same answer."""
        if self.size == 1:
            return flag
        votes = torch.tensor(float(flag), device=device)
        self._sum(votes)
        return votes.item() > 0

    def wait(self) -> None:
        """Wait for all."""
        if self.size > 1:
            self.any(False, torch.device("cuda" if dist.get_backend() == "nccl" else "cpu"))

    def _sum(self, tensor: Tensor) -> None:
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            raise PeerLost(str(error)) from error


def _like(shapes: Iterable[Tensor], flat: Tensor) -> list[Tensor]:
    parts, begin = [], 0
    for tensor in shapes:
        parts.append(flat[begin : begin + tensor.numel()].view_as(tensor))
        begin += tensor.numel()
    return parts


def join_team() -> Team:
    """Join the processes that torchrun started with this one; a process that it did not start is alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "TORCHELASTIC_RUN_ID" not in os.environ:
        return Team()
    gpus = torch.cuda.is_available()
    if gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if gpus else "gloo")
    return Team(dist.get_rank(), size)


ALONE = Team()
