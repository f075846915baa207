"""One way out: results on stdout, progress and hints on stderr, ``--json`` as one document."""

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def print_json(document: dict[str, object]) -> None:
    """Write one JSON document to stdout; refuses NaN, so that any reader can parse it."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Write one line of progress or a hint to stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def stdout() -> "Console":
    """Return the console for results (obeys NO_COLOR and COLUMNS)."""
    from rich.console import Console

    return Console(highlight=False)


def stderr() -> "Console":
    """Return the console for progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_text(text: str) -> None:
    """Print text on stdout as it is, for copying: no colour, no wrapping."""
    sys.stdout.write(text.rstrip() + "\n")
