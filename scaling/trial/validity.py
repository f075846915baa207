"""Short texts that a model writes, checked at every horizon by the rules of their source: molecules, melodies."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from scaling.data.source import Checked
from scaling.data.tokenizer import Tokenizer
from scaling.training.sampling import generate

_WRITTEN = 256  # texts at every horizon: a share of one half has a standard error of 3 %
_OF_EACH = 4  # where texts begin in several ways, that many of each instead
_SEED = 0  # of the first text; the same seeds for every size and horizon


@dataclass(frozen=True, slots=True)
class Validity:
    """What is written from its beginnings at temperature 1: how much of it holds.

    Attributes:
        checker: of the corpus.
        tokenizer: of the corpus.
        context: tokens that the model sees at most.
    """

    checker: Checked
    tokenizer: Tokenizer
    context: int

    def judge(self, model: nn.Module) -> Mapping[str, float]:
        """Return the share of valid texts, and the share of different ones among those; no share of none."""
        written = self.write(model)
        valid = [text for text in written if text is not None and self.checker.fault(text) is None]
        found = {"validity": len(valid) / len(written)}
        return found | ({"uniqueness": len(set(valid)) / len(valid)} if valid else {})

    def write(self, model: nn.Module) -> list[str | None]:
        """Return texts; ``None`` for one that does not end within the longest of the corpus, which is not valid."""
        separator = self.tokenizer.encode([b""])[0].tolist()  # empty where all texts are of one length
        starts = self.tokenizer.encode([start.encode() for start in self.checker.starts])
        prompts = [start.tolist() for start in starts] * (_OF_EACH if len(starts) > 1 else _WRITTEN)
        further = self.checker.longest + (1 if separator else -len(prompts[0]))
        written = generate(model, prompts, further, 1.0, range(_SEED, _SEED + len(prompts)), self.context)
        if not separator:
            return [self.tokenizer.decode([*begun, *tokens]) for begun, tokens in zip(prompts, written, strict=True)]
        (stop,) = separator
        ended = [tokens[: tokens.index(stop)] if stop in tokens else None for tokens in written]
        return [None if tokens is None else self.tokenizer.decode(tokens) for tokens in ended]
