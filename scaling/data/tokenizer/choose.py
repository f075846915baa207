"""The tokenizer that ``data.tokenizer`` names."""

from scaling.data.tokenizer.contract import Tokenizer
from scaling.data.tokenizer.plain import ByteTokenizer
from scaling.errors import UsageError

DEFAULT_BPE_VOCAB = 8_192


def fixed_tokenizer(name: str) -> Tokenizer | None:
    """Return the tokenizer of a name; ``None`` for ``bpe``, which the training text makes.

    Raises:
        UsageError: an unknown kind, a bad file.
        MachineError: its package is missing, or it cannot be downloaded.
    """
    kind, _, which = name.partition(":")
    if name == "bytes":
        return ByteTokenizer()
    if name == "bpe":
        return None
    if kind == "hf" and which:
        from scaling.data.tokenizer.hugging import open_hugging

        return open_hugging(which)
    if kind == "tiktoken" and which:
        from scaling.data.tokenizer.ranks import open_tiktoken

        return open_tiktoken(which)
    raise UsageError(
        "data.unknown_tokenizer",
        f"no tokenizer called {name!r}",
        where="data.tokenizer",
        hint="bytes, bpe, tiktoken:NAME, tiktoken:FILE.tiktoken, hf:NAME or hf:FILE.json",
    )
