"""Arithmetic of a generator and its discriminator (Goodfellow et al. 2014, 1406.2661), both perceptrons.

A point is a token. A step takes the generator once, and the discriminator on true points, on generated ones for itself,
and on generated ones for the generator, with weights that stand still. There is no likelihood: what is recorded is a
distance between what is generated and the density that is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.families.contract import FlopsPerToken, Params
from scaling.families.keys import Keys, nearest_size, needed, number, whole
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe

PLANE = 2
POSITIONS, HALF_WIDTH = 65_536, 4.0  # values of a coordinate, which lies within so much of zero
TOGETHER = 2_048  # points that are compared with the density at once
_SIDE = 2.0  # of the grid, from its middle


def centres(across: int) -> tuple[tuple[float, float], ...]:
    """Return the middles of ``across * across`` clouds on a square grid."""
    steps = [0.0] if across == 1 else [_SIDE * (2 * i / (across - 1) - 1) for i in range(across)]
    return tuple((x, y) for x in steps for y in steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class GANConfig:
    """One size of the family.

    Attributes:
        d_model: width of both perceptrons.
        n_layer: hidden layers of each.
        vocab_size: values of a coordinate.
        context: points in a row: one.
        across: clouds in a row of the known mixture.
        deviation: of a cloud, in thousandths.
        noise: random numbers that the generator makes a point of.
        penalty: weight of the squared slope of the scores at true and at generated points.
    """

    d_model: int
    n_layer: int
    vocab_size: int
    context: int
    across: int
    deviation: int
    noise: int = 4
    penalty: float = 1.0


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "d_model": "width of generator and discriminator",
        "n_layer": "hidden layers of each",
        "noise": "random numbers that the generator makes a point of",
        "penalty": "weight of the squared slope of the discriminator's scores",
    }
)
KEYS = Keys(
    family="gan",
    fields={**FIELDS, "across": "clouds in a row; the data says it", "deviation": "of a cloud; the data says it"},
    whole=("d_model", "n_layer", "noise", "across", "deviation"),
    or_zero=("penalty",),
)


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> GANConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    KEYS.check(model)
    return GANConfig(
        d_model=needed(model, "d_model"),
        n_layer=needed(model, "n_layer", "give the number of hidden layers"),
        vocab_size=vocab_size,
        context=context,
        across=needed(model, "across", "family gan eats points, such as data.source: points"),
        deviation=needed(model, "deviation", "family gan eats points, such as data.source: points"),
        noise=whole(model, "noise") or 4,
        penalty=number(model, "penalty", 1.0),
    )


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> GANConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio; the depth is given."""
    widths = ({**model, "d_model": width} for width in range(2, 65_536))
    return nearest_size(target, widths, lambda keys: build_config(keys, vocab_size, context), lambda c: params(c).total)


def _weights(c: GANConfig, into: int, out: int) -> tuple[int, int]:
    """Return the weights of the first layer of a perceptron, and of all others."""
    return into * c.d_model, (c.n_layer - 1) * c.d_model**2 + c.d_model * out


def params(c: GANConfig) -> Params:
    """Return the counts; what takes in noise or points and what gives points or a score counts as no embedding."""
    generator, discriminator = sum(_weights(c, c.noise, PLANE)), sum(_weights(c, PLANE, 1))
    biases = c.n_layer * c.d_model
    groups = {"generator": generator + biases + PLANE, "discriminator": discriminator + biases}
    total = sum(groups.values())
    return Params(
        total=total,
        active=total,
        non_embedding=total,
        matmul=generator + discriminator,
        groups=MappingProxyType(groups),
    )


def flops_per_token(c: GANConfig) -> FlopsPerToken:
    """Return the training FLOPs of a point, true and generated, by the passes of one step.

    The discriminator takes both points; the slope of its scores is one more pass over each, which the backward pass
    goes through again, but for the ones that it begins with. For the generator, its weights stand still.
    """
    first_g, rest_g = (2.0 * n for n in _weights(c, c.noise, PLANE))
    generator, discriminator = first_g + rest_g, 2.0 * sum(_weights(c, PLANE, 1))
    forward = generator + 3 * discriminator
    slope, through_slope = 2 * discriminator, 2 * (2 * discriminator - 2.0 * c.d_model)
    backward = (first_g + 2 * rest_g) + 4 * discriminator + discriminator
    train = forward + slope + through_slope + backward
    return FlopsPerToken(train=train, train_full_attention=train, rough_6n=6.0 * params(c).total, forward=forward)


def memory_bytes(c: GANConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``)."""
    hidden = c.n_layer * c.d_model  # kept before and after its nonlinearity
    kept = recipe.batch_tokens * float(recipe.value_bytes) * 4 * (2 * hidden + PLANE)
    total, inner = float(params(c).total), 2.0 * (c.n_layer - 1) * c.d_model**2
    return components(recipe, total=total, hidden=inner, largest_stack=inner, activations=kept, at_loss=4.0 * FP32)
