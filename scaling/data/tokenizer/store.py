"""Tokenizers kept beside what was trained with them: in the cache, and in each store that needs one."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from scaling.data.folder import cache_folder
from scaling.data.tokenizer.contract import Tokenizer
from scaling.data.tokenizer.melody import MelodyTokenizer
from scaling.data.tokenizer.plain import ByteTokenizer, SymbolTokenizer
from scaling.errors import MachineError
from scaling.spec.schema import DataIdentity
from scaling.store.files import write_atomic

_PLAIN: Mapping[str, Callable[[int], Tokenizer]] = {
    "ascii": ByteTokenizer,
    "bytes": ByteTokenizer,
    "symbols": SymbolTokenizer,
    "melody": MelodyTokenizer,
}


def keep(tokenizer: Tokenizer, folder: Path | None = None) -> None:
    """Write a tokenizer that has a file, into ``folder/tokenizers`` or the cache. Raises ``MachineError``."""
    content = tokenizer.dump()
    path = _path(tokenizer.name, folder)
    if content is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)


def is_kept(identity: DataIdentity) -> bool:
    """Return whether the cache has what ``find`` needs for a corpus."""
    return identity.tokenizer in _PLAIN or _path(identity.tokenizer, None).is_file()


def find(identity: DataIdentity, store: Path) -> Tokenizer:
    """Return the tokenizer of a trial: from its store, else from the cache.

    Raises:
        MachineError: neither has it.
    """
    plain = _PLAIN.get(identity.tokenizer)
    if plain is not None:
        return plain(identity.vocab_size)
    for folder in (store, None):
        path = _path(identity.tokenizer, folder)
        if path.is_file():
            return _read(identity.tokenizer, path)
    raise MachineError(
        "data.no_tokenizer",
        f"the tokenizer {identity.tokenizer} is neither in the store nor in the cache",
        where=str(_path(identity.tokenizer, store)),
        hint="copy it from where the sweep ran; `scaling run` writes it again where the corpus is at hand",
    )


def _read(name: str, path: Path) -> Tokenizer:
    content = path.read_text("utf-8")
    if name.startswith("tiktoken-"):
        from scaling.data.tokenizer.ranks import read_tiktoken

        return read_tiktoken(json.loads(content))
    from tokenizers import Tokenizer as Library

    from scaling.data.tokenizer.hugging import HuggingTokenizer

    return HuggingTokenizer.of(Library.from_str(content), name.partition("-")[0])


def _path(name: str, folder: Path | None) -> Path:
    return (cache_folder() if folder is None else folder) / "tokenizers" / f"{name}.json"
