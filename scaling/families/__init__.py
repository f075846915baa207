"""Model families as plain arithmetic: sizes, counts, FLOPs and memory, without torch.

A family is one file here (arithmetic) and one in ``scaling.models`` (the torch module), joined by an entry in
``FAMILIES``. Everything that must know a model without building it (the plan, the cost, the analysis) asks here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from scaling.errors import UsageError
from scaling.families import gpt, gpt_memory
from scaling.families.recipe import Recipe

__all__ = ["FAMILIES", "Config", "Family", "FlopsPerToken", "Params", "Recipe", "get_family"]

Config = Any  # a family's own frozen dataclass; only that family's files look inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """Parameter counts in the three conventions of the field, and by group.

    Attributes:
        total: every parameter, embeddings included (Hoffmann et al. 2022).
        non_embedding: without token and position embeddings and the unembedding (Kaplan et al. 2020).
        matmul: weights that take part in a matrix product: blocks and unembedding. This and ``non_embedding`` are
            ``None`` for a trainer of which only the total is known.
        groups: parameters by named group; sums to ``total``.
    """

    total: int
    non_embedding: int | None
    matmul: int | None
    groups: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsPerToken:
    """Training FLOPs (forward and backward) for one token at the trained context length.

    Attributes:
        train: matrix products and attention, causal attention counted as half.
        train_full_attention: the same with full attention, as profilers count it.
        rough_6n: six times the total parameters (the "6ND" rule).
        forward: the forward part of ``train``.
    """

    train: float
    train_full_attention: float
    rough_6n: float
    forward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the house must know of a family without torch.

    Attributes:
        name: the key in a sweep file.
        title: one line for people.
        module: dotted module of the torch half, loaded by name inside the trial only.
        fields: the keys a sweep file may set under ``model``, with a line on each.
        build_config: ``model`` keys, vocabulary and context -> config; raises ``UsageError`` on bad values.
        config_for_params: ``model`` keys, vocabulary, context and a target of total parameters -> config.
        params: config -> counts.
        flops_per_token: config -> FLOPs.
        memory_bytes: config, recipe -> predicted bytes by component; they add up to the peak.
    """

    name: str
    title: str
    module: str
    fields: Mapping[str, str]
    build_config: Callable[[Mapping[str, object], int, int], Config]
    config_for_params: Callable[[Mapping[str, object], int, int, float], Config]
    params: Callable[[Config], Params]
    flops_per_token: Callable[[Config], FlopsPerToken]
    memory_bytes: Callable[[Config, Recipe], dict[str, float]]


def _gpt_params(config: gpt.GPTConfig) -> Params:
    groups = gpt.param_groups(config)
    return Params(
        total=sum(groups.values()),
        non_embedding=gpt.params_non_embedding(config),
        matmul=gpt.params_matmul(config),
        groups=MappingProxyType(groups),
    )


def _gpt_flops(config: gpt.GPTConfig) -> FlopsPerToken:
    forward = gpt.forward_flops_per_token(config, attention_share=0.5)
    return FlopsPerToken(
        train=3 * forward,
        train_full_attention=3 * gpt.forward_flops_per_token(config, attention_share=1.0),
        rough_6n=6.0 * sum(gpt.param_groups(config).values()),
        forward=forward,
    )


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt": Family(
            name="gpt",
            title="decoder-only transformer, next-token prediction",
            module="scaling.models.gpt",
            fields=gpt.FIELDS,
            build_config=gpt.build_config,
            config_for_params=gpt.config_for_params,
            params=_gpt_params,
            flops_per_token=_gpt_flops,
            memory_bytes=gpt_memory.memory_bytes,
        ),
    }
)


def get_family(name: str) -> Family:
    """Return a family by name. Raises ``UsageError`` that lists the known ones."""
    if name not in FAMILIES:
        raise UsageError(
            "family.unknown",
            f"unknown model family {name!r}",
            hint=f"known families: {', '.join(FAMILIES)}",
        )
    return FAMILIES[name]
