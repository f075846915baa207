"""Tokenizers: the byte, BPE trained on the corpus, and those of ``tiktoken`` and Hugging Face."""

from scaling.data.tokenizer.choose import fixed_tokenizer
from scaling.data.tokenizer.contract import Tokenizer, token_dtype
from scaling.data.tokenizer.melody import MelodyTokenizer
from scaling.data.tokenizer.plain import ByteTokenizer, SymbolTokenizer
from scaling.data.tokenizer.store import find, is_kept, keep

__all__ = [
    "ByteTokenizer",
    "MelodyTokenizer",
    "SymbolTokenizer",
    "Tokenizer",
    "find",
    "fixed_tokenizer",
    "is_kept",
    "keep",
    "token_dtype",
]
