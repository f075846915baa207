"""The states of several trials of one shape, trained in one batched program.

Each member keeps the state it would have alone: model, optimizers, weight average. Its tensors are views into stacked
ones, so evaluating, saving or resuming a member needs nothing new; only the step is taken for all at once.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scaling.models.stacked import stack
from scaling.spec.schema import TrainSpec
from scaling.training.loop import TrainState
from scaling.training.optim import BETAS, EPS, MOMENTUM, Muon, orthogonalise_all


@dataclass(slots=True)
class _Role:
    """The stacked parameters that one kind of optimizer updates.

    Attributes:
        params: stacked parameters ``(G, *shape)``.
        state: its moments by name, each a list of stacked tensors.
        lr: peak learning rates ``(G,)``.
        decay: decoupled weight decay.
        rows: for Muon, the rows of the matrices in each parameter; ``None`` for Adam.
    """

    params: list[nn.Parameter]
    state: dict[str, list[Tensor]]
    lr: Tensor
    decay: float
    rows: list[tuple[int, ...]] | None

    def step(self, number: int, lr_scale: float) -> None:
        """Update the parameters; ``number`` counts steps from 1."""
        grads = [p.grad for p in self.params if p.grad is not None]
        lr = self.lr * lr_scale
        if self.decay:
            for p in self.params:
                p.mul_(_like(1 - lr * self.decay, p))
        if self.rows is None:
            self._adam(grads, number, lr)
        else:
            self._muon(grads, self.rows, lr)

    def _adam(self, grads: list[Tensor], number: int, lr: Tensor) -> None:
        first, second = self.state["exp_avg"], self.state["exp_avg_sq"]
        torch._foreach_lerp_(first, grads, 1 - BETAS[0])
        torch._foreach_mul_(second, BETAS[1])
        torch._foreach_addcmul_(second, grads, grads, 1 - BETAS[1])
        root = torch._foreach_sqrt(second)
        torch._foreach_div_(root, (1 - BETAS[1] ** number) ** 0.5)
        torch._foreach_add_(root, EPS)
        rate = lr / (1 - BETAS[0] ** number)
        for p, m, r in zip(self.params, first, root, strict=True):
            p.sub_(_like(rate, p) * (m / r))

    def _muon(self, grads: list[Tensor], rows: list[tuple[int, ...]], lr: Tensor) -> None:
        momenta = self.state["momentum"]
        torch._foreach_lerp_(momenta, grads, 1 - MOMENTUM)
        nesterov = torch._foreach_lerp(grads, momenta, MOMENTUM)
        directions = orthogonalise_all(_split(nesterov, rows))
        for matrix, direction in zip(_split(self.params, rows), directions, strict=True):
            matrix.sub_(_like(lr, matrix) * direction)


def _like(values: Tensor, stacked: Tensor) -> Tensor:
    """Shape one value per member ``(G,)`` to meet a stacked tensor."""
    return values.view(-1, *(1,) * (stacked.dim() - 1))


def _split(stacks: Sequence[Tensor], rows: Sequence[tuple[int, ...]]) -> list[Tensor]:
    return [matrix for s, counts in zip(stacks, rows, strict=True) for matrix in s.split(counts, dim=1)]


class StackedState:
    """Members' states with their tensors stacked.

    Args:
        members: states of one shape at one step, fresh or restored; their tensors become views into the stack.
        recipes: the recipe of each; they differ in learning rates alone.
    """

    def __init__(self, members: Sequence[TrainState], recipes: Sequence[TrainSpec]) -> None:
        if len({m.step for m in members}) != 1:
            raise ValueError("the members of a stack stand at different steps")
        self.members, self.recipes = list(members), list(recipes)
        self.model = stack([m.model for m in members])
        self.params = list(self.model.parameters())
        own = [list(m.model.parameters()) for m in members]
        self._roles = [self._role(k, own) for k in range(len(members[0].optimizers))]
        for i, params in enumerate(own):
            _point([p.data for p in self.params], params, len(own), i)
        self._averages = self._stack_averages()

    @property
    def step(self) -> int:
        """Steps taken, the same for all members."""
        return self.members[0].step

    def branch(self) -> "StackedState":
        """Return a copy that shares nothing."""
        return StackedState([copy.deepcopy(m) for m in self.members], self.recipes)

    @torch.no_grad()
    def clip(self, limit: float) -> Tensor:
        """Scale each member's gradient to a norm of at most ``limit``; return the norms before, ``(G,)``."""
        grads = [p.grad for p in self.params if p.grad is not None]
        norms: Tensor = torch.stack([g.flatten(1).norm(dim=1) for g in grads], dim=1).norm(dim=1)
        factor = (limit / (norms + 1e-6)).clamp(max=1.0)
        for grad in grads:
            grad.mul_(_like(factor, grad))
        return norms

    @torch.no_grad()
    def update(self, lr_scale: float) -> None:
        """Take the optimizers' step for every member, and its weight average's."""
        number = self.step + 1
        for role in self._roles:
            role.step(number, lr_scale)
        for member in self.members:
            member.step = number
        average = self.members[0].average
        if average is not None:
            torch._foreach_lerp_(self._averages, [p.data for p in self.params], average.share(number))

    def settle(self, train_s: float, data_wait_s: float) -> None:
        """Book each member its share of an interval's seconds, and the count of steps where a checkpoint has it."""
        share = 1 / len(self.members)
        for member in self.members:
            member.train_s += train_s * share
            member.data_wait_s += data_wait_s * share
            for optimizer in member.optimizers:
                for state in optimizer.state.values():
                    if "step" in state:
                        state["step"].fill_(member.step)

    # -- construction ------------------------------------------------------------------------------

    def _role(self, k: int, own: Sequence[Sequence[nn.Parameter]]) -> _Role:
        """Stack the state of each member's ``k``-th optimizer."""
        optimizers = [m.optimizers[k] for m in self.members]
        group = optimizers[0].param_groups[0]
        places = [next(i for i, p in enumerate(own[0]) if p is mine) for mine in group["params"]]
        names = ("momentum",) if isinstance(optimizers[0], Muon) else ("exp_avg", "exp_avg_sq")
        state = {
            name: [self._stack_state(optimizers, [params[i] for params in own], name) for i in places] for name in names
        }
        return _Role(
            params=[self.params[i] for i in places],
            state=state,
            lr=torch.tensor([_peak_lr(o) for o in optimizers], device=self.params[0].device),
            decay=group["weight_decay"],
            rows=group.get("rows"),
        )

    @staticmethod
    def _stack_state(optimizers: Sequence[torch.optim.Optimizer], params: Sequence[nn.Parameter], name: str) -> Tensor:
        """Stack one moment of one parameter; a fresh optimizer has zeros."""
        held = [o.state[p] for o, p in zip(optimizers, params, strict=True)]
        stacked = torch.stack([s.get(name, torch.zeros_like(p)) for s, p in zip(held, params, strict=True)]).detach()
        for i, state in enumerate(held):
            state[name] = stacked[i]
            if name == "exp_avg":
                state.setdefault("step", torch.tensor(0.0))
        return stacked

    def _stack_averages(self) -> list[Tensor]:
        models = [m.average.model for m in self.members if m.average is not None]
        if not models:
            return []
        own = [list(model.parameters()) for model in models]
        stacked = [torch.stack([p.detach() for p in same]) for same in zip(*own, strict=True)]
        for i, params in enumerate(own):
            _point(stacked, params, len(own), i)
        return stacked


def _point(stacked: Sequence[Tensor], params: Sequence[nn.Parameter], members: int, index: int) -> None:
    """Make one member's parameters views into the stack."""
    for whole, param in zip(stacked, params, strict=True):
        assert whole.shape == (members, *param.shape)
        param.data = whole[index]


def _peak_lr(optimizer: torch.optim.Optimizer) -> float:
    group = optimizer.param_groups[0]
    return float(group.get("peak_lr", group["lr"]))
