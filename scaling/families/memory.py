"""The peak of training memory by component, for any family, from its weights and what autograd keeps.

The peak of a step lies at the start of the backward pass (all activations, no gradient yet) or at the optimizer (all
gradients, no activation left), whichever is more: gradients take the place of activations as the pass goes. The
component ``reused`` is that overlap, below zero, so that the components add up to the peak.
"""

from scaling.families.recipe import Recipe

FP32 = 4


def components(
    recipe: Recipe, *, total: float, hidden: float, largest_stack: float, activations: float, at_loss: float
) -> dict[str, float]:
    """Return predicted bytes by component; their sum is the peak of tensors, without library workspaces.

    ``weights``, ``gradients`` and ``optimizer`` in float32 (Muon: one value per hidden weight, Adam: two);
    ``average`` the weight average, or what a cooldown branch copies; ``activations`` what the backward pass needs;
    ``workspace`` the gradient of the logits and the optimizer's temporaries; ``reused`` see above.

    Args:
        recipe: how it is trained.
        total: parameters.
        hidden: parameters that Muon updates.
        largest_stack: of those, the most that have one shape: they are iterated together.
        activations: bytes that the backward pass needs.
        at_loss: bytes of the gradient of the logits.
    """
    muon = recipe.optimizer == "muon"
    optimizer = FP32 * (hidden + 2 * (total - hidden) if muon else 2 * total)
    # Muon's step: Nesterov momenta, directions, and the iteration on the largest stack of equal shapes.
    at_optimizer = FP32 * (2 * hidden + 2 * largest_stack) if muon else 0.0
    gradients = FP32 * total
    before, after = activations + at_loss, gradients + at_optimizer
    return {
        "weights": FP32 * total,
        "gradients": gradients,
        "optimizer": optimizer,
        "average": FP32 * total + (optimizer if recipe.anneal == "cooldown" else 0.0),
        "activations": activations,
        "workspace": at_loss + at_optimizer,
        "reused": -min(before, after),
    }
