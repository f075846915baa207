"""The corpus that a sweep's ``data`` names, opened but not read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scaling.data.documents import SourceReader, installed_files, stdlib_files, stdlib_name
from scaling.data.readers import FileReader, format_of, resolve_paths
from scaling.data.source import Inputs, TokenSource
from scaling.data.split import Documents, DocumentSource
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec

_VALIDATION_KEY = "data.validation_path"
_TEXTS = ("path", "huggingface", "python-stdlib", "python-installed")
_USED_BY: Mapping[str, tuple[str, ...]] = {
    "format": ("path",),
    "field": ("path", "huggingface"),
    "validation_path": _TEXTS,
    "dataset": ("huggingface",),
    "subset": ("huggingface",),
    "split": ("huggingface",),
    "revision": ("huggingface",),
    "max_bytes": _TEXTS,
    "tokenizer": _TEXTS,
    "vocab_size": _TEXTS,
}


def open_source(spec: DataSpec) -> TokenSource:
    """Return the source of a corpus.

    Raises:
        UsageError: no such file, or keys that do not go together.
        MachineError: a package is missing.
    """
    _refuse_unused(spec)
    return _files(spec) if spec.path is not None else SOURCES[spec.source](spec)


def _refuse_unused(spec: DataSpec) -> None:
    """Refuse keys that this corpus would ignore: they were meant for another one."""
    given = {key for key in type(spec).model_fields if getattr(spec, key) != type(spec).model_fields[key].default}
    kind = "path" if spec.path is not None else spec.source
    unused = sorted(given & _USED_BY.keys() - {key for key, kinds in _USED_BY.items() if kind in kinds})
    if unused:
        means = f"data.path is given, so data.{unused[0]}" if kind == "path" else f"data.{unused[0]}"
        raise UsageError(
            "data.unused_key",
            f"{means} has no meaning with " + ("it" if kind == "path" else f"data.source: {kind}"),
            why="a setting that nothing reads was meant for another corpus",
            hint=f"drop it; it goes with {' or '.join(_USED_BY[unused[0]])}",
        )


def _stdlib(spec: DataSpec) -> TokenSource:
    return _documents(spec, stdlib_name(), stdlib_files())


def _installed(spec: DataSpec) -> TokenSource:
    return _documents(spec, "python-installed", installed_files())


def _documents(spec: DataSpec, name: str, files: list[Path]) -> TokenSource:
    validation = _validation(spec)
    return DocumentSource(
        name=name,
        location=located(spec),
        documents=_Limited(SourceReader(files), spec.max_bytes),
        held_out=validation,
        tokenizer=spec.tokenizer,
        vocab_size=spec.vocab_size,
        reads=partial(_states, spec, [*files, *(validation.files if validation else ())]),
    )


def _files(spec: DataSpec) -> TokenSource:
    files = resolve_paths(as_list(spec.path))
    kinds = {format_of(path) if spec.format == "auto" else spec.format for path in files}
    if kinds == {"tokens"}:
        from scaling.data.shards import ShardSource

        own = [] if spec.validation_path is None else resolve_paths(as_list(spec.validation_path), _VALIDATION_KEY)
        return ShardSource.open(spec, files, own, located(spec, files))
    if "tokens" in kinds:
        raise UsageError(
            "data.mixed_formats",
            "token files (.bin) and text cannot be one corpus",
            where=str(spec.path),
            hint="give one kind in data.path, or say data.format",
        )
    validation = _validation(spec)
    return DocumentSource(
        name="path",
        location=located(spec, files),
        documents=_Limited(_reader(spec, files), spec.max_bytes),
        held_out=validation,
        tokenizer=spec.tokenizer,
        vocab_size=spec.vocab_size,
        reads=partial(_states, spec, [*files, *(validation.files if validation else ())]),
    )


def _hub(spec: DataSpec) -> TokenSource:
    from scaling.data.hub import open_dataset

    found = open_dataset(spec)
    validation = _validation(spec)
    return DocumentSource(
        name=f"huggingface:{spec.dataset}" if found.folder is None else "huggingface",  # an id holds no path
        location=located(spec),
        documents=_Limited(found.documents, spec.max_bytes),
        held_out=validation,
        tokenizer=spec.tokenizer,
        vocab_size=spec.vocab_size,
        reads=lambda: [*found.inputs(), *_states(spec, list(validation.files) if validation else [])],
    )


def _markov(spec: DataSpec) -> TokenSource:
    from scaling.data.markov import MarkovSource

    return MarkovSource(spec.markov, located(spec))


def _grammar(spec: DataSpec) -> TokenSource:
    from scaling.data.grammar import GrammarSource

    return GrammarSource(spec.grammar, located(spec))


def _melodies(spec: DataSpec) -> TokenSource:
    from scaling.data.melodies import MelodiesSource

    return MelodiesSource(spec.melodies, located(spec))


def _smiles(spec: DataSpec) -> TokenSource:
    from scaling.data.smiles import SmilesSource

    return SmilesSource(spec.smiles, located(spec))


def _shapes(spec: DataSpec) -> TokenSource:
    from scaling.data.shapes import ShapesSource

    return ShapesSource(spec.shapes, located(spec))


def _moving(spec: DataSpec) -> TokenSource:
    from scaling.data.moving import MovingSource

    return MovingSource(spec.moving, located(spec))


def _points(spec: DataSpec) -> TokenSource:
    from scaling.data.points import PointsSource

    return PointsSource(spec.points, located(spec))


def _scenes(spec: DataSpec) -> TokenSource:
    from scaling.data.scenes import ScenesSource

    return ScenesSource(spec.scenes, located(spec))


SOURCES: Mapping[str, Callable[[DataSpec], TokenSource]] = {
    "python-stdlib": _stdlib,
    "python-installed": _installed,
    "markov": _markov,
    "grammar": _grammar,
    "huggingface": _hub,
    "melodies": _melodies,
    "smiles": _smiles,
    "shapes": _shapes,
    "scenes": _scenes,
    "moving": _moving,
    "points": _points,
}
CHECKED = frozenset({"melodies", "smiles"})  # texts that hold or not by rules: asked at every horizon, not by opening


def as_list(path: str | list[str] | None) -> list[str]:
    """Return paths as a list."""
    return [path] if isinstance(path, str) else list(path or ())


def located(spec: DataSpec, files: list[Path] | None = None) -> dict[str, object]:
    """Return the keys that open a corpus again, files by their full path."""
    keys: dict[str, object] = spec.model_dump(mode="json", exclude_defaults=True)
    for key in ("context", "validation_tokens"):
        keys.pop(key, None)
    if files is None:
        keys = {"source": spec.source, **keys}
    else:
        keys["path"] = [str(path) for path in files]
    if spec.validation_path is not None:
        keys["validation_path"] = [str(p) for p in resolve_paths(as_list(spec.validation_path))]
    kind, _, name = spec.tokenizer.partition(":")
    if name.endswith((".json", ".tiktoken")):
        keys["tokenizer"] = f"{kind}:{Path(name).expanduser().resolve()}"
    return keys


def _validation(spec: DataSpec) -> FileReader | None:
    if spec.validation_path is None:
        return None
    return _reader(spec, resolve_paths(as_list(spec.validation_path), _VALIDATION_KEY))


def _reader(spec: DataSpec, files: list[Path]) -> FileReader:
    return FileReader(files, spec.format, spec.field, whole_characters=spec.tokenizer != "bytes")


def _states(spec: DataSpec, files: list[Path]) -> Inputs:
    name = spec.tokenizer.partition(":")[2]
    tokenizer = [Path(name).expanduser()] if name.endswith((".json", ".tiktoken")) else []
    found = [(str(path), path.stat()) for path in [*files, *tokenizer] if path.exists()]
    return [(path, state.st_size, state.st_mtime_ns) for path, state in found]


@dataclass(frozen=True, slots=True)
class _Limited:
    """The first documents of a corpus, up to so many bytes."""

    documents: Documents
    max_bytes: int | None

    def __call__(self) -> Iterator[bytes]:
        left = self.max_bytes
        for document in self.documents():
            yield document
            if left is not None:
                left -= len(document)
                if left <= 0:
                    return
