"""Arithmetic of the sparse mixture of experts: ``gpt`` with several MLPs to a block, a few of which work on each token.

Routing by the top k of a learned softmax over all experts, each weighted by its own (Fedus et al. 2021, 2101.03961,
equation 2; for several experts OLMoE, 2409.02060, section 2); no token is dropped. Two counts of parameters stand
apart: all there are, and those active on one token, which make the FLOPs.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from scaling.errors import UsageError
from scaling.families import gpt, gpt_memory
from scaling.families.contract import FlopsPerToken, Params
from scaling.families.keys import Keys, bad, whole
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe

BALANCE = 0.01  # weight of the balance loss (Fedus et al. 2021, 2101.03961, section 2.2)
_DEFAULT_EXPERTS, _DEFAULT_TOP_K = 8, 2  # as Mixtral


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MoEConfig(gpt.GPTConfig):
    """One size of the family: a shape of ``gpt``, and its experts.

    Attributes:
        n_expert: MLPs of a block.
        top_k: of them, how many work on each token.
    """

    n_expert: int
    top_k: int


FIELDS: Mapping[str, str] = MappingProxyType(
    {
        **gpt.FIELDS,
        "d_ff": "hidden width of one expert (or give ff_mult)",
        "n_expert": "experts of a block (8 by default)",
        "top_k": "experts that work on each token (2 by default)",
    }
)
KEYS: Keys = dataclasses.replace(gpt.KEYS, family="moe", fields=FIELDS, whole=(*gpt.KEYS.whole, "n_expert", "top_k"))


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> MoEConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    blocks = gpt.build_config(model, vocab_size, context, KEYS)
    n_expert, top_k = whole(model, "n_expert") or _DEFAULT_EXPERTS, whole(model, "top_k") or _DEFAULT_TOP_K
    if top_k > n_expert:
        raise _too_many(top_k, n_expert)
    shape = {field.name: getattr(blocks, field.name) for field in dataclasses.fields(blocks)}
    return MoEConfig(**shape, n_expert=n_expert, top_k=top_k)


def _too_many(top_k: int, n_expert: int) -> UsageError:
    return bad("top_k", f"{top_k} of {n_expert} experts cannot work on a token", f"use at most {n_expert}")


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> MoEConfig:
    """Return the config whose total parameter count, idle experts included, is nearest ``target`` in ratio."""
    return gpt.nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def params(c: MoEConfig) -> Params:
    """Return the counts: all experts in ``total``, ``top_k`` of them in ``active``."""
    groups = gpt.param_groups(c)
    router = c.n_layer * c.d_model * c.n_expert
    groups["mlp"] *= c.n_expert
    groups["router"] = router
    total = sum(groups.values())
    further = c.n_layer * (c.n_expert - 1)
    return Params(
        total=total,
        active=total - c.n_layer * (c.n_expert - c.top_k) * gpt.mlp_size(c),
        non_embedding=groups["attention"] + groups["mlp"] + groups["norm"] + router,
        matmul=gpt.params_matmul(c) + further * gpt.mlp_matmul(c) + router,
        groups=MappingProxyType(groups),
    )


def flops_per_token(c: MoEConfig) -> FlopsPerToken:
    """Return the training FLOPs of a token: the router, and the experts that it picks."""
    further = 2.0 * c.n_layer * ((c.top_k - 1) * gpt.mlp_matmul(c) + c.d_model * c.n_expert)
    half, full = (gpt.forward_flops_per_token(c, attention_share=share) + further for share in (0.5, 1.0))
    return FlopsPerToken.of_forward(half, full, params(c))


def memory_bytes(c: MoEConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``): weights of all experts, activations of a few."""
    experts = float(c.n_layer * c.n_expert * gpt.mlp_matmul(c))
    attention = float(c.n_layer * gpt.attention_matmul(c))
    token = c.n_layer * (gpt_memory.block_bytes(c, recipe) + _routed_bytes(c, recipe)) + gpt_memory.end_bytes(c, recipe)
    return components(
        recipe,
        total=float(params(c).total),
        hidden=experts + attention,
        largest_stack=max(experts, attention),
        activations=recipe.batch_tokens * token,
        at_loss=recipe.batch_tokens * 2.0 * FP32 * c.vocab_size,
    )


def _routed_bytes(c: MoEConfig, recipe: Recipe) -> float:
    """Bytes per token and block beside those of ``gpt``: further experts, and each one's input and output."""
    hidden = (4 if c.activation == "swiglu" else 2) * c.d_ff
    kept = (c.top_k - 1) * hidden + 2 * c.top_k * c.d_model
    return recipe.value_bytes * kept + FP32 * 3 * c.n_expert + 8.0 * 4 * c.top_k
