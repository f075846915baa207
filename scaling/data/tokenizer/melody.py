"""The vocabulary of melodies: a key, bars, notes that begin and notes that go on. Written as words, or as ABC.

A tune is ``K:Am``, then bars of eight quavers. ``|`` opens a new bar, ``|2`` one that repeats the second bar; each
quaver is a pitch that begins (``A4``), a rest that begins (``z``), or what sounds going on (``-``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.data.stream import Tokens
from scaling.errors import UsageError

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
KEYS = tuple(f"K:{name}{mode}" for name in NAMES for mode in ("", "m"))
MAX_BARS = 8
LOWEST, HIGHEST = 50, 82  # MIDI numbers of the pitches that tunes in any key reach
NEW_BAR = len(KEYS)
HOLD = NEW_BAR + MAX_BARS
REST = HOLD + 1
FIRST_PITCH = REST + 1
WORDS = (
    *KEYS,
    "|",
    *(f"|{bar}" for bar in range(1, MAX_BARS)),
    "-",
    "z",
    *(f"{NAMES[midi % 12]}{midi // 12 - 1}" for midi in range(LOWEST, HIGHEST + 1)),
)
_NUMBERS = {word: number for number, word in enumerate(WORDS)}


@dataclass(frozen=True, slots=True)
class MelodyTokenizer:
    """Tokens that are events of a melody, written as words: ``K:C | C4 - E4 -``."""

    vocab_size: int = len(WORDS)
    name: str = "melody"

    def encode(self, documents: Sequence[bytes]) -> list[Tokens]:
        """Read each document as words."""
        return [np.array(self.prompt(document.decode()), dtype=np.uint8) for document in documents]

    def byte_counts(self, documents: Sequence[bytes]) -> list[NDArray[np.uint32]]:
        """Refuse: a melody stands for no text."""
        raise UsageError("data.no_text", "events of a melody stand for no bytes of text")

    def prompt(self, text: str) -> list[int]:
        """Read words."""
        unknown = [word for word in text.split() if word not in _NUMBERS]
        if unknown:
            raise UsageError(
                "sample.not_a_melody",
                f"{unknown[0]!r} is no event of a melody",
                where=text[:60],
                hint='begin with a key, K:C to K:Bm with sharps alone, then bars: --prompt "K:Am | A4 - E4 -"',
            )
        return [_NUMBERS[word] for word in text.split()]

    def decode(self, tokens: Sequence[int]) -> str:
        """Write words."""
        return "".join(f" {WORDS[token]}" for token in tokens)

    def token_bytes(self) -> None:
        """They stand for no bytes."""
        return

    def dump(self) -> None:
        """The name says it all."""
        return


def abc(tokens: Sequence[int]) -> str:
    """Write events as tunes in ABC notation (v2.1), which players and engravers read; accidentals are written out.

    A note that goes on over a bar line is begun again there; what goes on before anything began is a rest.
    """
    heads, bodies = list[str](), list[list[str]]()
    notes: list[tuple[int, int]] = []

    def close() -> None:
        if notes:
            bodies[-1].append(_bar(notes))
            notes.clear()

    for token in [*map(int, tokens), NEW_BAR]:
        if token < HOLD:
            close()
        if token < NEW_BAR or not bodies:
            heads.append(f"X:{len(heads) + 1}\nL:1/8\nM:4/4\nK:C\n" + f"% {WORDS[token]}\n" * (token < NEW_BAR))
            bodies.append([])
        if token == HOLD and notes:
            notes[-1] = (notes[-1][0], notes[-1][1] + 1)
        elif token >= HOLD:
            notes.append((REST if token == HOLD else token, 1))
    return "\n".join(head + "|".join(body) + "|]\n" for head, body in zip(heads, bodies, strict=True))


def _bar(notes: Sequence[tuple[int, int]]) -> str:
    """Write a bar; an accidental holds for its pitch until the bar ends."""
    sharp: dict[str, bool] = {}
    return " ".join(_note(token, sharp) + (str(quavers) if quavers > 1 else "") for token, quavers in notes)


def _note(token: int, sharp: dict[str, bool]) -> str:
    if token == REST:
        return "z"
    octave, step = divmod(token - FIRST_PITCH + LOWEST, 12)
    name = NAMES[step]
    letter = name[0].lower() if octave > 5 else name[0]
    letter += "'" * (octave - 6) + "," * (5 - octave)
    raised = name.endswith("#")
    mark = "" if sharp.get(letter, False) == raised else "^" if raised else "="
    sharp[letter] = raised
    return mark + letter
