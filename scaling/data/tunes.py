"""Whether a tune keeps the rules of the grammar of music in ``melodies``, told from its words alone.

Written apart from the grammar: it knows what may be, and nothing of how often.
"""

from collections.abc import Sequence

from scaling.data.tokenizer.melody import KEYS, NAMES

QUAVERS = 8  # of a bar
_LENGTHS = (1, 2, 4)  # quavers of a note or rest, which begins at a multiple of them
_MODES = {"": (0, 2, 4, 5, 7, 9, 11), "m": (0, 2, 3, 5, 7, 8, 10)}  # semitones above the tonic
_BELOW, _ABOVE = 3, 9  # degrees of the scale that a tune may go beneath and above its tonic


def fault(text: str, bars: int) -> str | None:
    """Return what is wrong with a tune, ``None`` where nothing is.

    Args:
        text: its words, such as ``K:C | C4 - E4 -``.
        bars: that it must have.
    """
    key, *rest = text.split() or [""]
    if key not in KEYS:
        return "it begins with no key"
    if len(rest) != bars * (1 + QUAVERS):
        return f"{len(rest)} words after its key, not {bars * (1 + QUAVERS)}"
    lines, written = rest[:: 1 + QUAVERS], [rest[i : i + 1 + QUAVERS][1:] for i in range(0, len(rest), 1 + QUAVERS)]
    scale, tonic = _scale(key)
    for bar, (line, notes) in enumerate(zip(lines, written, strict=True)):
        last = bar == bars - 1
        why = _ending(line, notes, tonic) if last else _middle(line, notes, written[:bar], scale)
        if why is not None:
            return f"bar {bar + 1}: {why}"
    return None


def _scale(key: str) -> tuple[frozenset[str], str]:
    """Return the pitches that a tune in a key may use, and its tonic."""
    name, mode = (key[2:-1], "m") if key.endswith("m") else (key[2:], "")
    home = NAMES.index(name) + (48 if NAMES.index(name) > 6 else 60)
    degrees = (divmod(degree, 7) for degree in range(-_BELOW, _ABOVE + 1))
    return frozenset(_pitch(home + 12 * octave + _MODES[mode][step]) for octave, step in degrees), _pitch(home)


def _pitch(midi: int) -> str:
    return f"{NAMES[midi % 12]}{midi // 12 - 1}"


def _ending(line: str, notes: Sequence[str], tonic: str) -> str | None:
    if line != "|":
        return "the last one is no new bar"
    return None if [*notes] == [tonic] + ["-"] * (QUAVERS - 1) else "the last one is not the tonic, held"


def _middle(line: str, notes: Sequence[str], before: Sequence[Sequence[str]], scale: frozenset[str]) -> str | None:
    if line == "|":
        return _new(notes, scale)
    if line not in [f"|{again + 1}" for again in range(len(before))]:
        return f"{line} is no bar line, or repeats a bar that is not there"
    return None if [*notes] == [*before[int(line[1:]) - 1]] else f"not what {line} repeats"


def _new(notes: Sequence[str], scale: frozenset[str]) -> str | None:
    begins = [place for place, note in enumerate(notes) if note != "-"]
    if not begins or begins[0]:
        return "nothing sounds that could go on"
    for place, end in zip(begins, [*begins[1:], QUAVERS], strict=True):
        if notes[place] != "z" and notes[place] not in scale:
            return f"{notes[place]} is not in the scale"
        if end - place not in _LENGTHS or place % (end - place):
            return f"{end - place} quavers from place {place + 1} on"
    return None
