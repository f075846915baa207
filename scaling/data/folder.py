"""Where everything lies that can be made again."""

import os
from pathlib import Path

SETTLED_NS = 2_000_000_000  # a file that changed less than this ago can change again without a new time


def cache_folder() -> Path:
    """Return ``$SCALING_CACHE``, else ``scaling`` in the user's cache."""
    chosen = os.environ.get("SCALING_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaling"
