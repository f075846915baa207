"""``--set key=value``: one value, stronger than the file, checked by the same schema."""

from collections.abc import Sequence
from typing import Any, get_args

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scaling.errors import UsageError
from scaling.spec.document import Document, KeyPath, Problem, printable
from scaling.spec.explain import model_at


def apply_overrides(document: Document, sets: Sequence[str]) -> list[Problem]:
    """Put the overrides into the document, and return what is wrong with them beyond the schema's reach.

    Raises:
        UsageError: an override is not of the form ``key=value``.
    """
    problems: list[Problem] = []
    for text in sets:
        path, raw = _split(text)
        document.overrides[path] = text
        wants_text = _wants_text(path)
        value = _typed(raw, wants_text)
        if isinstance(value, str) and "," in value and not wants_text:
            problems.append(Problem(path, _several(path, value)))
        elif not _put(document.data, path, value):
            problems.append(Problem(path, "there is no such place in the sweep file"))
    return problems


def _split(text: str) -> tuple[KeyPath, str]:
    key, equals, raw = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(text) > 10_000:
        raise UsageError(
            "spec.bad_set",
            f"cannot read the override {printable(text[:100])!r}",
            where=f"--set {printable(text[:100])}",
            hint="write --set key=value, such as --set data.path=my.txt or --set train.lr.hidden=0.01",
        )
    return tuple(int(part) if part.isdecimal() else part for part in parts), raw.strip()


def _typed(raw: str, wants_text: bool) -> object:
    """Read the value as YAML would, except where the schema wants text: ``name=007`` stays as typed."""
    if wants_text and not raw.startswith(("[", "'", '"')) and raw not in ("null", "~"):
        return raw
    try:
        value = YAML(typ="safe", pure=True).load(raw) if raw else ""
    except (YAMLError, RecursionError, ValueError):
        return raw
    return value if isinstance(value, bool | int | float | str | list | dict | None) else raw


def _wants_text(path: KeyPath) -> bool:
    model = model_at(path[:-1])
    field = None if model is None else model.model_fields.get(str(path[-1]))
    if field is None:
        return False
    accepted = (field.annotation, *get_args(field.annotation))
    return str in accepted and not {int, float} & set(accepted)


def _put(data: dict[str, Any], path: KeyPath, value: object) -> bool:
    """Set ``value`` at ``path``, making mappings on the way. Returns whether the place could exist."""
    here: Any = data
    for part in path[:-1]:
        if isinstance(here, dict):
            here = here.setdefault(str(part), {})
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            return False
    last = path[-1]
    if isinstance(here, dict):
        here[str(last)] = value
    elif isinstance(here, list) and isinstance(last, int) and last < len(here):
        here[last] = value
    else:
        return False
    return True


def _several(path: KeyPath, value: str) -> str:
    key = ".".join(str(part) for part in path)
    values = ", ".join(part.strip() for part in value.split(","))
    if path[0] in ("model", "train"):
        return (
            f"takes one value; to compare several, write into the file under trials:\n"
            f"         - grid: {{axes: {{{key}: [{values}]}}, horizons: [20x]}}"
        )
    return f"takes one value; to give a list, write --set '{key}=[{values}]'"
