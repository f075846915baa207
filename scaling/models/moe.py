"""The sparse mixture of experts: the blocks of ``gpt``, with a router and several MLPs in place of one.

Tokens are sorted by expert and every expert multiplies its own, however many; none is dropped. A balance loss keeps the
router from sending all of them to a few (Fedus et al. 2021, 2101.03961, equations 4 to 6); it is trained on and is no
part of the validation loss.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scaling.families.moe import BALANCE, MoEConfig
from scaling.models.gpt import MLP, Attention, Matrices, Trunk, norm_of
from scaling.models.linear import Linear
from scaling.models.objective import Extras, Objective, by_position, cross_entropy


class Experts(nn.Module):
    """A router and its MLPs."""

    def __init__(self, c: MoEConfig) -> None:
        super().__init__()
        self.c = c
        self.router = Linear(c.d_model, c.n_expert, bias=False)
        # Not by oneDNN: it would generate code anew for nearly every step's number of tokens.
        self.experts = nn.ModuleList(MLP(c, nn.Linear) for _ in range(c.n_expert))

    def forward(self, x: Float[Tensor, "B T D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return each token's mixture ``(B, T, D)``, the balance loss, and experts' shares of each row ``(B, E)``."""
        flat = x.flatten(0, 1)
        scores = self.router(x).float().softmax(dim=-1)
        chosen, picks = scores.topk(self.c.top_k, dim=-1)
        weights = chosen.type_as(x).flatten()  # not of the picked alone: one pick would then teach the router nothing
        order = picks.flatten().argsort(stable=True)
        counts = self._counts(picks)
        parts = flat[order // self.c.top_k].split(counts)
        done = torch.cat([expert(part) for expert, part in zip(self.experts, parts, strict=True)])
        mixed = torch.zeros_like(flat).index_add(0, order // self.c.top_k, done * weights[order, None])
        share = nn.functional.one_hot(picks, self.c.n_expert).float().mean(dim=(1, 2))
        balance = self.c.n_expert * (share.mean(dim=0) * scores.mean(dim=(0, 1))).sum()
        return mixed.view_as(x), balance, share

    def _counts(self, picks: Tensor) -> list[int]:
        """Return how many tokens each expert gets; on the meta device, where none is routed, all get as many."""
        if not picks.is_meta:
            return torch.bincount(picks.flatten(), minlength=self.c.n_expert).tolist()
        size, rest = divmod(picks.numel(), self.c.n_expert)
        return [size + (i < rest) for i in range(self.c.n_expert)]


class MoEBlock(nn.Module):
    """Pre-norm residual block whose MLP is a mixture."""

    def __init__(self, c: MoEConfig) -> None:
        super().__init__()
        self.parallel = c.residual == "parallel"
        self.norm_attention = norm_of(c)
        self.attention = Attention(c)
        self.norm_mlp = norm_of(c)
        self.mixture = Experts(c)

    def forward(self, x: Float[Tensor, "B T D"], frequencies: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Add attention and the mixture; return balance loss and shares beside."""
        attended = x + self.attention(self.norm_attention(x), frequencies)
        mixed, balance, share = self.mixture(self.norm_mlp(x if self.parallel else attended))
        return attended + mixed, balance, share

    def matrices(self) -> Matrices:
        """Return the matrices of attention and of every expert; the router is not one between activations."""
        found = self.attention.matrices()
        for expert in self.mixture.experts:
            assert isinstance(expert, MLP)
            found += expert.matrices()
        return found

    def writers(self) -> list[nn.Linear]:
        """Return what writes to the residual stream."""
        return [self.attention.out, *(expert.down for expert in self.mixture.experts if isinstance(expert, MLP))]


class MoE(Trunk):
    """The decoder-only transformer of such blocks."""

    def __init__(self, c: MoEConfig) -> None:
        super().__init__(c, lambda _: MoEBlock(c))

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return next-token logits."""
        return self.routed(tokens)[0]

    def routed(self, tokens: Int[Tensor, "B T"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits ``(B, T, V)``, the mean balance loss of the blocks, and experts' shares ``(B, L * E)``."""
        x = self.positioned(self.embedding(tokens))
        balances, shares = list[Tensor](), list[Tensor]()
        for block in self.blocks:
            x, balance, share = block(x, self.frequencies)
            balances.append(balance)
            shares.append(share)
        logits: Tensor = self.unembedding(self.norm(x))
        return logits, torch.stack(balances).mean(), torch.cat(shares, dim=1)


def _losses(model: nn.Module, windows: Int[Tensor, "B S"]) -> Tensor:
    assert isinstance(model, MoE)
    logits, balance, _ = model.routed(windows[:, :-1])
    return cross_entropy(logits, windows[:, 1:]) + BALANCE * balance


def _measure(model: nn.Module, windows: Int[Tensor, "B S"]) -> tuple[Tensor, Extras]:
    assert isinstance(model, MoE)
    logits, _, shares = model.routed(windows[:, :-1])
    losses = cross_entropy(logits, windows[:, 1:])
    return losses, {"loss_by_position": by_position(losses), "expert_share": shares}


def build(config: MoEConfig) -> MoE:
    """Build the module of a config."""
    return MoE(config)


def objective(config: MoEConfig) -> Objective:
    """Return the next-token objective, balanced while training."""
    return Objective(losses=_losses, measure=_measure)
