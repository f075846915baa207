"""Documents to tokens: repeated ones dropped, each sent to training or validation by its own hash."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer import ByteTokenizer, Tokenizer, fixed_tokenizer, token_dtype
from scaling.data.tokenizer.choose import DEFAULT_BPE_VOCAB

VALIDATION_SHARE = 0.1  # of documents, chosen by hash of their content
_ENCODED_TOGETHER_BYTES = 1 << 20  # threads of a tokenizer are fed, memory stays small

Documents = Callable[[], Iterator[bytes]]
"""Gives the documents of a corpus, the same ones at every call."""


def is_held_out(digest: bytes) -> bool:
    """Return whether the hash of a document sends it to validation: never the number or order of documents."""
    return int.from_bytes(digest[:4], "big") < VALIDATION_SHARE * 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSource:
    """A ``TokenSource`` over documents.

    Attributes:
        name: in a trial's identity.
        location: keys of ``DataSpec`` that open it again.
        documents: training documents, or all of them.
        held_out: validation documents; ``None`` holds out a tenth of all.
        tokenizer: as ``DataSpec`` names it.
        vocab_size: of ``bpe``.
        reads: what is read.
    """

    name: str
    location: Mapping[str, object]
    documents: Documents
    held_out: Documents | None
    tokenizer: str
    vocab_size: int | None
    reads: Callable[[], Inputs | None]

    def inputs(self) -> Inputs | None:
        """Return what it reads."""
        return self.reads()

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Read, drop repeats, divide and tokenize, in memory that does not grow with the corpus."""
        tokenizer = fixed_tokenizer(self.tokenizer) or self._train_bpe()
        with tempfile.TemporaryFile() as a, tempfile.TemporaryFile() as b, tempfile.TemporaryFile() as c:
            counted = c if tokenizer.token_bytes() is None else None
            piles = (_Pile(tokenizer, a, None), _Pile(tokenizer, b, counted))
            for held_out, document in self._sides():
                piles[held_out].add(document)
                progress(len(document))
            (train, _), (held, widths) = piles[0].close(), piles[1].close()
        starts = window_starts(len(held), context, validation_tokens)
        if len(starts) < MIN_WINDOWS or (len(train) - 1) // context < MIN_WINDOWS:
            raise too_small(len(train), len(held), context, str(self.location.get("path", self.name)))
        validation = windows_at(held, starts, context)
        if tokenizer.name == "bytes" and max(int(train.max()), int(validation.max())) < 128:
            tokenizer = ByteTokenizer(128)
        if widths is None:
            widths_of = tokenizer.token_bytes()
            assert widths_of is not None  # otherwise they were counted
            validation_bytes = int(widths_of[validation[:, 1:]].sum())
        else:
            validation_bytes = int(windows_at(widths, starts, context)[:, 1:].sum())
        return Split(train=train, validation=validation, validation_bytes=validation_bytes, tokenizer=tokenizer)

    def _train_bpe(self) -> Tokenizer:
        from scaling.data.tokenizer.hugging import train_bpe

        training = (document for held_out, document in self._sides() if not held_out)
        return train_bpe(training, self.vocab_size or DEFAULT_BPE_VOCAB)

    def _sides(self) -> Iterator[tuple[bool, bytes]]:
        """Yield each distinct document, and whether it is held out."""
        seen: set[bytes] = set()
        for _, document in _distinct(self.held_out() if self.held_out else iter(()), seen):
            yield True, document
        for digest, document in _distinct(self.documents(), seen):
            yield self.held_out is None and is_held_out(digest), document


def _distinct(documents: Iterator[bytes], seen: set[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for document in documents:
        digest = hashlib.sha256(document).digest()
        if digest not in seen:
            seen.add(digest)
            yield digest, document


class _Pile:
    """Tokens of documents one after the other, on disk."""

    def __init__(self, tokenizer: Tokenizer, tokens: BinaryIO, widths: BinaryIO | None) -> None:
        self._tokenizer, self._tokens, self._widths = tokenizer, tokens, widths
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def add(self, document: bytes) -> None:
        """Take one document."""
        self._waiting.append(document)
        self._waiting_bytes += len(document)
        if self._waiting_bytes >= _ENCODED_TOGETHER_BYTES:
            self._encode()

    def close(self) -> tuple[Tokens, NDArray[np.uint32] | None]:
        """Return all tokens, and the bytes each stands for where asked; the end of the last document is dropped."""
        self._encode()
        tokens = _mapped(self._tokens, token_dtype(self._tokenizer.vocab_size))[:-1]
        return tokens, None if self._widths is None else _mapped(self._widths, np.uint32)[:-1]

    def _encode(self) -> None:
        for tokens in self._tokenizer.encode(self._waiting):
            self._tokens.write(tokens.tobytes())
        if self._widths is not None:
            for widths in self._tokenizer.byte_counts(self._waiting):
                self._widths.write(widths.tobytes())
        self._waiting, self._waiting_bytes = [], 0


def _mapped(file: BinaryIO, dtype: type[np.unsignedinteger]) -> Tokens:
    """Map a file; the mapping outlives it."""
    file.flush()
    if file.tell() == 0:
        return np.empty(0, dtype=dtype)
    return np.asarray(np.memmap(file, dtype=dtype, mode="r"))


def window_starts(tokens: int, context: int, wanted_tokens: int) -> NDArray[np.int64]:
    """Return where disjoint windows begin, spread evenly over ``tokens`` held-out tokens."""
    available = max((tokens - 1) // context, 0)
    wanted = min(max(wanted_tokens // context, 1), available)
    return np.unique(np.linspace(0, available - 1, wanted).astype(np.int64)) * context


def windows_at(tokens: Tokens, starts: NDArray[np.int64], context: int) -> Tokens:
    """Cut windows: shape ``(len(starts), context + 1)``."""
    return np.asarray(tokens[starts[:, None] + np.arange(context + 1)])
