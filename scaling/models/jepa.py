"""Joint-embedding prediction: encoder, slow copy of it, and a predictor of what the copy makes of the next frames.

Assran et al. 2023 (2301.08243): squared error to the copy's output, normed place by place; the copy follows the
encoder after every step (Grill et al. 2020, 2006.07733). Against collapse, a hinge keeps the standard deviation of the
embedding over the batch at one (Bardes et al. 2022, 2105.04906, equation 1).

A latent loss means nothing across sizes: each size has embeddings of its own. What is recorded is how much of the known
state a linear readout of the embedding leaves unexplained: fitted to one half of the clips, tested on the other.
"""

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from scaling.families.jepa import JEPAConfig
from scaling.models.gpt import Block, Matrices, initialise_blocks, norm_of
from scaling.models.linear import Linear
from scaling.models.objective import Extras, Objective

_HALF_GREY = 127.5  # pixels are 0 to 255; the model sees -1 to 1
_RIDGE = 1e-3  # of the readout, in units of the embedding's mean variance times the number of clips
_TARGET = "target_"
_AT_ONCE = 256  # clips embedded at once


class Encoder(nn.Module):
    """Patch embedding, positions, blocks, norm."""

    def __init__(self, c: JEPAConfig) -> None:
        super().__init__()
        self.c = c
        self.patches = Linear(c.patch_values, c.d_model, bias=c.bias)
        self.position = nn.Parameter(torch.empty(c.places, c.d_model))
        self.blocks = nn.ModuleList(Block(c.blocks, causal=False) for _ in range(c.n_layer))
        self.norm = norm_of(c.blocks)
        nn.init.normal_(self.patches.weight, std=c.patch_values**-0.5)
        nn.init.normal_(self.position, std=0.02)
        if self.patches.bias is not None:
            nn.init.zeros_(self.patches.bias)
        initialise_blocks(self.blocks)

    def forward(self, values: Float[Tensor, "B P V"]) -> Float[Tensor, "B P D"]:
        """Return the embedding of every patch."""
        x = self.patches(values) + self.position
        for block in self.blocks:
            x = block(x, None)
        y: Tensor = self.norm(x)
        return y


class JEPA(nn.Module):
    """Encoder and predictor; the slow copy of the encoder is kept in buffers, so that no optimizer sees it."""

    def __init__(self, c: JEPAConfig) -> None:
        super().__init__()
        self.c = c
        self.encoder = Encoder(c)
        self.predictor = Block(c.blocks, causal=False)
        self.norm = norm_of(c.blocks)
        self.head = Linear(c.d_model, c.told, bias=c.bias)
        initialise_blocks(nn.ModuleList([self.predictor]))
        nn.init.normal_(self.head.weight, std=c.d_model**-0.5)
        if self.head.bias is not None:
            nn.init.zeros_(self.head.bias)
        if c.predicts == "latent":
            for name, value in self.encoder.named_parameters():
                self.register_buffer(_TARGET + name.replace(".", "/"), value.detach().clone())

    def seen(self, rows: Int[Tensor, "B R"]) -> tuple[Tensor, Tensor]:
        """Return the patches ``(B, P, V)`` of the first frames and of the next, each value from -1 to 1."""
        c = self.c
        values = rows[:, : c.context * c.patch_values].float() / _HALF_GREY - 1
        first, then = values.unflatten(1, (2, c.places, c.patch_values)).unbind(dim=1)
        return first, then

    def forward(self, first: Float[Tensor, "B P V"]) -> tuple[Tensor, Tensor]:
        """Return the embedding ``(B, P, D)`` of the first frames, and what is told of the next ``(B, P, T)``."""
        embedding = self.encoder(first)
        told: Tensor = self.head(self.norm(self.predictor(embedding, None)))
        return embedding, told

    @torch.no_grad()
    def targets(self, then: Float[Tensor, "B P V"]) -> Tensor:
        """Return what is to be told of the next frames."""
        if self.c.predicts == "pixels":
            return then
        copy = {name: self.get_buffer(_TARGET + name.replace(".", "/")) for name, _ in self.encoder.named_parameters()}
        embedding = functional_call(self.encoder, copy, (then,))
        return F.layer_norm(embedding.float(), (self.c.d_model,))

    @torch.no_grad()
    def follow(self) -> None:
        """Let the copy follow the encoder by one step."""
        if self.c.predicts == "latent":
            names, values = zip(*self.encoder.named_parameters(), strict=True)
            copies = [self.get_buffer(_TARGET + name.replace(".", "/")) for name in names]
            torch._foreach_lerp_(copies, [v.detach() for v in values], 1 - self.c.momentum)

    def hidden_matrices(self) -> Matrices:
        """Return the matrices inside the blocks, with the rows of each matrix that a parameter holds."""
        return [found for block in (*self.encoder.blocks, self.predictor) for found in block.matrices()]


def _told(model: JEPA, rows: Int[Tensor, "B R"]) -> tuple[Tensor, Tensor]:
    """Return the embedding of the first frames, and the squared error ``(B, P)`` of what is told of the next."""
    first, then = model.seen(rows)
    embedding, told = model(first)
    return embedding, (told.float() - model.targets(then)).square().mean(dim=2)


def latent_losses(model: nn.Module, rows: Int[Tensor, "B R"]) -> Float[Tensor, "B P"]:
    """Squared error of what is told, and the hinge on the spread of the embedding over the batch."""
    found = cast(JEPA, model)
    embedding, losses = _told(found, rows)
    if not found.c.spread or found.c.predicts == "pixels":
        return losses
    deviation = embedding.float().mean(dim=1).var(dim=0).add(1e-4).sqrt()
    return losses + found.c.spread * (1 - deviation).relu().mean()


def readout_errors(embedding: Float[Tensor, "N D"], state: Float[Tensor, "N S"]) -> Float[Tensor, "N S"]:
    """Return the squared error of a linear readout of the state, as a share of its variance, for every row.

    A ridge regression is fitted to the even rows and tested on the odd ones, and the other way round.
    """
    x, y = embedding.double(), state.double()
    errors = torch.empty_like(y)
    for fitted, tested in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        centre, mean = x[fitted].mean(dim=0), y[fitted].mean(dim=0)
        seen = x[fitted] - centre
        gram = seen.t() @ seen
        ridge = _RIDGE * gram.diagonal().mean() + 1e-12
        weights = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=x.dtype), seen.t() @ (y[fitted] - mean))
        errors[tested] = ((x[tested] - centre) @ weights + mean - y[tested]).square()
    return errors / y.var(dim=0)


def effective_rank(embedding: Float[Tensor, "N D"]) -> float:
    """Return the exponential of the entropy of the shares of variance along principal axes (Roy & Vetterli 2007)."""
    variance = torch.linalg.eigvalsh(torch.cov(embedding.double().t())).clamp(min=1e-12)
    share = variance / variance.sum()
    return float(torch.exp(-(share * share.log()).sum()))


def _measure(model: nn.Module, rows: Int[Tensor, "N R"]) -> tuple[Tensor, Extras]:
    found = cast(JEPA, model)
    states = rows[:, -2 * found.c.state :].cpu().double()
    state, estimate = states.chunk(2, dim=1)
    embedding, told = _in_parts(found, rows)
    pixels = found.seen(rows)[0].flatten(1).cpu()
    pooled = embedding.mean(dim=1)
    errors = readout_errors(pooled, state)
    same = torch.ones(len(rows))
    return errors.float(), {
        **_parts("", errors),
        **_parts("patches_", readout_errors(embedding.flatten(1), state)),
        **_parts("pixels_", readout_errors(pixels, state)),
        **_parts("best_", (estimate - state).square() / state.var(dim=0)),
        "guess_error": ((state - state.mean(dim=0)).square() / state.var(dim=0)).mean(dim=1),
        "training_loss": told.mean(dim=1),
        "embedding_spread": same * pooled.std(dim=0).mean(),
        "embedding_rank": same * effective_rank(pooled),
    }


def _in_parts(model: JEPA, rows: Int[Tensor, "N R"]) -> tuple[Tensor, Tensor]:
    """Return the embedding of all rows and their errors, on the CPU; some rows at a time."""
    parts = [_told(model, part) for part in rows.split(_AT_ONCE)]
    return torch.cat([x.float().cpu() for x, _ in parts]), torch.cat([told.cpu() for _, told in parts])


def _parts(name: str, errors: Float[Tensor, "N S"]) -> dict[str, Tensor]:
    """Return the errors of the place and of the velocity, the first and the second half of a state."""
    place, velocity = errors.chunk(2, dim=1)
    return {f"{name}place_error": place.mean(dim=1), f"{name}velocity_error": velocity.mean(dim=1)}


def build(config: JEPAConfig) -> JEPA:
    """Build the module of a config."""
    return JEPA(config)


def objective(config: JEPAConfig) -> Objective:
    """Return the prediction of what comes next, and the readout of the state that is measured."""
    return Objective(losses=latent_losses, measure=_measure)
