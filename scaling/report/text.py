"""Text on its way to the page: untrusted characters made visible, sentences set, numbers of findings printed."""

import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from scaling.units import clear_of_rounding

_EXPONENT = re.compile(r"\^([αβγ]|[a-z]\b|[−-]?\d+(?:\.\d+)?)")
_INDEX = re.compile(r"(?<![\w`])([A-Zα])_([A-Za-z])(?![\w])")  # D_F; no name of several letters
_CODE = re.compile(r"`([^`]+)`")
_TIGHT = re.compile(r"(\d)%")
_MINUS = re.compile(r"(?<![\w.)\]-])-(?=\.?\d)")  # a sign, no hyphen of a date, a range or a name
_DIGEST = re.compile(r"\b[0-9a-f]{20,}\b")
_DIGEST_SHOWN = 12
DIRECTION_CHANGES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_ODD = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{DIRECTION_CHANGES}]")


def number(value: object) -> str:
    """Return a number of a finding as people read it; text stays as it is."""
    if value is None:
        return "missing"
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else signed(f"{value:.4g}")


def signed(text: str) -> str:
    """Return text with the minus sign before its negative numbers."""
    return _MINUS.sub("\u2212", text)


def brief(text: str) -> str:
    """Return text with its digests cut to twelve characters."""
    return _DIGEST.sub(lambda found: f"{found[0][:_DIGEST_SHOWN]}…", text)


def _mapping(value: Mapping[str, object]) -> str:
    """Return an interval as such, and any other mapping as its parts."""
    if set(value) == {"value", "low", "high"}:
        ends = [value[k] for k in ("value", "low", "high")]
        if not all(isinstance(v, int | float) for v in ends):
            return number(value["value"])
        middle, low, high = (number(v) for v in clear_of_rounding(*ends))  # type: ignore[arg-type]  # numbers, seen above
        return f"{middle} [{low}, {high}]"
    return ", ".join(f"{name.replace('_', ' ')} {number(part)}" for name, part in value.items())


def prose(text: str) -> Markup:
    """Return a sentence for the page: as ``visible``, escaped, exponents raised, indices lowered, signs kept close.

    What stands between backticks is set as code; an equals sign never begins or ends a line.
    """
    spaced = _TIGHT.sub(r"\1 %", signed(visible(text)))
    safe = str(escape(spaced.replace(" %", "\u00a0%").replace("± ", "±\u00a0").replace(" = ", "\u00a0=\u00a0")))
    raised = _EXPONENT.sub(r"<sup>\1</sup>", _CODE.sub(r"<code>\1</code>", _INDEX.sub(r"\1<sub>\2</sub>", safe)))
    return Markup(raised)  # escaped two lines above


def visible(text: str) -> str:
    """Return text with control and direction-changing characters made visible; line breaks and tabs stay."""
    return _ODD.sub(lambda found: _shown(found[0]), text)


def _shown(char: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"
