"""Several models of one shape as one module: their parameters stacked, their products batched.

At widths below about 64 a step is a thousand small kernels, and their starts cost more than their arithmetic. A stack
of G models starts each kernel once for all. Member ``g`` owns rows ``g * B`` to ``(g + 1) * B`` of every batch; no
operation mixes members, so each trains as it would alone, up to the rounding of a batched product.
"""

import copy
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def per_member(x: Float[Tensor, "GB *rest"], members: int) -> Float[Tensor, "G B *rest"]:
    """Split the batch of a stack by member."""
    split: Tensor = x.unflatten(0, (members, -1))
    return split


def _beside(parameter: Float[Tensor, "G *shape"], x: Float[Tensor, "G B *rest"]) -> Tensor:
    """Give a stacked parameter dimensions of one, so that it meets the last dimensions of ``x``."""
    return parameter.reshape(parameter.shape[0], *(1,) * (x.dim() - parameter.dim()), *parameter.shape[1:])


def scale(x: Float[Tensor, "GB *rest D"], gain: Float[Tensor, "G D"]) -> Float[Tensor, "GB *rest D"]:
    """Multiply each member's features by its own gain."""
    split = per_member(x, gain.shape[0])
    scaled: Tensor = (split * _beside(gain.type_as(x), split)).flatten(0, 1)
    return scaled


def shift(x: Float[Tensor, "GB *rest"], offset: Float[Tensor, "G *shape"]) -> Float[Tensor, "GB *rest"]:
    """Add each member's own offset."""
    split = per_member(x, offset.shape[0])
    return (split + _beside(offset.type_as(x), split)).flatten(0, 1)


class StackedLinear(nn.Module):
    """``G`` linear layers: weights ``(G, N, K)``."""

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias

    def forward(self, x: Float[Tensor, "GB *rest K"]) -> Float[Tensor, "GB *rest N"]:
        """Multiply each member's rows by its own weights."""
        rows = x.reshape(self.weight.shape[0], -1, x.shape[-1])
        y = torch.bmm(rows, self.weight.mT)
        y = y if self.bias is None else y + self.bias[:, None]
        return y.view(*x.shape[:-1], -1)


class StackedEmbedding(nn.Module):
    """``G`` tables ``(G, V, D)``, looked up as one."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, tokens: Int[Tensor, "GB T"]) -> Float[Tensor, "GB T D"]:
        """Look up each member's tokens in its own table."""
        members, vocabulary, _ = self.weight.shape
        first = torch.arange(members, device=tokens.device, dtype=tokens.dtype) * vocabulary
        return F.embedding(shift(tokens, first[:, None]), self.weight.flatten(0, 1))


class StackedNorm(nn.Module):
    """``G`` layer norms or RMS norms with gains ``(G, D)``."""

    def __init__(self, norm: nn.LayerNorm | nn.RMSNorm, weight: nn.Parameter, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.shape, self.eps = tuple(norm.normalized_shape), norm.eps
        self.rms = isinstance(norm, nn.RMSNorm)
        self.weight, self.bias = weight, bias

    def forward(self, x: Float[Tensor, "GB *rest D"]) -> Float[Tensor, "GB *rest D"]:
        """Normalise, then apply each member's own gain and bias."""
        unit = F.rms_norm(x, self.shape, eps=self.eps) if self.rms else self._layer_norm(x)
        y = scale(unit, self.weight)
        return y if self.bias is None else shift(y, self.bias)

    def _layer_norm(self, x: Tensor) -> Tensor:
        assert self.eps is not None
        return F.layer_norm(x, self.shape, eps=self.eps)


class _Stacker:
    """Builds the stack: every parameter once, also where two modules share it."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._models = models
        self._made: dict[int, nn.Parameter] = {}

    def build(self) -> nn.Module:
        stacked = copy.deepcopy(self._models[0])
        self._fill(stacked, list(self._models))
        return stacked

    def _parameter(self, sources: Sequence[nn.Module], name: str) -> nn.Parameter | None:
        first = getattr(sources[0], name)
        if first is None:
            return None
        if id(first) not in self._made:
            self._made[id(first)] = nn.Parameter(torch.stack([getattr(s, name).detach() for s in sources]))
        return self._made[id(first)]

    def _fill(self, target: nn.Module, sources: list[nn.Module]) -> None:
        for name in [n for n, p in target.named_parameters(recurse=False) if p is not None]:
            target.register_parameter(name, self._parameter(sources, name))
        for name, _ in list(sources[0].named_children()):
            children = [cast(nn.Module, getattr(source, name)) for source in sources]
            leaf = self._leaf(children)
            if leaf is None:
                self._fill(cast(nn.Module, getattr(target, name)), children)
            else:
                setattr(target, name, leaf)

    def _leaf(self, sources: list[nn.Module]) -> nn.Module | None:
        first = sources[0]
        if isinstance(first, nn.Linear):
            weight = self._parameter(sources, "weight")
            assert weight is not None
            return StackedLinear(weight, self._parameter(sources, "bias"))
        if isinstance(first, nn.Embedding):
            weight = self._parameter(sources, "weight")
            assert weight is not None
            return StackedEmbedding(weight)
        if isinstance(first, nn.LayerNorm | nn.RMSNorm):
            weight = self._parameter(sources, "weight")
            assert weight is not None
            bias = self._parameter(sources, "bias") if isinstance(first, nn.LayerNorm) else None
            return StackedNorm(first, weight, bias)
        return None


def stack(models: Sequence[nn.Module]) -> nn.Module:
    """Return one module that runs models of one shape side by side, on copies of their parameters.

    It maps tokens ``(G * B, T)``, member after member, to logits ``(G * B, T, V)``. Its parameters have the names of a
    member's and a leading dimension ``G``. A module with parameters of its own, beside linear layers, embeddings and
    norms, must take them with that dimension (``scale`` and ``shift`` do).
    """
    return _Stacker(models).build()
