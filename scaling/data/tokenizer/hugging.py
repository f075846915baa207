"""Tokenizers of the ``tokenizers`` library: byte-level BPE trained on a corpus, and those by name or file."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.data.optional import need
from scaling.data.stream import Tokens
from scaling.data.tokenizer.contract import SEPARATOR_BYTES, token_dtype
from scaling.errors import MachineError, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Library

_END = "<|endoftext|>"
_ENDS = (_END, "<|end_of_text|>", "</s>", "<eos>", "<|end▁of▁sentence|>", "[SEP]")  # of known models
_TRAINED_ON_BYTES = 32 << 20  # the first text of the training split; more hardly changes the merges
_CHARACTER_BYTES = (0x80, 0x800, 0x10000)  # where UTF-8 grows by a byte


@dataclass(frozen=True, slots=True)
class HuggingTokenizer:
    """A tokenizer of the ``tokenizers`` library.

    Attributes:
        library: the tokenizer itself.
        name: kind and hash.
        end: the token that ends a document.
    """

    library: "Library"
    name: str
    end: int

    @classmethod
    def of(cls, library: "Library", kind: str) -> "HuggingTokenizer":
        """Name a tokenizer by the hash of its file. Raises ``UsageError`` when it has no token for an end."""
        library.no_padding()
        library.no_truncation()
        end = next((token for text in _ENDS if (token := library.token_to_id(text)) is not None), None)
        if end is None:
            raise UsageError(
                "data.tokenizer_no_end",
                "the tokenizer has no token that ends a document",
                why=f"documents are joined by one of {', '.join(_ENDS)}",
                hint="use another tokenizer, such as data.tokenizer: bpe",
            )
        digest = hashlib.sha256(library.to_str().encode()).hexdigest()
        return cls(library, f"{kind}-{digest[:16]}", end)

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary, special ones included."""
        return max(self.library.get_vocab(with_added_tokens=True).values()) + 1

    def encode(self, documents: Sequence[bytes]) -> list[Tokens]:
        """Return each document as tokens, with the end at its end."""
        dtype = token_dtype(self.vocab_size)
        found = self.library.encode_batch_fast([as_text(d) for d in documents], add_special_tokens=False)
        return [np.array([*one.ids, self.end], dtype=dtype) for one in found]

    def byte_counts(self, documents: Sequence[bytes]) -> list[NDArray[np.uint32]]:
        """Return the bytes of each token by where it ends in the text, whatever the tokenizer does to it."""
        texts = [as_text(document) for document in documents]
        found = self.library.encode_batch(texts, add_special_tokens=False)
        return [_shares(text, [end for _, end in one.offsets]) for text, one in zip(texts, found, strict=True)]

    def prompt(self, text: str) -> list[int]:
        """Return the start of a text as tokens."""
        return list(self.library.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones as they are written."""
        return str(self.library.decode(list(tokens), skip_special_tokens=False))

    def token_bytes(self) -> NDArray[np.uint32] | None:
        """Return the length of each token of a byte-level vocabulary, in which a character stands for one byte."""
        content = json.loads(self.library.to_str())
        exact = content["normalizer"] is None and '"add_prefix_space": true' not in json.dumps(content)
        if not exact or (content["decoder"] or {}).get("type") != "ByteLevel":
            return None
        lengths = np.full(self.vocab_size, SEPARATOR_BYTES, dtype=np.uint32)
        for text, token in self.library.get_vocab(with_added_tokens=False).items():
            lengths[token] = len(text)
        lengths[self.end] = SEPARATOR_BYTES
        return lengths

    def dump(self) -> bytes:
        """Return the library's own ``tokenizer.json``."""
        return str(self.library.to_str()).encode()


def train_bpe(documents: Iterator[bytes], vocab_size: int) -> HuggingTokenizer:
    """Train byte-level BPE (Sennrich et al. 2016; on bytes, Radford et al. 2019) on the first 32 MiB of documents."""
    need("tokenizers", "data.tokenizer: bpe")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[_END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    library.train_from_iterator(_first_texts(documents), trainer)
    return HuggingTokenizer.of(library, "bpe")


def _first_texts(documents: Iterator[bytes]) -> Iterator[str]:
    left = _TRAINED_ON_BYTES
    for document in documents:
        yield as_text(document)
        left -= len(document)
        if left <= 0:
            return


def open_hugging(name: str) -> HuggingTokenizer:
    """Return the tokenizer of a ``.json`` file, or of a model of the Hugging Face hub by name.

    Raises:
        UsageError: no such file, not a tokenizer.
        MachineError: the library is missing, or the hub cannot be reached.
    """
    need("tokenizers", f"data.tokenizer: hf:{name}")
    from tokenizers import Tokenizer

    is_file = name.endswith(".json")
    try:
        path = Path(name).expanduser()
        library = Tokenizer.from_str(path.read_text("utf-8")) if is_file else Tokenizer.from_pretrained(name)
    except Exception as error:  # the library raises bare Exception, and whatever its client does
        if is_file:
            raise UsageError(
                "data.bad_tokenizer", f"not a tokenizer file: {_first_line(error)}", where=name,
                hint="give the tokenizer.json of a model",
            ) from error  # fmt: skip
        raise MachineError(
            "data.tokenizer_unreachable",
            f"cannot get the tokenizer {name!r} from the Hugging Face hub: {_first_line(error)}",
            why="a tokenizer by name is downloaded once",
            hint="check the name and the network, or give the file: --set data.tokenizer=hf:tokenizer.json",
        ) from error
    return HuggingTokenizer.of(library, "hf")


def as_text(document: bytes) -> str:
    """Return a document as text. Raises ``UsageError`` when it is not UTF-8."""
    try:
        return document.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            "data.not_utf8",
            f"a document of the corpus is not UTF-8 text: byte {error.start} of {document[:40]!r}…",
            why="only the byte tokenizer takes any data",
            hint="convert it to UTF-8, or use --set data.tokenizer=bytes",
        ) from error


def _shares(text: str, ends: Sequence[int]) -> NDArray[np.uint32]:
    """Share the bytes of a text among its tokens by where each ends, and add one for the end of the document.

    A character that several tokens share counts for the first of them; what the tokenizer drops at the end counts
    for the end.
    """
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    widths = 1 + np.searchsorted(_CHARACTER_BYTES, codes, side="right")
    offsets = np.concatenate([[0], np.cumsum(widths)])
    reached = np.maximum.accumulate(np.concatenate([[0], offsets[np.asarray(ends, dtype=np.int64)], offsets[-1:]]))
    shares = np.diff(reached)
    shares[-1] += SEPARATOR_BYTES
    return shares.astype(np.uint32)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
