"""Where documents come from: the interpreter's own sources, or the user's text files.

A document is the unit that goes whole to training or to validation.
"""

import glob
import platform
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from scaling.errors import MachineError, UsageError

_STDLIB_SKIP = frozenset(
    {"test", "tests", "idle_test", "encodings", "ensurepip", "site-packages", "dist-packages", "__pycache__"}
)
_BLOCK_BYTES = 4_096  # own text in few files is split into blocks of this size
_FILES_AS_DOCUMENTS = 50  # with this many files, each file is one document


def stdlib_name() -> str:
    """Name the standard library corpus with the interpreter's version, on which its content depends."""
    return f"python-stdlib-{platform.python_version()}"


def stdlib_documents() -> Iterator[bytes]:
    """Yield the sources of the Python standard library, 7-bit files only, tests and encodings left out.

    Raises:
        MachineError: the interpreter ships without its sources.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    found = False
    for path in sorted(root.rglob("*.py")):
        if _STDLIB_SKIP.isdisjoint(path.relative_to(root).parts):
            text = path.read_bytes()
            if text and text.isascii():
                found = True
                yield text
    if not found:
        raise MachineError(
            "data.no_stdlib",
            "this Python has no standard library sources to train on",
            where=str(root),
            hint="use your own text: --set data.path=my.txt",
        )


def resolve_paths(patterns: Sequence[str]) -> list[Path]:
    """Expand files, folders and globs to a sorted list of files.

    Raises:
        UsageError: a pattern matches no file.
    """
    files: set[Path] = set()
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = [p for p in path.rglob("*") if p.is_file()]
        elif path.is_file():
            matches = [path]
        else:
            matches = [Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file()]  # noqa: PTH207
        if not matches:
            raise UsageError(
                "data.missing",
                "no text found for data.path",
                where=pattern,
                why="a trial cannot start without its corpus",
                hint="give an existing file, a folder or a glob such as 'texts/**/*.txt'",
            )
        files.update(p.resolve() for p in matches)
    return sorted(files)


def text_documents(files: Sequence[Path]) -> Iterator[bytes]:
    """Yield documents of the user's files: whole files when there are many, else blocks of 4 KiB.

    Raises:
        UsageError: a file cannot be read.
    """
    whole = len(files) >= _FILES_AS_DOCUMENTS
    for path in files:
        try:
            text = path.read_bytes()
        except OSError as error:
            raise UsageError(
                "data.unreadable",
                f"cannot read the corpus: {error.strerror}",
                where=str(path),
                hint=f"check it with: ls -l {str(path)!r}",
            ) from error
        step = max(len(text), 1) if whole else _BLOCK_BYTES
        yield from (text[i : i + step] for i in range(0, len(text), step))
