"""Training memory of the decoder-only transformer by component, from what autograd keeps, tensor by tensor."""

from scaling.families.gpt import GPTConfig, matmul_per_block, mlp_matmul, param_groups, params_matmul
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe


def memory_bytes(c: GPTConfig, recipe: Recipe, predicted: float = 1.0) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``); ``predicted``: share of tokens with logits."""
    hidden = float(c.n_layer * matmul_per_block(c))
    mlp = float(c.n_layer * mlp_matmul(c))
    activations = recipe.batch_tokens * (c.n_layer * block_bytes(c, recipe) + end_bytes(c, recipe, predicted))
    if recipe.precision == "bfloat16":
        activations += 2.0 * params_matmul(c)  # autocast keeps a copy of each weight until the backward pass is over
    return components(
        recipe,
        total=float(sum(param_groups(c).values())),
        hidden=hidden,
        largest_stack=max(mlp, hidden - mlp),
        activations=activations,
        at_loss=recipe.batch_tokens * predicted * 2.0 * FP32 * c.vocab_size,
    )


def block_bytes(c: GPTConfig, recipe: Recipe) -> float:
    """Bytes that one block keeps per token."""
    value = recipe.value_bytes
    queries, keys = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    residual = FP32 * c.d_model * (1 if c.residual == "parallel" else 2)
    normed = 2 * c.d_model
    turned = queries + keys if c.qk_norm or c.position == "rotary" else 0
    hidden = (4 if c.activation == "swiglu" else 2) * c.d_ff
    kept = value * (normed + (queries + 2 * keys) + turned + queries + hidden)
    moments = FP32 * (4 + c.n_head + (2 * (c.n_head + c.n_kv_head) if c.qk_norm else 0))
    return residual + kept + moments + _norm_copies(c, recipe, 2 * c.d_model, queries + keys if c.qk_norm else 0)


def end_bytes(c: GPTConfig, recipe: Recipe, predicted: float = 1.0) -> float:
    """Bytes kept per token outside the blocks: the last norm, log-probabilities in float32, and token numbers."""
    value = recipe.value_bytes
    return (
        (FP32 + value) * c.d_model
        + predicted * FP32 * c.vocab_size
        + 2 * FP32
        + 24
        + _norm_copies(c, recipe, c.d_model, 0)
    )


def _norm_copies(c: GPTConfig, recipe: Recipe, residual: int, heads: int) -> float:
    if c.norm != "rmsnorm" or recipe.fused_norm:
        return 0.0
    return float(FP32 * residual + recipe.value_bytes * heads)
