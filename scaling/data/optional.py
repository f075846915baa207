"""Packages that only some corpora need: named before they are imported, with the extra that brings them."""

import importlib.util

from scaling.errors import MachineError

_EXTRAS = {
    "datasets": "hf",
    "pyarrow": "parquet",
    "tiktoken": "tokenizers",
    "tokenizers": "tokenizers",
    "zstandard": "zst",
}


def need(package: str, what: str) -> None:
    """Raise ``MachineError`` unless ``package`` can be imported; ``what`` asked for it."""
    if importlib.util.find_spec(package) is None:
        raise MachineError(
            "data.missing_package",
            f"{what} needs the package {package}, which is not installed",
            hint=f"pip install 'scaling-bench[{_EXTRAS[package]}]'",
        )
