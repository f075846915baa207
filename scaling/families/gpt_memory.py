"""Training memory of the decoder-only transformer by component, from what autograd keeps, tensor by tensor.

The peak of a step lies at the start of the backward pass (all activations, no gradient yet) or at the optimizer (all
gradients, no activation left), whichever is more: gradients take the place of activations as the pass goes. The
component ``reused`` is that overlap, below zero, so that the components add up to the peak.
"""

from scaling.families.gpt import GPTConfig, matmul_per_block, param_groups, params_matmul
from scaling.families.recipe import Recipe

_FP32 = 4


def memory_bytes(c: GPTConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component; their sum is the peak of tensors, without library workspaces.

    ``weights``, ``gradients`` and ``optimizer`` in float32 (Muon: one value per hidden weight, Adam: two);
    ``average`` the weight average, or what a cooldown branch copies; ``activations`` what the backward pass needs;
    ``workspace`` the gradient of the logits and the optimizer's temporaries; ``reused`` see above.
    """
    total = float(sum(param_groups(c).values()))
    hidden = float(c.n_layer * matmul_per_block(c))
    muon = recipe.optimizer == "muon"
    optimizer = _FP32 * (hidden + 2 * (total - hidden) if muon else 2 * total)
    activations = recipe.batch_tokens * (c.n_layer * _block(c, recipe) + _ends(c, recipe))
    if recipe.precision == "bfloat16":
        activations += 2.0 * params_matmul(c)  # autocast keeps a copy of each weight until the backward pass is over
    at_loss = recipe.batch_tokens * 2.0 * _FP32 * c.vocab_size
    at_optimizer = _muon_workspace(c, hidden) if muon else 0.0
    gradients = _FP32 * total
    before, after = activations + at_loss, gradients + at_optimizer
    return {
        "weights": _FP32 * total,
        "gradients": gradients,
        "optimizer": optimizer,
        "average": _FP32 * total + (optimizer if recipe.anneal == "cooldown" else 0.0),
        "activations": activations,
        "workspace": at_loss + at_optimizer,
        "reused": -min(before, after),
    }


def _block(c: GPTConfig, recipe: Recipe) -> float:
    """Bytes that one block keeps per token."""
    value = recipe.value_bytes
    queries, keys = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    residual = _FP32 * c.d_model * (1 if c.residual == "parallel" else 2)
    normed = 2 * c.d_model
    turned = queries + keys if c.qk_norm or c.position == "rotary" else 0
    hidden = (4 if c.activation == "swiglu" else 2) * c.d_ff
    kept = value * (normed + (queries + 2 * keys) + turned + queries + hidden)
    moments = _FP32 * (4 + c.n_head + (2 * (c.n_head + c.n_kv_head) if c.qk_norm else 0))
    return residual + kept + moments + _norm_copies(c, recipe, 2 * c.d_model, queries + keys if c.qk_norm else 0)


def _ends(c: GPTConfig, recipe: Recipe) -> float:
    """Bytes kept per token outside the blocks: the last norm, log-probabilities in float32, and token numbers."""
    value = recipe.value_bytes
    return (_FP32 + value) * c.d_model + _FP32 * c.vocab_size + 2 * _FP32 + 24 + _norm_copies(c, recipe, c.d_model, 0)


def _norm_copies(c: GPTConfig, recipe: Recipe, residual: int, heads: int) -> float:
    if c.norm != "rmsnorm" or recipe.fused_norm:
        return 0.0
    return float(_FP32 * residual + recipe.value_bytes * heads)


def _muon_workspace(c: GPTConfig, hidden: float) -> float:
    """Muon's step: Nesterov momenta, directions, and the iteration on the largest stack of equal shapes."""
    mlp = c.d_model * c.d_ff * (3 if c.activation == "swiglu" else 2) * c.n_layer
    stack = max(float(mlp), hidden - mlp)
    return _FP32 * (2 * hidden + 2 * stack)
