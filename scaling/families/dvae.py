"""Arithmetic of the discrete VAE that turns patches of pictures into codes: stage one of ``dalle`` (2102.12092).

Ramesh et al. 2021, section 2.1. Theirs is convolutional; here each patch is coded by itself, so that a patch is a token
here as it is there, and a table of drawings is all there is to learn. The loss is in nats per picture: its pixels given
their codes, and the codes under an even prior.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.families.contract import FlopsPerToken, Params
from scaling.families.keys import Keys, nearest_size, needed
from scaling.families.memory import FP32, components
from scaling.families.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class DVAEConfig:
    """One size of the family; every field changes the number that a trial measures.

    Attributes:
        codes: entries of the codebook.
        vocab_size: words of captions, which are passed over.
        context: tokens of a pair: patches and words.
        patch_values: numbers in a patch.
        words: words in a caption.
    """

    codes: int
    vocab_size: int
    context: int
    patch_values: int
    words: int

    @property
    def patches(self) -> int:
        """Patches in a picture."""
        return self.context - self.words


FIELDS: Mapping[str, str] = MappingProxyType({"codes": "entries of the codebook: drawings of a patch"})
_EATS = "this family eats pairs, such as data.source: scenes"
KEYS = Keys(
    family="dvae",
    fields={
        **FIELDS,
        "patch_values": "numbers in a patch; the data says it",
        "words": "in a caption; the data says it",
    },
    whole=("codes", "patch_values", "words"),
)


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> DVAEConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    KEYS.check(model)
    return DVAEConfig(
        codes=needed(model, "codes", "give the number of codes, such as 64"),
        vocab_size=vocab_size,
        context=context,
        patch_values=needed(model, "patch_values", _EATS),
        words=needed(model, "words", _EATS),
    )


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> DVAEConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio."""
    tables = ({**model, "codes": codes} for codes in range(2, 65_536))
    return nearest_size(target, tables, lambda m: build_config(m, vocab_size, context), lambda c: params(c).total)


def param_groups(c: DVAEConfig) -> dict[str, int]:
    """Parameters by group; the values sum to the total count of the built module."""
    return {"codebook": c.codes * c.patch_values, "spread": 1}


def params(c: DVAEConfig) -> Params:
    """Return the counts; the codebook stands for the embedding, and takes part in a product as one."""
    groups = param_groups(c)
    total = sum(groups.values())
    return Params(
        total=total, active=total, non_embedding=1, matmul=groups["codebook"], groups=MappingProxyType(groups)
    )


def flops_per_token(c: DVAEConfig) -> FlopsPerToken:
    """Return the training FLOPs of a picture, shared out over the patches and words of its pair.

    Every patch meets every code. The backward pass is as long as the forward pass: pixels have no gradient.
    """
    forward = 2.0 * c.codes * c.patch_values * c.patches / c.context
    total = float(params(c).total)
    return FlopsPerToken(train=2 * forward, train_full_attention=2 * forward, rough_6n=6.0 * total, forward=forward)


def memory_bytes(c: DVAEConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``)."""
    patches = recipe.batch_tokens * c.patches / c.context
    kept = patches * FP32 * (2.25 * c.patch_values + 3.0 * c.codes)  # pixels in two types; nats under every code
    total = float(params(c).total)
    scores = patches * FP32 * 2.0 * c.codes
    return components(recipe, total=total, hidden=0.0, largest_stack=0.0, activations=kept, at_loss=scores)
