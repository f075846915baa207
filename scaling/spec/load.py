"""A sweep file, or the name of a shipped one, to a checked spec that knows where each value came from."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

import scaling
from scaling.errors import SpecError, UsageError
from scaling.spec.document import Document, KeyPath, Problem, dotted, parse_document, raise_problems
from scaling.spec.explain import free_key_problems, problems_of
from scaling.spec.override import apply_overrides
from scaling.spec.schema import SweepSpec, TrialBlock

MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LoadedSweep:
    """A checked sweep.

    Attributes:
        spec: what was asked.
        origins: dotted key -> where its value came from: ``FILE:LINE``, ``--set`` or ``default``.
        source: the file it was read from.
        document: the file itself, to place later problems.
    """

    spec: SweepSpec
    origins: Mapping[str, str]
    source: str
    document: Document = field(repr=False)

    def raise_problems(self, problems: list[Problem]) -> None:
        """Raise one ``SpecError`` with every problem at its place in the file; return when there is none."""
        raise_problems(self.document, problems)


def load_sweep(path_or_name: str | Path, sets: Sequence[str] = ()) -> LoadedSweep:
    """Read and check a sweep.

    Args:
        path_or_name: a file, or the bare name of a shipped sweep (``quickstart``); an existing file wins.
        sets: overrides such as ``train.lr.hidden=3e-4``, stronger than the file.

    Raises:
        UsageError: no such file or name, a folder, no permission, not text, too large, a malformed override.
        SpecError: everything that is wrong in it, each with file, line and column.
    """
    path = find_sweep(path_or_name)
    document = open_document(path)
    problems = apply_overrides(document, sets)
    _anchor_data_paths(document, path.parent)
    if "command" not in document.data:  # its axes name the placeholders of the command
        problems += free_key_problems(document.data)
    spec = _validate(document, problems)
    return LoadedSweep(spec, dict(_origins(document, spec)), document.source, document)


def open_document(path: Path) -> Document:
    """Read a file as plain data that knows its places. Raises ``UsageError`` or ``SpecError``."""
    return parse_document(_source(path), _read(path))


def shipped_sweeps() -> dict[str, Path]:
    """Return the sweeps that come with the tool, by name: from the wheel, else from the checkout."""
    package = Path(scaling.__file__).parent
    folder = next((f for f in (package / "_sweeps", package.parent / "sweeps") if f.is_dir()), None)
    return {} if folder is None else _named(folder)


def _named(folder: Path) -> dict[str, Path]:
    """Name the sweeps of a folder by their path in it; those in folders of their own last."""
    files = sorted(folder.rglob("*.yaml"), key=lambda file: (len(file.parts), file))
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def find_sweep(path_or_name: str | Path) -> Path:
    """Return the file of a sweep given by path or shipped name.

    Raises:
        UsageError: there is neither; lists the shipped names.
    """
    path = Path(path_or_name).expanduser()
    shipped = shipped_sweeps()
    if path.is_file():
        return path
    if str(path_or_name) in shipped:
        return shipped[str(path_or_name)]
    if path.is_dir():
        raise UsageError(
            "spec.is_folder", "a sweep is a file, this is a folder", where=str(path), hint=_suggest(path, shipped)
        )
    if path.exists():
        raise UsageError("spec.not_a_file", "a sweep is a regular file, this is not", where=str(path))
    raise UsageError(
        "spec.not_found", f"no sweep file or shipped sweep called {str(path_or_name)!r}", hint=_suggest(path, shipped)
    )


def _suggest(path: Path, shipped: Mapping[str, Path]) -> str:
    folder = path if path.is_dir() else path.parent
    beside = [str(file) for file in sorted(folder.glob("*.y*ml"))[:50]] if folder.is_dir() else []
    near = difflib.get_close_matches(str(path), [*shipped, *beside], n=1)
    start = f"did you mean {near[0]!r}? " if near else ""
    known = f"shipped sweeps: {', '.join(shipped)}; or " if shipped else ""
    return f"{start}{known}write your own: scaling init my-sweep.yaml"


def _source(path: Path) -> str:
    """Name a sweep file as people do: a shipped one by its place in the project, wherever it is installed."""
    named = {file: name for name, file in shipped_sweeps().items()}
    return f"sweeps/{named[path]}.yaml" if path in named else str(path)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "spec.unreadable",
            f"cannot read the sweep file: {error.strerror}",
            where=str(path),
            hint=f"check it with: ls -l {str(path)!r}",
        ) from error
    if len(content) > MAX_FILE_BYTES:
        raise UsageError(
            "spec.too_large",
            f"a sweep file has at most {MAX_FILE_BYTES:,} bytes",
            where=str(path),
            why="it lists a question, not data",
            hint="is this the corpus? give it with --set data.path=FILE",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError(
            "spec.not_utf8",
            f"a sweep file is UTF-8 text; byte {error.start} is not",
            where=f"{path}:{line}",
            hint="save it as UTF-8",
        ) from error


def _anchor_data_paths(document: Document, folder: Path) -> None:
    """Make the paths of the file relative to the file; those given by ``--set`` stay relative to the caller."""
    data = document.data.get("data")
    if not isinstance(data, dict):
        return
    for key, anchored in _PATH_KEYS.items():
        given = data.get(key)
        if document.override_of(("data", key)) is not None:
            continue
        if isinstance(given, str):
            data[key] = anchored(folder, given)
        elif isinstance(given, list):
            data[key] = [anchored(folder, item) if isinstance(item, str) else item for item in given]


def _anchored(folder: Path, given: str) -> str:
    return given if not given or given.startswith("~") else os.path.normpath(folder / given)


def _anchored_tokenizer(folder: Path, given: str) -> str:
    """Anchor the file in ``hf:FILE.json`` or ``tiktoken:FILE.tiktoken``; anything else is a name."""
    kind, colon, name = given.partition(":")
    return f"{kind}:{_anchored(folder, name)}" if colon and name.endswith((".json", ".tiktoken")) else given


def _anchored_dataset(folder: Path, given: str) -> str:
    """Anchor a dataset's folder, which begins with a dot or a slash; anything else is a name."""
    return _anchored(folder, given) if given.startswith((".", "/")) else given


_PATH_KEYS: Mapping[str, Callable[[Path, str], str]] = {
    "path": _anchored,
    "validation_path": _anchored,
    "tokenizer": _anchored_tokenizer,
    "dataset": _anchored_dataset,
}


def _validate(document: Document, problems: list[Problem]) -> SweepSpec:
    """Build the spec, or raise with the given problems and pydantic's together."""
    try:
        spec = SweepSpec.model_validate(document.data)
    except ValidationError as error:
        known = {problem.path for problem in problems}
        problems += [problem for problem in problems_of(error, document.data) if problem.path not in known]
    raise_problems(document, problems)
    return spec


def _origins(document: Document, spec: SweepSpec) -> Iterator[tuple[str, str]]:
    return ((dotted(path), document.origin(path)) for path in _leaves(spec, ()))


def _leaves(value: object, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the path of every value of a resolved spec; lists of plain values count as one."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            inner = getattr(value, name)
            if not (isinstance(value, TrialBlock) and inner is None):
                yield from _leaves(inner, (*path, info.alias or name))
    elif isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path
