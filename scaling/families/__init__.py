"""Model families as plain arithmetic: sizes, counts, FLOPs and memory, without torch.

A family is one file here (arithmetic) and one in ``scaling.models`` (the torch module), joined by an entry in
``FAMILIES``. Everything that must know a model without building it (the plan, the cost, the analysis) asks here, and
nothing outside these three places asks for a family by its name.
"""

from collections.abc import Mapping
from types import MappingProxyType

from scaling.errors import UsageError
from scaling.families import gpt, gpt_memory
from scaling.families.contract import NATS_PER_TOKEN, Config, Family, FlopsPerToken, Params
from scaling.families.recipe import Recipe

__all__ = ["FAMILIES", "NATS_PER_TOKEN", "Config", "Family", "FlopsPerToken", "Params", "Recipe", "get_family"]

_NEXT_TOKEN = "next token"
_BY_POSITION = {"loss_by_position": "loss at places 1, 2, 3 to 4, 5 to 8, … of a window: what context is worth"}

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt": Family(
            name="gpt",
            title="decoder-only transformer, next-token prediction",
            module="scaling.models.gpt",
            fields=gpt.FIELDS,
            build_config=gpt.build_config,
            config_for_params=gpt.config_for_params,
            params=gpt.params,
            flops_per_token=gpt.flops_per_token,
            memory_bytes=gpt_memory.memory_bytes,
            objective=_NEXT_TOKEN,
            predicts_next=True,
            stacks=True,
            metrics=_BY_POSITION,
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
