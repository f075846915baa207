"""Corpora that need no file of the user's: the sources of this Python, and those of everything installed in it."""

import os
import platform
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaling.errors import MachineError

_SKIP = frozenset(
    {"test", "tests", "idle_test", "encodings", "ensurepip", "site-packages", "dist-packages", "__pycache__"}
)


def stdlib_name() -> str:
    """Name the standard library corpus with the interpreter's version, on which its content depends."""
    return f"python-stdlib-{platform.python_version()}"


def stdlib_documents() -> Iterator[bytes]:
    """Yield the sources of the Python standard library, 7-bit files only, tests and encodings left out.

    Raises:
        MachineError: the interpreter ships without its sources.
    """
    return SourceReader(stdlib_files())()


def stdlib_files() -> list[Path]:
    """Return the files of the standard library, tests and encodings left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    return [path for path in sorted(root.rglob("*.py")) if _SKIP.isdisjoint(path.relative_to(root).parts)]


def installed_files() -> list[Path]:
    """Return every source file of this Python and of the packages installed in it, in an order free of its place."""
    paths = sysconfig.get_paths()
    roots = {Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    outer = [root for root in roots if not any(root != other and root.is_relative_to(other) for other in roots)]
    found = [
        (os.path.relpath(os.path.join(folder, name), root), os.path.join(folder, name))  # noqa: PTH118  # 40,000 of them
        for root in outer
        for folder, _, names in os.walk(root)
        for name in names
        if name.endswith(".py")
    ]
    return [Path(path) for _, path in sorted(found)]


@dataclass(frozen=True, slots=True)
class SourceReader:
    """Reads source files as documents; those with other than 7-bit text are left out, so that 128 tokens do."""

    files: list[Path]

    def __call__(self) -> Iterator[bytes]:
        """Yield each file. Raises ``MachineError`` when there is none."""
        found = False
        for path in self.files:
            text = path.read_bytes()
            if text and text.isascii():
                found = True
                yield text
        if not found:
            raise MachineError(
                "data.no_stdlib",
                "this Python has no standard library sources to train on",
                where=sysconfig.get_paths()["stdlib"],
                hint="use your own text: --set data.path=my.txt",
            )
