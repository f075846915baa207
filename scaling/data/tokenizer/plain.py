"""Tokenizers without a file: the byte, and the numbered symbols of made-up languages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.data.stream import Tokens
from scaling.data.tokenizer.contract import SEPARATOR_BYTES
from scaling.errors import UsageError

_SEPARATOR = b"\x00"  # between documents


@dataclass(frozen=True, slots=True)
class ByteTokenizer:
    """A token is one byte: exact for any data. A 7-bit corpus needs half the vocabulary."""

    vocab_size: int = 256

    @property
    def name(self) -> str:
        """``ascii`` or ``bytes``."""
        return "ascii" if self.vocab_size == 128 else "bytes"

    def encode(self, documents: Sequence[bytes]) -> list[Tokens]:
        """Return the bytes of each document, with a zero byte at its end."""
        return [np.frombuffer(document + _SEPARATOR, dtype=np.uint8) for document in documents]

    def byte_counts(self, documents: Sequence[bytes]) -> list[NDArray[np.uint32]]:
        """One byte each."""
        return [np.full(len(document) + 1, SEPARATOR_BYTES, dtype=np.uint32) for document in documents]

    def prompt(self, text: str) -> list[int]:
        """Return the bytes of a text."""
        encoded = text.encode()
        if encoded and max(encoded) >= self.vocab_size:
            raise UsageError(
                "sample.unknown_bytes",
                f"this model was trained on 7-bit text ({self.vocab_size} tokens); the prompt has other bytes",
                hint="use plain ASCII in the prompt",
            )
        return list(encoded)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return bytes as text."""
        return bytes(tokens).decode("utf-8", errors="replace")

    def token_bytes(self) -> NDArray[np.uint32]:
        """One byte each."""
        return np.full(self.vocab_size, SEPARATOR_BYTES, dtype=np.uint32)

    def dump(self) -> None:
        """The name says it all."""
        return


@dataclass(frozen=True, slots=True)
class SymbolTokenizer:
    """Tokens that stand for no text: written as numbers, ``3 17 4``."""

    vocab_size: int
    name: str = "symbols"

    def encode(self, documents: Sequence[bytes]) -> list[Tokens]:
        """Refuse: such tokens come from no text."""
        raise UsageError("data.no_text", f"a vocabulary of {self.vocab_size} numbered tokens encodes no text")

    def byte_counts(self, documents: Sequence[bytes]) -> list[NDArray[np.uint32]]:
        """Refuse likewise."""
        raise UsageError("data.no_text", f"a vocabulary of {self.vocab_size} numbered tokens encodes no text")

    def prompt(self, text: str) -> list[int]:
        """Read numbers."""
        numbers = [int(word) for word in text.split() if word.isdecimal()]
        if len(numbers) != len(text.split()) or any(n >= self.vocab_size for n in numbers):
            raise UsageError(
                "sample.not_symbols",
                f"this model's tokens are the numbers 0 to {self.vocab_size - 1}; the prompt has something else",
                where=text[:60],
                hint='write numbers: --prompt "3 17 4"',
            )
        return numbers

    def decode(self, tokens: Sequence[int]) -> str:
        """Write numbers."""
        return "".join(f" {token}" for token in tokens)

    def token_bytes(self) -> None:
        """They stand for no bytes."""
        return

    def dump(self) -> None:
        """The vocabulary's size, which the identity holds, says it all."""
        return
