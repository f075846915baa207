"""Corpora kept as plain arrays, and what is known of inputs that have not changed since they were read."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scaling.data.folder import SETTLED_NS, cache_folder
from scaling.data.source import Inputs
from scaling.data.stream import Tokens
from scaling.data.tokenizer import token_dtype
from scaling.spec.schema import DataIdentity

_FORMAT = 1  # of what is remembered; raised when the same inputs would give other tokens
_HASHED_BYTES = 64 << 20  # a larger corpus is hashed when written, and then known by its size and time
_BLOCK_BYTES = 1 << 20


def digest(tokens: Tokens) -> str:
    """Return the sha256 of tokens, a megabyte at a time."""
    found = hashlib.sha256()
    flat = tokens.reshape(-1)
    step = _BLOCK_BYTES // flat.itemsize
    for start in range(0, len(flat), step):
        found.update(flat[start : start + step].tobytes())
    return found.hexdigest()


def write(identity: DataIdentity, train: Tokens, validation: Tokens) -> bool:
    """Keep training tokens, then validation windows, in one file; return whether they are kept now."""
    path = _path(identity)
    if path.exists() and path.stat().st_size == _size(identity):
        return True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            train.tofile(file)
            validation.tofile(file)
        Path(file.name).replace(path)
        _mark_hashed(path)
    except OSError:
        return False  # the trials prepare the corpus themselves, a second or two later
    return True


def read(identity: DataIdentity, *, verify: bool) -> tuple[Tokens, Tokens] | None:
    """Return training tokens and validation windows, mapped; ``None`` where they are not kept, or damaged."""
    path = _path(identity)
    if not path.is_file() or path.stat().st_size != _size(identity):
        return None
    dtype = token_dtype(identity.vocab_size)
    content: Tokens = np.asarray(np.memmap(path, dtype=dtype, mode="r"))
    train, rest = np.split(content, [_train_values(identity)])
    if identity.row_values is not None:
        train = train.reshape(-1, identity.row_values)
    validation = np.array(rest).reshape(-1, identity.row_values or identity.context + 1)
    if verify and not _known(path):
        if (digest(train), digest(validation)) != (identity.fingerprint, identity.validation_fingerprint):
            path.unlink(missing_ok=True)
            return None
        _mark_hashed(path)
    return train, validation


def remember(key: str, inputs: Inputs, identity: DataIdentity) -> None:
    """Note which corpus these inputs gave, unless one of them is so new that it could change unseen."""
    newest = max((changed for _, _, changed in inputs), default=0)
    if time.time_ns() - newest < SETTLED_NS:
        return
    path = _note_path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(identity.model_dump_json())
        Path(file.name).replace(path)
    except OSError:
        return  # read again next time


def recall(key: str) -> DataIdentity | None:
    """Return the corpus that the same inputs gave before."""
    try:
        return DataIdentity.model_validate_json(_note_path(key).read_text())
    except (OSError, ValueError):
        return None


def key_of(location: Mapping[str, object], context: int, validation_tokens: int, inputs: Inputs) -> str:
    """Return what a corpus depends on, as one hash."""
    content = [_FORMAT, dict(location), context, validation_tokens, [list(row) for row in inputs]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _size(identity: DataIdentity) -> int:
    windows = identity.validation_tokens // identity.context
    values = _train_values(identity) + windows * (identity.row_values or identity.context + 1)
    return values * np.dtype(token_dtype(identity.vocab_size)).itemsize


def _train_values(identity: DataIdentity) -> int:
    """Return how many numbers the training rows hold."""
    if identity.row_values is None:
        return identity.train_tokens
    return identity.train_tokens // identity.context * identity.row_values


def _path(identity: DataIdentity) -> Path:
    key = f"{identity.fingerprint[:16]}-{identity.validation_fingerprint[:16]}-{identity.context}"
    return cache_folder() / "corpora" / f"{key}.tokens"


def _note_path(key: str) -> Path:
    return cache_folder() / "read" / f"{key[:32]}.json"


def _state(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _known(path: Path) -> bool:
    mark = path.with_suffix(".hashed")
    return path.stat().st_size > _HASHED_BYTES and mark.is_file() and mark.read_text() == _state(path)


def _mark_hashed(path: Path) -> None:
    if path.stat().st_size > _HASHED_BYTES:
        temporary = path.with_suffix(f".hashed-{os.getpid()}")
        temporary.write_text(_state(path))
        temporary.replace(path.with_suffix(".hashed"))
