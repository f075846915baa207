"""Names and paths that stay inside a store: it may come from a stranger."""

import os
import re
from pathlib import Path

from scaling.errors import UsageError
from scaling.store.files import bad_record

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # of a trial's folder


def safe_name(name: str) -> str:
    """Return ``name`` if it can be one folder of a store. Raises ``UsageError``."""
    if not NAME.fullmatch(name):
        raise UsageError(
            "store.bad_name",
            f"{name!r} is not the name of a trial",
            why="a name with separators, leading dots or odd characters could lead out of the store",
            hint="list the trials with `scaling status DIR`",
        )
    return name


def inside(root: Path, path: Path) -> Path:
    """Return ``path`` if it lies in ``root`` once links are followed. Raises ``BadRecord``."""
    base, full = f"{root}/", str(path)
    if full.startswith(base) and not _has_link(base, full):  # following links costs: most paths have none
        return path
    if not path.resolve().is_relative_to(root.resolve()):
        raise bad_record(path, f"{path.name} is a link that leads out of the store")
    return path


def _has_link(base: str, full: str) -> bool:
    """Whether ``full`` has a link or a step upwards below ``base``."""
    here = base[:-1]
    for part in full[len(base) :].split("/"):
        here += "/" + part
        if part == ".." or os.path.islink(here):  # noqa: PTH114  # a path object costs more than the look
            return True
    return False
