"""A corpus prepared once: deduplicated, split by hash, fingerprinted, cached as plain arrays.

The tokenizer is the byte. A corpus of 7-bit text has a vocabulary of 128, any other one of 256; nothing is
replaced, so bits per byte are exact.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scaling.data import documents
from scaling.errors import UsageError
from scaling.spec.schema import DataIdentity, DataSpec

Bytes = NDArray[np.uint8]

_SEPARATOR = b"\x00"  # between documents
_VALIDATION_SHARE = 0.1  # of documents, chosen by hash of their content
_MIN_WINDOWS = 16  # fewer validation or training windows than this is no corpus


@dataclass(frozen=True, slots=True)
class Corpus:
    """Training bytes, fixed validation windows, and what identifies both.

    Attributes:
        identity: goes into every trial id.
        location: how to prepare the same corpus again.
        train: training bytes, shape ``(n,)``.
        validation: windows of shape ``(windows, context + 1)``; the last ``context`` of each are predicted.
    """

    identity: DataIdentity
    location: Mapping[str, object]
    train: Bytes
    validation: Bytes


def prepare(spec: DataSpec) -> Corpus:
    """Read, deduplicate, split and fingerprint a corpus, and cache the result for the trials.

    Raises:
        UsageError: missing, unreadable or too small a corpus.
        MachineError: no standard library sources on this machine.
    """
    if spec.path is None:
        source = documents.stdlib_name()
        location: dict[str, object] = {"source": spec.source}
        texts: Iterable[bytes] = documents.stdlib_documents()
    else:
        patterns = [spec.path] if isinstance(spec.path, str) else list(spec.path)
        files = documents.resolve_paths(patterns)
        source, location = "path", {"path": [str(f) for f in files]}
        texts = documents.text_documents(files)
    train, held_out = _split(texts)
    corpus = _assemble(spec, source, location, train, held_out)
    _write_cache(corpus)
    return corpus


def load(identity: DataIdentity, location: Mapping[str, object]) -> Corpus:
    """Return the corpus of a trial, from the cache or prepared again, and check that it is the same.

    Raises:
        UsageError: the corpus at ``location`` has changed since the sweep was planned.
    """
    cached = _read_cache(identity, location)
    if cached is not None:
        return cached
    path = location.get("path")
    spec = DataSpec(
        path=[str(p) for p in path] if isinstance(path, list | tuple) else None,
        context=identity.context,
        validation_tokens=identity.validation_tokens,
    )
    corpus = prepare(spec)
    if corpus.identity != identity:
        raise UsageError(
            "data.changed",
            "the corpus is not the one that this sweep was planned with",
            where=str(path or corpus.identity.source),
            why="losses on different text cannot be compared",
            hint="restore the text, or run the sweep under a new name",
        )
    return corpus


def _split(texts: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Send each distinct document to training or validation by its own hash, so that no count can shift it."""
    seen: set[bytes] = set()
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for text in texts:
        digest = hashlib.sha256(text).digest()
        if digest not in seen:
            seen.add(digest)
            held_out = int.from_bytes(digest[:4], "big") < _VALIDATION_SHARE * 2**32
            parts[held_out].append(text)
    return _SEPARATOR.join(parts[0]), _SEPARATOR.join(parts[1])


def _assemble(spec: DataSpec, source: str, location: Mapping[str, object], train: bytes, held_out: bytes) -> Corpus:
    context = spec.context
    train_array = np.frombuffer(train, dtype=np.uint8)
    validation = _validation_windows(np.frombuffer(held_out, dtype=np.uint8), context, spec.validation_tokens)
    if len(validation) < _MIN_WINDOWS or (len(train_array) - 1) // context < _MIN_WINDOWS:
        raise UsageError(
            "data.too_small",
            f"the corpus has {len(train):,} training and {len(held_out):,} validation bytes: "
            f"fewer than {_MIN_WINDOWS} windows of {context}",
            where=str(location.get("path", source)),
            hint="give more text (a few MB make a usable law), or a shorter data.context",
        )
    vocab_size = 128 if max(int(train_array.max()), int(validation.max())) < 128 else 256
    identity = DataIdentity(
        source=source,
        fingerprint=hashlib.sha256(train).hexdigest(),
        validation_fingerprint=hashlib.sha256(validation.tobytes()).hexdigest(),
        tokenizer="ascii" if vocab_size == 128 else "bytes",
        vocab_size=vocab_size,
        train_tokens=len(train_array),
        validation_tokens=len(validation) * context,
        validation_bytes=len(validation) * context,
        context=context,
    )
    return Corpus(identity, location, train_array, validation)


def _validation_windows(held_out: Bytes, context: int, tokens: int) -> Bytes:
    """Cut disjoint windows, spread evenly over the held-out text: shape ``(windows, context + 1)``."""
    available = max((len(held_out) - 1) // context, 0)
    wanted = min(max(tokens // context, 1), available)
    if wanted == 0:
        return np.empty((0, context + 1), dtype=np.uint8)
    starts = np.unique(np.linspace(0, available - 1, wanted).astype(np.int64)) * context
    return np.stack([held_out[s : s + context + 1] for s in starts])


def _cache_path(identity: DataIdentity) -> Path:
    chosen = os.environ.get("SCALING_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaling"
    key = f"{identity.fingerprint[:16]}-{identity.validation_fingerprint[:16]}-{identity.context}"
    return base / "corpora" / f"{key}.bytes"


def _write_cache(corpus: Corpus) -> None:
    """Store validation windows, then training bytes, in one file; a cache that cannot be written is no loss."""
    path = _cache_path(corpus.identity)
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(corpus.validation.tobytes())
            file.write(corpus.train.tobytes())
        Path(file.name).replace(path)
    except OSError:
        return  # the trials prepare the corpus themselves, a second or two later


def _read_cache(identity: DataIdentity, location: Mapping[str, object]) -> Corpus | None:
    path = _cache_path(identity)
    windows = identity.validation_tokens // identity.context
    split = windows * (identity.context + 1)
    if not path.is_file() or path.stat().st_size != split + identity.train_tokens:
        return None
    content = np.fromfile(path, dtype=np.uint8)
    validation, train = content[:split], content[split:]
    digests = (hashlib.sha256(train.tobytes()).hexdigest(), hashlib.sha256(validation.tobytes()).hexdigest())
    if digests != (identity.fingerprint, identity.validation_fingerprint):
        return None
    return Corpus(identity, location, train, validation.reshape(windows, identity.context + 1))
