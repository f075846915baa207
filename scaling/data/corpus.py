"""A corpus prepared once: divided, tokenized, fingerprinted, and kept for the trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from scaling.data import cache
from scaling.data.source import Checked, Inputs, Progress, Readable, Reader, TokenSource
from scaling.data.sources import CHECKED, open_source
from scaling.data.stream import TokenRuns, Tokens
from scaling.data.tokenizer import is_kept, keep
from scaling.errors import UsageError
from scaling.spec.schema import DataIdentity, DataSpec

_TOLD = ("kind", "shape", "entropy_unit", "entropy_se_nats", "best_accuracy")  # by the source, taken as they are


@dataclass(frozen=True, slots=True)
class Corpus:
    """Training tokens, fixed validation windows, and what identifies both.

    Attributes:
        identity: goes into every trial id.
        location: how to prepare the same corpus again.
        train: training tokens, shape ``(n,)``, or runs of them, or rows ``(n, values)``; mapped, not loaded.
        validation: windows of shape ``(windows, context + 1)``; the last ``context`` of each are predicted. Or rows.
    """

    identity: DataIdentity
    location: Mapping[str, object]
    train: Tokens | TokenRuns
    validation: Tokens


class Waiter(Protocol):
    """Whoever waits for a corpus, and may want to show how long it takes."""

    def begin(self, total_bytes: int | None) -> Progress:
        """Return what is to be told of bytes read; ``None`` where their number is not known beforehand."""


def prepare(spec: DataSpec, waiter: Waiter | None = None) -> Corpus:
    """Read, divide, tokenize and fingerprint a corpus, and keep the result; inputs that did not change are not read.

    Raises:
        UsageError: missing, unreadable or too small a corpus.
        MachineError: this machine lacks what the corpus needs.
    """
    source = open_source(spec)
    inputs = source.inputs()
    key = None if inputs is None else cache.key_of(source.location, spec.context, spec.validation_tokens, inputs)
    known = None if key is None else cache.recall(key)
    kept = None if known is None or not is_kept(known) else cache.read(known, verify=False)
    if known is not None and kept is not None:
        return Corpus(known, source.location, *kept)
    corpus = _read(source, spec, _unheard if waiter is None else waiter.begin(_total(inputs)))
    if isinstance(corpus.train, TokenRuns):
        return corpus  # its files are its cache
    if cache.write(corpus.identity, corpus.train, corpus.validation) and key is not None and inputs is not None:
        cache.remember(key, inputs, corpus.identity)
    return corpus


def load(identity: DataIdentity, location: Mapping[str, object]) -> Corpus:
    """Return the corpus of a trial, from the cache or prepared again, and check that it is the same.

    Raises:
        UsageError: the corpus at ``location`` has changed since the sweep was planned.
    """
    kept = cache.read(identity, verify=True) if is_kept(identity) else None
    if kept is not None:
        return Corpus(identity, location, *kept)
    corpus = prepare(_spec(identity, location))
    if corpus.identity.hashed() != identity.hashed():
        raise UsageError(
            "data.changed",
            "the corpus is not the one that this sweep was planned with",
            where=str(location.get("path") or corpus.identity.source),
            why="losses on different text cannot be compared",
            hint="restore the text, or run the sweep under a new name",
        )
    return corpus


def reader_of(identity: DataIdentity, location: Mapping[str, object]) -> Reader | None:
    """Return who judges rows of a corpus, ``None`` where nobody can."""
    source = open_source(_spec(identity, location))
    return source.reader(identity.context) if isinstance(source, Readable) else None


def checker_of(identity: DataIdentity, location: Mapping[str, object]) -> Checked | None:
    """Return who checks single texts of a corpus, ``None`` where there are no rules for them."""
    source = open_source(_spec(identity, location)) if location.get("source") in CHECKED else None
    return source if isinstance(source, Checked) else None


def _spec(identity: DataIdentity, location: Mapping[str, object]) -> DataSpec:
    known = {key: list(value) if isinstance(value, tuple) else value for key, value in location.items()}
    keys = {**known, "context": identity.context, "validation_tokens": identity.validation_tokens}
    return DataSpec.model_validate(keys)


def _unheard(more: int) -> None:
    """Nobody waits."""


def _total(inputs: Inputs | None) -> int | None:
    packed = (".gz", ".zst", ".parquet")
    if not inputs or any(path.endswith(packed) or size == 0 for path, size, _ in inputs):
        return None
    return sum(size for _, size, _ in inputs)


def _read(source: TokenSource, spec: DataSpec, progress: Progress) -> Corpus:
    split = source.split(spec.context, spec.validation_tokens, progress)
    keep(split.tokenizer)
    train = split.train
    rows = None if split.kind == "tokens" else split.validation.shape[1]
    identity = DataIdentity(
        source=source.name,
        fingerprint=train.fingerprint if isinstance(train, TokenRuns) else cache.digest(train),
        validation_fingerprint=cache.digest(split.validation),
        tokenizer=split.tokenizer.name,
        vocab_size=split.tokenizer.vocab_size,
        train_tokens=len(train) if rows is None else len(train) * spec.context,
        validation_tokens=len(split.validation) * spec.context,
        validation_bytes=split.validation_bytes,
        context=spec.context,
        entropy_nats=split.entropy_nats,
        validation_entropy_nats=split.validation_entropy_nats,
        row_values=rows,
        **{name: getattr(split, name) for name in _TOLD},
    )
    return Corpus(identity, source.location, train, split.validation)
