"""The discrete VAE of patches: pixels to one of so many codes, and back to a distribution over pixels.

The bound of Ramesh et al. 2021 (2102.12092, section 2.1) under an even prior, for patches coded one by one. The
decoder of a single code is a table, and the posterior of a code given a patch is a sum over that table: it stands for
their encoder, the bound is tight, and nothing is sampled or relaxed. Pixels are whole numbers from 0 to 255 under a
normal law of learned spread (Rybkin et al. 2021, 2006.13202). At validation every patch has its likeliest code, and
``ln codes`` is charged for it: a code length.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scaling.families.dvae import DVAEConfig
from scaling.models.gpt import Matrices
from scaling.models.objective import Extras, Objective, Rows

_HALF_GREY = 127.5  # pixels are 0 to 255; the model sees -1 to 1
_START_SPREAD = 40.0  # grey levels


class DVAE(nn.Module):
    """The table of drawings, and the spread of pixels around them."""

    begun: Tensor

    def __init__(self, c: DVAEConfig) -> None:
        super().__init__()
        self.c = c
        self.drawings = nn.Parameter(torch.zeros(c.codes, c.patch_values))
        self.spread = nn.Parameter(torch.tensor(math.log(_START_SPREAD)))
        self.register_buffer("begun", torch.tensor(False))  # whether the table has been laid out

    def forward(self, pixels: Int[Tensor, "B V"]) -> Float[Tensor, "B P K"]:
        """Return the nats of the pixels of every patch under each code: minus the log density per grey level."""
        c = self.c
        seen = pixels.unflatten(1, (c.patches, c.patch_values)).float() / _HALF_GREY - 1
        if self.training and not seen.is_meta and not self.begun:
            self._lay_out(seen.flatten(0, 1))
        spread = self.spread.clamp(min=0.0)  # a logarithm: one grey level at least, which keeps the loss above zero
        apart = (seen * seen).sum(dim=2, keepdim=True) - 2 * (seen @ self.drawings.t())
        apart = (apart + (self.drawings * self.drawings).sum(dim=1)).float()
        nats: Tensor = 0.5 * apart * (_HALF_GREY / spread.exp()) ** 2
        return nats + c.patch_values * (spread + 0.5 * math.log(2 * math.pi))

    def hidden_matrices(self) -> Matrices:
        """Return nothing: no matrix lies between activations."""
        return []

    @torch.no_grad()
    def codes(self, pixels: Int[Tensor, "B V"]) -> Int[Tensor, "B P"]:
        """Return the likeliest code of every patch."""
        nats: Tensor = self(pixels)
        return nats.argmin(dim=2)

    @torch.no_grad()
    def pictures(self, codes: Int[Tensor, "B P"]) -> Int[Tensor, "B V"]:
        """Return pixels, 0 to 255, of codes."""
        means = self.drawings[codes.long()]
        return ((means + 1) * _HALF_GREY).round().clamp(0, 255).flatten(1).int()

    @torch.no_grad()
    def _lay_out(self, patches: Float[Tensor, "N V"]) -> None:
        """Make the first batch the table: its mean, then again and again the patch farthest from all taken so far.

        Codes that start alike would never part, and one that is nearest to no patch would never be used.
        """
        self.drawings[0] = patches.mean(dim=0)
        nearest = ((patches - self.drawings[0]) ** 2).sum(dim=1)
        for code in range(1, self.c.codes):
            self.drawings[code] = patches[nearest.argmax()]
            nearest = torch.minimum(nearest, ((patches - self.drawings[code]) ** 2).sum(dim=1))
        self.begun.fill_(True)


def objective(config: DVAEConfig) -> Objective:
    """Return the evidence; at validation a code length, and how often each code is used."""
    pixels = config.patches * config.patch_values

    def losses(model: nn.Module, rows: Tensor) -> Tensor:
        told: Tensor = model(rows[:, :pixels])
        return (math.log(config.codes) - (-told).logsumexp(dim=2)).sum(dim=1, keepdim=True)

    def measure(model: nn.Module, rows: Tensor) -> tuple[Tensor, Extras]:
        nats, chosen = model(rows[:, :pixels]).min(dim=2)
        share = F.one_hot(chosen, config.codes).float().mean(dim=1)
        return (nats + math.log(config.codes)).sum(dim=1, keepdim=True), {"code_share": share}

    def rebuilt(model: nn.Module, rows: Tensor, seed: int) -> Rows:
        assert isinstance(model, DVAE)
        drawn = model.pictures(model.codes(rows[:, :pixels]))
        return torch.cat([drawn, rows[:, pixels:]], dim=1).cpu().numpy().astype(np.uint8)

    return Objective(losses=losses, measure=measure, draw=rebuilt)


def build(config: DVAEConfig) -> DVAE:
    """Build the module of a config."""
    return DVAE(config)
