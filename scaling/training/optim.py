"""Optimizers of a trial: Muon for hidden matrices with Adam for the rest, or AdamW for all.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"): momentum whose matrices are
orthogonalised by a Newton-Schulz iteration. Matrices of one shape are stacked and iterated together: at small widths
the cost is kernel launches, not arithmetic.
"""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scaling.models import Trainable
from scaling.models.linear import product, takes_onednn
from scaling.spec.schema import TrainSpec

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic coefficients of Jordan et al. 2024
_ITERATIONS = 4  # five in the original; the fifth changed no loss beyond seed noise at widths 16-64
_ONEDNN_ROWS = 96  # one product per matrix pays from here on; below, one call for the whole stack (measured)
MOMENTUM = 0.95
BETAS = (0.9, 0.95)
EPS = 1e-10


def orthogonalise(stack: Tensor) -> Tensor:
    """Replace each matrix of a stack ``(n, rows, cols)``, rows <= cols, by one with singular values near one."""
    a, b, c = _NEWTON_SCHULZ
    x: Tensor = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if stack.is_cuda:
        x = x.bfloat16()  # the iteration is stable in it (Jordan et al. 2024) and runs on tensor cores
    if x.shape[1] >= _ONEDNN_ROWS and takes_onednn(x, x[0]):
        return torch.stack([_iterate_onednn(matrix) for matrix in x.unbind()])
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.type_as(stack)


def _iterate_onednn(x: Tensor) -> Tensor:
    """Iterate one matrix ``(rows, cols)`` with the faster products of its processor; a gram matrix is symmetric."""
    a, b, c = _NEWTON_SCHULZ
    for _ in range(_ITERATIONS):
        gram = product(x, x)
        x = product(torch.add(b * gram, product(gram, gram), alpha=c), x.mT).add_(x, alpha=a)
    return x


def orthogonalise_all(stacks: Sequence[Tensor]) -> list[Tensor]:
    """Orthogonalise stacks ``(n, rows, cols)`` of any shapes; scale each matrix by ``sqrt(max(1, rows / cols))``."""
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, stack in enumerate(stacks):
        rows, cols = stack.shape[1:]
        buckets[min(rows, cols), max(rows, cols)].append(i)
    result = list(stacks)
    for (small, large), members in buckets.items():
        tall = [stacks[i].shape[1] > stacks[i].shape[2] for i in members]
        together = torch.cat([stacks[i].mT if t else stacks[i] for i, t in zip(members, tall, strict=True)])
        parts = orthogonalise(together).split([len(stacks[i]) for i in members])
        for i, is_tall, x in zip(members, tall, parts, strict=True):
            result[i] = x.mT * (large / small) ** 0.5 if is_tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum.

    Args:
        matrices: two-dimensional parameters, each with the row counts of the matrices stacked in it (queries,
            keys and values share a parameter but are orthogonalised apart).
        lr: learning rate: the spectral norm of one update of a square matrix.
        weight_decay: decoupled decay.
    """

    def __init__(
        self, matrices: Sequence[tuple[nn.Parameter, tuple[int, ...]]], lr: float, weight_decay: float = 0.0
    ) -> None:
        group = {"params": [p for p, _ in matrices], "rows": [rows for _, rows in matrices]}
        super().__init__([group], {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter."""
        (group,) = self.param_groups
        params: list[Tensor] = group["params"]
        grads = [p.grad for p in params if p.grad is not None]
        momenta = [self._momentum(p) for p in params]
        torch._foreach_lerp_(momenta, grads, 1 - MOMENTUM)
        nesterov = torch._foreach_lerp(grads, momenta, MOMENTUM)
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        directions = orthogonalise_all([m[None] for m in _split(nesterov, group["rows"])])
        torch._foreach_add_(_split(params, group["rows"]), [d[0] for d in directions], alpha=-group["lr"])

    def _momentum(self, p: Tensor) -> Tensor:
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        momentum: Tensor = state["momentum"]
        return momentum


def _split(tensors: Sequence[Tensor], rows: Sequence[tuple[int, ...]]) -> list[Tensor]:
    return [matrix for t, counts in zip(tensors, rows, strict=True) for matrix in t.split(counts)]


def make_optimizers(model: nn.Module, train: TrainSpec) -> list[torch.optim.Optimizer]:
    """Return the optimizers of a recipe; each parameter belongs to exactly one."""
    assert isinstance(model, Trainable)
    matrices = model.hidden_matrices()
    chosen = {id(p) for p, _ in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    adam = torch.optim.Adam(rest, lr=train.lr.embedding, betas=BETAS, eps=EPS, fused=True)
    if not matrices:
        return [adam]
    if train.optimizer == "muon":
        return [Muon(matrices, train.lr.hidden, train.weight_decay), adam]
    hidden = [p for p, _ in matrices]
    decay = train.weight_decay
    return [
        torch.optim.AdamW(hidden, lr=train.lr.hidden, betas=BETAS, eps=EPS, weight_decay=decay, fused=True),
        adam,
    ]


def set_lr_scale(optimizers: Sequence[torch.optim.Optimizer], scale: float) -> None:
    """Set every learning rate to its peak times ``scale``."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("peak_lr", group["lr"]) * scale
