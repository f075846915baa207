"""Tokens for a trial: a corpus split once into training and validation, and batches in a seeded order.

No torch here: arrays are numpy, so that ``plan`` can fingerprint a corpus in a second.
"""

from scaling.data.corpus import Corpus, checker_of, load, prepare, reader_of
from scaling.data.corrupt import Corrupt, CorruptedStream, corrupt_validation
from scaling.data.stream import Tokens, TokenStream, WindowStream

__all__ = [
    "Corpus",
    "Corrupt",
    "CorruptedStream",
    "TokenStream",
    "Tokens",
    "WindowStream",
    "checker_of",
    "corrupt_validation",
    "load",
    "prepare",
    "reader_of",
]
