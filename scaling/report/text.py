"""Text on its way to the page: untrusted characters made visible, sentences set, numbers of findings printed."""

import re

from markupsafe import Markup, escape

_EXPONENT = re.compile(r"\^([αβγ]|[−-]?\d+(?:\.\d+)?)")
DIRECTION_CHANGES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def number(value: object) -> str:
    """Return a number of a finding as people read it; text stays as it is."""
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.4g}"


def prose(text: str) -> Markup:
    """Return a sentence for the page: as ``visible``, escaped, with raised exponents and per cent signs kept close."""
    safe = str(escape(visible(text).replace(" %", "\u00a0%").replace("± ", "±\u00a0")))
    return Markup(_EXPONENT.sub(r"<sup>\1</sup>", safe))  # escaped on the line above


def visible(text: str) -> str:
    """Return text with control and direction-changing characters made visible; line breaks and tabs stay."""
    return "".join(_shown(c) for c in text)


def _shown(char: str) -> str:
    code = ord(char)
    if code < 0x20 and char not in "\n\t":
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 or char in DIRECTION_CHANGES:
        return "\ufffd"
    return char
