"""Tokenizers of the ``tiktoken`` library, by name or from a file of ranks."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.data.optional import need
from scaling.data.stream import Tokens
from scaling.data.tokenizer.contract import SEPARATOR_BYTES, token_dtype
from scaling.data.tokenizer.hugging import as_text
from scaling.errors import MachineError, UsageError

if TYPE_CHECKING:
    from tiktoken import Encoding

_END = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class RankTokenizer:
    """A tokenizer of the ``tiktoken`` library.

    Attributes:
        encoding: the tokenizer itself.
        pattern: the regular expression that cuts text before merging.
        ranks: bytes of a token -> its number.
        special: text of a special token -> its number.
    """

    encoding: "Encoding"
    pattern: str
    ranks: dict[bytes, int]
    special: dict[str, int]

    @property
    def name(self) -> str:
        """``tiktoken-`` and the hash of its content."""
        return f"tiktoken-{hashlib.sha256(self.dump()).hexdigest()[:16]}"

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary, special ones included."""
        return int(self.encoding.n_vocab)

    def encode(self, documents: Sequence[bytes]) -> list[Tokens]:
        """Return each document as tokens, with the end at its end."""
        dtype, end = token_dtype(self.vocab_size), self.special[_END]
        found = self.encoding.encode_ordinary_batch([as_text(d) for d in documents])
        return [np.array([*tokens, end], dtype=dtype) for tokens in found]

    def byte_counts(self, documents: Sequence[bytes]) -> list[NDArray[np.uint32]]:
        """Return the length of each token."""
        lengths = self.token_bytes()
        return [lengths[tokens] for tokens in self.encode(documents)]

    def prompt(self, text: str) -> list[int]:
        """Return the start of a text as tokens."""
        return list(self.encoding.encode_ordinary(text))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        return str(self.encoding.decode(list(tokens), errors="replace"))

    def token_bytes(self) -> NDArray[np.uint32]:
        """Return the length of each token."""
        lengths = np.full(self.vocab_size, SEPARATOR_BYTES, dtype=np.uint32)
        for text, token in self.ranks.items():
            lengths[token] = len(text)
        return lengths

    def dump(self) -> bytes:
        """Return pattern, ranks and special tokens as JSON."""
        ranks = {base64.b64encode(text).decode(): token for text, token in sorted(self.ranks.items())}
        return json.dumps({"tiktoken": 1, "pattern": self.pattern, "special": self.special, "ranks": ranks}).encode()


def open_tiktoken(name: str) -> RankTokenizer:
    """Return an encoding by name (``gpt2``, ``cl100k_base``), or from a ``.tiktoken`` file, cut by GPT-2's pattern.

    Raises:
        UsageError: no such file or encoding, not a file of ranks.
        MachineError: the library is missing, or the encoding cannot be downloaded.
    """
    need("tiktoken", f"data.tokenizer: tiktoken:{name}")
    if name.endswith(".tiktoken"):
        from tiktoken_ext.openai_public import r50k_pat_str

        ranks = _read_ranks(Path(name).expanduser())
        return _assemble(r50k_pat_str, ranks, {_END: max(ranks.values()) + 1})
    import tiktoken

    if name not in tiktoken.list_encoding_names():
        raise UsageError(
            "data.unknown_encoding",
            f"tiktoken has no encoding called {name!r}",
            hint=f"it has {', '.join(sorted(tiktoken.list_encoding_names()))}; a file ends in .tiktoken",
        )
    try:
        found: Any = tiktoken.get_encoding(name)
    except Exception as error:  # whatever its client raises
        raise MachineError(
            "data.tokenizer_unreachable",
            f"cannot download the tiktoken encoding {name!r}: {type(error).__name__}",
            why="an encoding by name is downloaded once",
            hint=f"check the network, or give its file: --set data.tokenizer=tiktoken:{name}.tiktoken",
        ) from error
    return _assemble(found._pat_str, dict(found._mergeable_ranks), dict(found._special_tokens))


def read_tiktoken(content: dict[str, Any]) -> RankTokenizer:
    """Return the tokenizer that ``dump`` wrote."""
    ranks = {base64.b64decode(text): int(token) for text, token in content["ranks"].items()}
    return _assemble(str(content["pattern"]), ranks, dict(content["special"]))


def _assemble(pattern: str, ranks: dict[bytes, int], special: dict[str, int]) -> RankTokenizer:
    from tiktoken import Encoding

    encoding = Encoding("scaling", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special)
    return RankTokenizer(encoding, pattern, ranks, special)


def _read_ranks(path: Path) -> dict[bytes, int]:
    try:
        lines = [line.split() for line in path.read_bytes().splitlines() if line]
        ranks = {base64.b64decode(text, validate=True): int(rank) for text, rank in lines}
    except OSError as error:
        raise UsageError("data.unreadable", f"cannot read the tokenizer: {error.strerror}", where=str(path)) from error
    except (ValueError, binascii.Error) as error:
        raise _bad_ranks(path, "a line is not a token in base64 and its rank") from error
    if not all(bytes([b]) in ranks for b in range(256)):
        raise _bad_ranks(path, "it has no token for some byte")
    return ranks


def _bad_ranks(path: Path, why: str) -> UsageError:
    return UsageError("data.bad_tokenizer", f"not a file of tiktoken ranks: {why}", where=str(path))
