"""What every tokenizer can do. A tokenizer's name holds a hash of it, so that two of one name are the same."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.data.stream import Tokens

SEPARATOR_BYTES = 1  # the end of a document counts as one byte of text, whatever the tokenizer


class Tokenizer(Protocol):
    """Text to tokens and back.

    Attributes:
        name: kind and hash, as in a trial's identity: ``bytes``, ``bpe-1f2e3d4c5b6a7988``.
        vocab_size: tokens in the vocabulary.
    """

    @property
    def name(self) -> str:
        """Kind and hash."""

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary."""

    def encode(self, documents: Sequence[bytes]) -> list[Tokens]:
        """Return each document as tokens, its end included. Raises ``UsageError`` for text that it cannot hold."""

    def prompt(self, text: str) -> list[int]:
        """Return the start of a text as tokens, without an end. Raises ``UsageError`` likewise."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens; what is no text is shown as U+FFFD."""

    def token_bytes(self) -> NDArray[np.uint32] | None:
        """Return the bytes of text that each token of the vocabulary stands for; ``None`` where that is not fixed."""

    def byte_counts(self, documents: Sequence[bytes]) -> list[NDArray[np.uint32]]:
        """Return the bytes of text that each token of each document stands for; they add up to it and its end."""

    def dump(self) -> bytes | None:
        """Return the file that ``tokenizer.store`` reads again; ``None`` when the name says it all."""


def token_dtype(vocab_size: int) -> type[np.unsignedinteger]:
    """Return the narrowest type that holds the vocabulary."""
    return np.uint8 if vocab_size <= 2**8 else np.uint16 if vocab_size <= 2**16 else np.uint32
