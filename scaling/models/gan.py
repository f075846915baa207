"""A generator of points and its discriminator.

The relativistic pairing loss (Jolicoeur-Martineau 2018, 1807.00734; Sun et al. 2020, 2011.04926): the discriminator is
to score a true point above a generated one, the generator the other way round. Both learn in one step, each by its own
half of the loss. A penalty on the slope of the scores at both keeps them from circling (Mescheder et al. 2018,
1801.04406; Huang et al. 2024, 2501.05441).

What is recorded is the squared maximum mean discrepancy (Gretton et al. 2012, JMLR 13, 723-773) of generated points to
the known mixture, by a fixed kernel: a distance, without bias, whose expectations under the mixture are exact.
"""

import itertools
import math
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from scaling.families.gan import HALF_WIDTH, PLANE, POSITIONS, GANConfig, centres
from scaling.models.gpt import Matrices
from scaling.models.objective import Extras, Objective, Rows

_WIDTHS = (0.2, 0.5, 1.0)  # of the kernel, a mean of Gaussians
_NOISE_STEPS = 4_096  # a random number is written as a whole one
_MISSED = 0.1  # a cloud with less than this share of its due is missed
_FAR = 4.0  # deviations from the middle of a cloud at which a point belongs to none


def _perceptron(c: GANConfig, into: int, out: int, bias: bool) -> nn.Sequential:
    """Return a perceptron; ``bias`` says whether its output has one."""
    widths = [into, *[c.d_model] * c.n_layer, out]
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        inner = i < c.n_layer
        linear = nn.Linear(before, after, bias=inner or bias)
        nn.init.normal_(linear.weight, std=math.sqrt((2 if inner else 1) / before))
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        layers += [linear, nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class GAN(nn.Module):
    """Two perceptrons: noise to points, points to scores."""

    def __init__(self, c: GANConfig) -> None:
        super().__init__()
        self.c = c
        self.generator = _perceptron(c, c.noise, PLANE, bias=True)
        self.discriminator = _perceptron(c, PLANE, 1, bias=False)  # scores are compared in pairs

    def read(self, rows: Int[Tensor, "B R"]) -> tuple[Tensor, Tensor]:
        """Return true points ``(B, 2)`` and the generator's noise."""
        points = rows[:, :PLANE].float() * (2 * HALF_WIDTH / POSITIONS) - HALF_WIDTH
        return points, rows[:, PLANE:].float() / _NOISE_STEPS

    def forward(self, noise: Float[Tensor, "B Z"]) -> Float[Tensor, "B 2"]:
        """Return generated points."""
        points: Tensor = self.generator(noise)
        return points

    def hidden_matrices(self) -> Matrices:
        """Return the matrices between hidden layers of both."""
        parts = (self.generator, self.discriminator)
        inner = [layer for part in parts for layer in list(part)[2:-1] if isinstance(layer, nn.Linear)]
        return [(cast(nn.Parameter, layer.weight), (self.c.d_model,)) for layer in inner]


def adversarial_losses(model: nn.Module, rows: Int[Tensor, "B R"]) -> Float[Tensor, "B 3"]:
    """Losses of discriminator and generator for pairs of a true point and a generated one, and the penalty.

    Gradients stay apart: the discriminator sees generated points as given, the generator sees a discriminator that
    stands still. The penalty is the squared gradient of the scores at both points.
    """
    assert isinstance(model, GAN)
    points, noise = model.read(rows)
    made = model(noise)
    both = torch.cat([points, made.detach()]).requires_grad_().clone()
    scores = model.discriminator(both)
    (slope,) = torch.autograd.grad(scores.sum(), both, create_graph=True)
    penalty = model.c.penalty / 2 * torch.stack(slope.square().sum(dim=1).chunk(2), dim=1).sum(dim=1, keepdim=True)
    true_score, made_score = scores.chunk(2)
    still = {name: p.detach() for name, p in model.discriminator.named_parameters()}
    for_generator = functional_call(model.discriminator, still, (made,))
    told, fooled = pair_losses(true_score, made_score), pair_losses(for_generator, true_score.detach())
    return 3 * torch.cat([told, fooled, penalty.float()], dim=1)  # their mean is minimised: three times their sum


def pair_losses(higher: Float[Tensor, "B 1"], lower: Float[Tensor, "B 1"]) -> Float[Tensor, "B 1"]:
    """Return −ln of the probability, by their scores, that one of a pair is the true point."""
    return F.softplus((lower - higher).float())


def noise_rows(rows: Rows, rng: np.random.Generator, config: GANConfig) -> Rows:
    """Add to true points the generator's noise, as whole numbers."""
    drawn = np.rint(rng.standard_normal((len(rows), config.noise)) * _NOISE_STEPS)
    return np.concatenate([rows.astype(np.int32), drawn.astype(np.int32)], axis=1)


def squared_mmd(points: Float[Tensor, "N 2"], middles: Float[Tensor, "M 2"], deviation: float) -> Float[Tensor, " N"]:
    """Return for each point its part of the squared distance to the mixture; their mean is without bias.

    Parts are those of the statistic's first-order expansion, so that their spread gives its standard error.
    """
    x = points.double()
    within = torch.zeros(len(x), dtype=torch.float64)
    known, constant = torch.zeros_like(within), 0.0
    for width in _WIDTHS:
        own = torch.exp(-torch.cdist(x, x).square() / (2 * width**2))
        within += (own.sum(dim=1) - 1) / (len(x) - 1) / len(_WIDTHS)
        for clouds, into in ((1, x), (2, middles.double())):
            spread = width**2 + clouds * deviation**2
            near = torch.exp(-torch.cdist(into, middles.double()).square() / (2 * spread)) * width**2 / spread
            if clouds == 1:
                known += near.mean(dim=1) / len(_WIDTHS)
            else:
                constant += float(near.mean()) / len(_WIDTHS)
    return 2 * within - within.mean() - 2 * known + constant


def objective(config: GANConfig) -> Objective:
    """Return the adversarial losses, and the distance that is measured."""
    middles, deviation = torch.tensor(centres(config.across)), config.deviation / 1_000

    def corrupt(rows: Rows, rng: np.random.Generator) -> Rows:
        return noise_rows(rows, rng, config)

    def measure(model: nn.Module, rows: Tensor) -> tuple[Tensor, Extras]:
        assert isinstance(model, GAN)
        points, noise = model.read(rows)
        generated = model(noise)
        made, true = generated.float().cpu(), points.cpu()
        apart = torch.cdist(made, middles)
        nearest = apart.min(dim=1)
        near = nearest.values < _FAR * deviation
        share = torch.bincount(nearest.indices[near], minlength=len(middles)) * len(middles) / len(made)
        scores = [model.discriminator(x).cpu() for x in (points, generated)]
        distance = squared_mmd(made, middles, deviation)
        return distance[:, None].float(), {
            "true_distance": squared_mmd(true, middles, deviation),
            "clouds_missed": (share < _MISSED).float().mean().expand(len(made)),
            "off_clouds": (~near).float(),
            "discriminator_loss": pair_losses(scores[0], scores[1])[:, 0],
            "generator_loss": pair_losses(scores[1], scores[0])[:, 0],
        }

    return Objective(losses=adversarial_losses, measure=measure, corrupt=corrupt)


def build(config: GANConfig) -> GAN:
    """Build the module of a config."""
    return GAN(config)
