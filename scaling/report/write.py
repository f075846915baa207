"""Puts the page on disk: complete or not at all, with the drawing library beside it when asked."""

from pathlib import Path

from scaling.store.files import write_atomic

LIBRARY = "plotly.min.js"


def write_page(path: Path, page: str) -> Path:
    """Write the page, whole or not at all. Raises ``MachineError`` where the file cannot be written."""
    # Half surrogate pairs from a broken record cannot be written as UTF-8; they become question marks.
    write_atomic(path, page.encode("utf-8", "replace"))
    return path


def place_library(page: Path, library: str) -> str:
    """Make sure ``plotly.min.js`` lies beside the page; return its address relative to the page.

    A folder of reports shares one copy: where the parent folder holds one, that is used.
    """
    shared = page.resolve().parent.parent / LIBRARY
    target, address = (shared, f"../{LIBRARY}") if shared.is_file() else (page.parent / LIBRARY, LIBRARY)
    content = library.encode()
    if not target.is_file() or target.read_bytes() != content:
        write_atomic(target, content)
    return address
