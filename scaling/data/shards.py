"""Files of tokens, as nanoGPT and llm.c write them: mapped, never loaded whole.

nanoGPT's ``.bin`` holds uint16 tokens and nothing else (uint32 here where the vocabulary needs it); llm.c's begins with
256 int32 numbers: magic, version, number of tokens.
"""

import hashlib
import os
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scaling.data.folder import SETTLED_NS, cache_folder
from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.split import VALIDATION_SHARE
from scaling.data.stream import TokenRuns, Tokens
from scaling.data.tokenizer import SymbolTokenizer, Tokenizer, fixed_tokenizer, token_dtype
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec

_BLOCK_TOKENS = 4_096  # goes whole to training or to validation
_HEADER_BYTES = 1_024
# magic, version -> type and vocabulary; as uint16, both magics begin with a number above GPT-2's vocabulary
_HEADERS: Mapping[tuple[int, int], tuple[type[np.unsignedinteger], int]] = {
    (20240520, 1): (np.uint16, 50_257),  # GPT-2
    (20240801, 7): (np.uint32, 128_256),  # Llama 3
}
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Shard:
    """One file, mapped.

    Attributes:
        path: the file.
        tokens: its tokens, shape ``(n,)``.
        vocab_size: as its header tells; ``None`` without one.
    """

    path: Path
    tokens: Tokens
    vocab_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSource:
    """A ``TokenSource`` over token files: blocks are held out by their own hash, or validation has its own files."""

    name: str
    location: Mapping[str, object]
    shards: Sequence[_Shard]
    held_out: Sequence[_Shard] | None
    tokenizer: Tokenizer

    @classmethod
    def open(
        cls, spec: DataSpec, files: Sequence[Path], validation: Sequence[Path], location: Mapping[str, object]
    ) -> "ShardSource":
        """Map the files. Raises ``UsageError`` for a file that cannot be one, or a vocabulary that is not told."""
        tokenizer = None if spec.tokenizer == "bytes" else fixed_tokenizer(spec.tokenizer)
        if spec.tokenizer == "bpe":
            raise UsageError(
                "data.tokens_given",
                "token files are tokenized already: data.tokenizer: bpe cannot train on them",
                where=str(files[0]),
                hint="name the tokenizer they were made with, or give data.vocab_size",
            )
        told = spec.vocab_size if tokenizer is None else tokenizer.vocab_size
        shards = [_open(path, told) for path in files]
        held_out = [_open(path, told) for path in validation]
        vocab_size = told or next((s.vocab_size for s in shards if s.vocab_size), None)
        if vocab_size is None:
            raise UsageError(
                "data.vocab_unknown",
                "a file of bare tokens does not tell its vocabulary",
                where=str(files[0]),
                hint="say it: data.vocab_size: 50257 (GPT-2), or data.tokenizer: tiktoken:gpt2 to read samples as text",
            )
        return cls(
            name="path",
            location=location,
            shards=shards,
            held_out=held_out or None,
            tokenizer=tokenizer or SymbolTokenizer(vocab_size),
        )

    def inputs(self) -> Inputs:
        """Return the files."""
        states = [(str(shard.path), shard.path.stat()) for shard in [*self.shards, *(self.held_out or ())]]
        return [(path, state.st_size, state.st_mtime_ns) for path, state in states]

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Divide the blocks; hashes those of files that are new or have changed."""
        hashes = [self._hashes(shard, progress) for shard in self.shards]
        aside = [np.zeros(len(h), dtype=bool) if self.held_out else _held_out(h) for h in hashes]
        train = self._runs([~held for held in aside], hashes)
        held = self._runs(aside, hashes) if self.held_out is None else _whole(self.held_out)
        windows = held.windows(context)
        if windows < MIN_WINDOWS or train.windows(context) < MIN_WINDOWS:
            raise too_small(len(train), len(held), context, str(self.shards[0].path))
        wanted = min(max(validation_tokens // context, 1), windows)
        validation = held.take(np.unique(np.linspace(0, windows - 1, wanted).astype(np.int64)), context)
        self._check(int(validation.max()), "the validation tokens")
        lengths = self.tokenizer.token_bytes()
        return Split(
            train=train,
            validation=validation.astype(token_dtype(self.tokenizer.vocab_size)),
            validation_bytes=None if lengths is None else int(lengths[validation[:, 1:]].sum()),
            tokenizer=self.tokenizer,
        )

    def _runs(self, wanted: Sequence[NDArray[np.bool_]], hashes: Sequence[NDArray[np.uint8]]) -> TokenRuns:
        """Join neighbouring wanted blocks of each file into runs."""
        which, starts, lengths = [], [], []
        fingerprint = hashlib.sha256()
        for number, (shard, blocks) in enumerate(zip(self.shards, wanted, strict=True)):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], blocks, [False]]).astype(np.int8)))
            first, last = edges[::2] * _BLOCK_TOKENS, np.minimum(edges[1::2] * _BLOCK_TOKENS, len(shard.tokens))
            which.append(np.full(len(first), number))
            starts.append(first)
            lengths.append(last - first)
            fingerprint.update(hashes[number][blocks].tobytes())
        arrays = [shard.tokens for shard in self.shards]
        joined = [np.concatenate(part).astype(np.int64) for part in (which, starts, lengths)]
        return TokenRuns(arrays, joined[0], joined[1], joined[2], fingerprint.hexdigest())

    def _hashes(self, shard: _Shard, progress: Progress) -> NDArray[np.uint8]:
        """Return the hash of every block, shape ``(blocks, 16)``, and check that the vocabulary holds the tokens."""
        path = cache_folder() / "shards" / f"{hashlib.sha256(str(shard.path).encode()).hexdigest()[:32]}.npz"
        state = shard.path.stat()
        key = np.array([state.st_size, state.st_mtime_ns, shard.tokens.itemsize])
        known = _kept(path, key)
        if known is None:
            known = _hash_blocks(shard.tokens, progress)
            _keep(path, key, *known)
        hashes, largest = known
        self._check(largest, str(shard.path))
        return hashes

    def _check(self, largest: int, where: str) -> None:
        if largest >= self.tokenizer.vocab_size:
            raise UsageError(
                "data.token_too_large",
                f"token {largest:,} is outside the vocabulary of {self.tokenizer.vocab_size:,}",
                where=where,
                hint="give the tokenizer of these files, or a larger data.vocab_size; is it a file of tokens at all?",
            )


def _open(path: Path, vocab_size: int | None) -> _Shard:
    try:
        with path.open("rb") as file:
            head = np.frombuffer(file.read(_HEADER_BYTES), dtype="<u1")
    except OSError as error:
        raise UsageError("data.unreadable", f"cannot read the tokens: {error.strerror}", where=str(path)) from error
    numbers = head.view("<i4") if len(head) == _HEADER_BYTES else np.zeros(3, dtype=np.int32)
    header = _HEADERS.get((int(numbers[0]), int(numbers[1])))
    if header is None:
        dtype = np.uint32 if vocab_size is not None and vocab_size > 2**16 else np.uint16
        offset, count = 0, path.stat().st_size // np.dtype(dtype).itemsize
    else:
        dtype, _ = header
        offset, count = _HEADER_BYTES, int(numbers[2])
    if count == 0 or path.stat().st_size != offset + count * np.dtype(dtype).itemsize:
        raise UsageError(
            "data.not_tokens",
            f"not a whole file of tokens: {path.stat().st_size:,} bytes",
            where=str(path),
            why="its size does not fit its header, or a whole number of tokens",
            hint="was it copied to its end? Compressed token files must be unpacked first",
        )
    tokens: Tokens = np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=(count,)))
    return _Shard(path, tokens, None if header is None else header[1])


def _held_out(hashes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which blocks are held out, as ``split.is_held_out`` does."""
    return np.ascontiguousarray(hashes[:, :4]).view(">u4").reshape(-1) < VALIDATION_SHARE * 2**32


def _whole(shards: Sequence[_Shard]) -> TokenRuns:
    lengths = np.array([len(shard.tokens) for shard in shards], dtype=np.int64)
    numbers = np.arange(len(shards))
    return TokenRuns([shard.tokens for shard in shards], numbers, np.zeros_like(lengths), lengths, "")


def _hash_blocks(tokens: Tokens, progress: Progress) -> tuple[NDArray[np.uint8], int]:
    digests, largest = [], 0
    for start in range(0, len(tokens), _BLOCK_TOKENS):
        block = tokens[start : start + _BLOCK_TOKENS]
        digests.append(hashlib.sha256(block.tobytes()).digest()[:_DIGEST_BYTES])
        largest = max(largest, int(block.max()))
        progress(block.nbytes)
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, _DIGEST_BYTES), largest


def _kept(path: Path, key: NDArray[np.int64]) -> tuple[NDArray[np.uint8], int] | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            same = np.array_equal(kept["key"], key)
            return (kept["hashes"], int(kept["largest"])) if same else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _keep(path: Path, key: NDArray[np.int64], hashes: NDArray[np.uint8], largest: int) -> None:
    if time.time_ns() - int(key[1]) < SETTLED_NS:
        return
    temporary = path.with_suffix(f".{os.getpid()}.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(temporary, key=key, hashes=hashes, largest=np.array(largest))
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # hashed again next time
