"""Arithmetic of the decoder that writes a picture after its caption, code by code (2102.12092).

Ramesh et al. 2021, section 2.2. Stage two: a token is a word or the code of a patch, as one frozen ``dvae`` gave it for
all sizes; both kinds share a vocabulary, in which a start comes last. The blocks are those of ``gpt``, and so are the
keys. The FLOPs are those of stage two: stage one is a trial with a record of its own.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from scaling.families import gpt, gpt_memory
from scaling.families.contract import FlopsPerToken, Params
from scaling.families.keys import needed
from scaling.families.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class DALLEConfig(gpt.GPTConfig):
    """One size of the family; every field changes the number that a trial measures.

    Attributes:
        vocab_size: words of captions.
        patch_values: numbers in a patch.
        words: words in a caption.
        codes: entries of the codebook.
    """

    patch_values: int
    words: int
    codes: int

    @property
    def trunk(self) -> gpt.GPTConfig:
        """The decoder, over words, codes and the start."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(gpt.GPTConfig)}
        return gpt.GPTConfig(**{**own, "vocab_size": self.vocab_size + self.codes + 1})


FIELDS = gpt.FIELDS
_FROM_ELSEWHERE = {
    "patch_values": "numbers in a patch; the data says it",
    "words": "words in a caption; the data says it",
    "codes": "entries of the codebook; stage one says it",
}
KEYS = dataclasses.replace(
    gpt.KEYS, family="dalle", fields={**FIELDS, **_FROM_ELSEWHERE}, whole=(*gpt.KEYS.whole, *_FROM_ELSEWHERE)
)


def build_config(model: Mapping[str, object], vocab_size: int, context: int) -> DALLEConfig:
    """Resolve the ``model`` keys of a sweep file into one config. Raises ``UsageError`` naming the key."""
    KEYS.check(model)
    trunk = gpt.build_config(model, vocab_size, context, KEYS)
    why = "family dalle eats pairs, such as data.source: scenes, and stands on a dvae (section before)"
    more = {key: needed(model, key, why) for key in _FROM_ELSEWHERE}
    return DALLEConfig(**{f.name: getattr(trunk, f.name) for f in dataclasses.fields(trunk)} | more)


def config_for_params(model: Mapping[str, object], vocab_size: int, context: int, target: float) -> DALLEConfig:
    """Return the config whose total parameter count is nearest ``target`` in ratio; width and depth as in ``gpt``."""
    return gpt.nearest_shape(model, target, lambda keys: build_config(keys, vocab_size, context), params)


def params(c: DALLEConfig) -> Params:
    """Return the counts of stage two: those of ``gpt`` over words, codes and the start."""
    return gpt.params(c.trunk)


def flops_per_token(c: DALLEConfig) -> FlopsPerToken:
    """Return the training FLOPs of a word or a code."""
    return gpt.flops_per_token(c.trunk)


def memory_bytes(c: DALLEConfig, recipe: Recipe) -> dict[str, float]:
    """Return predicted bytes by component (see ``families.memory``)."""
    return gpt_memory.memory_bytes(c.trunk, recipe)
