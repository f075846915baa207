"""Arithmetic of the encoder-only transformer, trained on masked tokens (Devlin et al. 2019, 1810.04805).

Its blocks are those of ``gpt`` without the causal mask, and so are its keys. A fixed share of each window is masked,
15 % as there; every one of these places shows the mask (Wettig et al. 2023, 2202.08005, section 5: keeping or swapping
some of them gains nothing), so no prediction can see its own token. Only they are unembedded.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from scaling.families import gpt, gpt_memory
from scaling.families.contract import FlopsPerToken, Params
from scaling.families.recipe import Recipe

MASK_SHARE = 0.15
BertConfig = gpt.GPTConfig
FIELDS = gpt.FIELDS
KEYS = dataclasses.replace(gpt.KEYS, family="bert")


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> BertConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    return gpt.build_config(model, vocab_size, context, KEYS)


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> BertConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio."""
    return gpt.nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def masked(context: int) -> int:
    """Return how many tokens of a window are masked."""
    return max(1, round(MASK_SHARE * context))


def params(c: BertConfig) -> Params:
    """Return the counts: those of ``gpt`` and the embedding of the mask."""
    groups = gpt.param_groups(c)
    groups["embedding"] += c.d_model
    total = sum(groups.values())
    return Params(
        total=total,
        active=total,
        non_embedding=gpt.params_non_embedding(c),
        matmul=gpt.params_matmul(c),
        groups=MappingProxyType(groups),
    )


def flops_per_token(c: BertConfig) -> FlopsPerToken:
    """Return the training FLOPs of a token of text, masked or not; attention sees the whole window."""
    return _flops(c, masked(c.context))


def items_asked(context: int, length: int, runs: int) -> int:
    """Return how many items of ``length`` tokens fit a window."""
    return context // length


def flops_asked(c: BertConfig, items: int, answers: int, runs: int) -> FlopsPerToken:
    """Return the same where the answers of so many items are masked: no other places are unembedded."""
    return _flops(c, items * answers)


def _flops(c: BertConfig, places: int) -> FlopsPerToken:
    blocks = gpt.forward_flops_per_token(c, attention_share=1.0) - 2.0 * c.vocab_size * c.d_model
    forward = blocks + 2.0 * c.vocab_size * c.d_model * places / c.context
    return FlopsPerToken.of_forward(forward, forward, params(c))


def memory_bytes(c: BertConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component: those of ``gpt``, logits at the masked places alone."""
    return gpt_memory.memory_bytes(c, recipe, predicted=masked(c.context) / c.context)
