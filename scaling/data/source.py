"""The contract of every corpus: where tokens come from, and what a trial gets of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from scaling.data.stream import TokenRuns, Tokens
from scaling.data.tokenizer import Tokenizer
from scaling.errors import UsageError
from scaling.families import NATS_PER_TOKEN

MIN_WINDOWS = 16  # fewer validation or training windows than this is no corpus

Inputs = Sequence[tuple[str, int, int]]
"""What a source reads: path, bytes, time of last change in ns. While it stays the same, so do the tokens."""


Progress = Callable[[int], None]
"""Told how many further bytes were read, for whoever waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A corpus as tokens, divided once.

    Attributes:
        train: training tokens, shape ``(n,)``, or runs of them; or rows, shape ``(n, values)``, of what is no text.
        validation: windows of shape ``(windows, context + 1)``; the last ``context`` of each are predicted. Or rows.
        validation_bytes: bytes of text that the predicted tokens stand for; ``None`` where the text is not known.
        tokenizer: how tokens are text.
        entropy_nats: exact conditional entropy of a made-up language at this context.
        validation_entropy_nats: the language's own loss on the validation windows.
        entropy_unit, entropy_se_nats, best_accuracy, kind, shape: as in ``DataIdentity``.
    """

    train: Tokens | TokenRuns
    validation: Tokens
    validation_bytes: int | None
    tokenizer: Tokenizer
    entropy_nats: float | None = None
    validation_entropy_nats: float | None = None
    entropy_unit: str = NATS_PER_TOKEN
    entropy_se_nats: float | None = None
    best_accuracy: float | None = None
    kind: Literal["tokens", "images", "pairs", "clips", "points"] = "tokens"
    shape: Mapping[str, int] = field(default_factory=dict)


class Reader(Protocol):
    """Who sees in the rows of a corpus as much as anyone could: judges rows that a model has made."""

    def pictures(self, rows: Tokens) -> NDArray[np.uint8]:
        """Return rows as pictures ``(n, height, width, 3)``."""

    def captions(self, rows: Tokens) -> list[str]:
        """Return what is said of each, in words."""

    def seen(self, rows: Tokens) -> list[str]:
        """Return what each shows, in words."""

    def agreement(self, rows: Tokens, asked: Tokens) -> Mapping[str, NDArray[np.float64]]:
        """Return by name how much of what is said in ``asked`` the pictures of ``rows`` show, each ``(n,)``, 0 to 1."""


@runtime_checkable
class Readable(Protocol):
    """A source whose rows can be judged."""

    def reader(self, context: int) -> Reader:
        """Return its reader."""


@runtime_checkable
class Checked(Protocol):
    """A source of short texts, each of which holds or not by rules that can be checked."""

    @property
    def starts(self) -> Sequence[str]:
        """How texts begin, each as often; an empty one leaves it to the model."""

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""

    def fault(self, text: str) -> str | None:
        """Return what is wrong with a text, ``None`` where it holds."""


class TokenSource(Protocol):
    """One place where tokens come from. ``sources.open_source`` makes one from the sweep's ``data``."""

    @property
    def name(self) -> str:
        """What it is called in a trial's identity."""

    @property
    def location(self) -> Mapping[str, object]:
        """Keys of ``DataSpec``, beside context and validation tokens, that open it again; plain JSON."""

    def inputs(self) -> Inputs | None:
        """Return what it reads, without reading it; ``None`` where that cannot be told: it is read every time."""

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Read everything and divide it, telling ``progress`` on the way.

        Raises:
            UsageError: missing, unreadable or too small a corpus.
            MachineError: this machine lacks what the source needs.
        """


def too_small(train_tokens: int, held_out_tokens: int, context: int, where: str) -> UsageError:
    """Return the error for a corpus with too few windows."""
    return UsageError(
        "data.too_small",
        f"the corpus has {train_tokens:,} training and {held_out_tokens:,} validation tokens: "
        f"fewer than {MIN_WINDOWS} windows of {context}",
        where=where,
        hint="give more text (a few MB make a usable law), or a shorter data.context",
    )
