"""Keys of a sweep file under ``model``, checked by what a family says of them, and the search for a size."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from scaling.errors import UsageError

C = TypeVar("C")
Model = Mapping[str, object]


def bad(key: str, message: str, hint: str | None = None) -> UsageError:
    """Return the error for one key."""
    return UsageError("model.bad_value", f"model.{key}: {message}", where=f"model.{key}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The keys of one family.

    Attributes:
        family: its name.
        fields: every key, with a line on each.
        choices: keys with a closed list of words.
        whole: keys that are whole numbers above zero.
        flags: keys that are true or false.
        numbers: keys that are numbers above zero.
        or_zero: keys that are numbers of zero or more.
    """

    family: str
    fields: Mapping[str, str]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    or_zero: tuple[str, ...] = ()

    def check(self, model: Model) -> None:
        """Raise ``UsageError`` on the first key or value that does not belong."""
        for key, value in model.items():
            if key not in self.fields:
                raise bad(key, f"unknown key of family {self.family}", f"known keys: {', '.join(self.fields)}")
            if key in self.choices and value not in self.choices[key]:
                raise bad(key, f"{value!r} is not one of {', '.join(self.choices[key])}")
            if key in self.flags and not isinstance(value, bool):
                raise bad(key, f"{value!r} is not true or false")
            if key in self.whole and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise bad(key, f"{value!r} is not a whole number above zero")
            if key in self.numbers and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
                raise bad(key, f"{value!r} is not a number above zero")
            if key in self.or_zero and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
                raise bad(key, f"{value!r} is not a number of zero or more")

    def chosen(self, model: Model) -> dict[str, object]:
        """Return the words and flags that are given."""
        return {key: model[key] for key in (*self.choices, *self.flags) if key in model}


def whole(model: Model, key: str) -> int | None:
    """Return a whole number, or ``None`` where it is not given."""
    value = model.get(key)
    return value if isinstance(value, int) else None


def number(model: Model, key: str, default: float) -> float:
    """Return a number."""
    value = model.get(key, default)
    return float(value) if isinstance(value, int | float) else default


def needed(model: Model, key: str, hint: str | None = None) -> int:
    """Return a whole number that must be given. Raises ``UsageError``."""
    value = whole(model, key)
    if value is None:
        raise bad(key, "missing", hint or f"give {key}, or a size in parameters under `sizes`")
    return value


def nearest_size(
    target: float, candidates: Iterable[Model], build: Callable[[Model], C], count: Callable[[C], int]
) -> C:
    """Return the candidate whose total parameter count is nearest ``target`` in ratio; sizes ascend."""
    if target <= 0:
        raise bad("sizes", f"{target!r} parameters is not above zero")
    best: tuple[float, C] | None = None
    for keys in candidates:
        config = build(keys)
        total = count(config)
        ratio = max(total / target, target / total)
        if best is None or ratio < best[0]:
            best = (ratio, config)
        if total > 2 * target:
            break
    assert best is not None
    return best[1]


def decided_by_size(model: Model, **instead: str) -> None:
    """Raise ``UsageError`` on keys that a size in parameters decides, each with what to do instead."""
    for key, hint in instead.items():
        if key in model:
            raise bad(key, "a size in parameters decides it", hint)
