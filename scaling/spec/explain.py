"""What pydantic found wrong, said in the words of the sweep file: place, expectation, nearest key."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scaling.families import FAMILIES
from scaling.spec.document import KeyPath, Problem, dotted, printable
from scaling.spec.schema import DEFAULT_FAMILY, SPECIAL_AXES, LearningRates, SweepSpec, TrainSpec

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "mapping_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "dataclass_type": "a horizon, such as 2M, 20x or 1e15 FLOPs",
    "dataclass_exact_type": "a horizon, such as 2M, 20x or 1e15 FLOPs",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean "x"?`` for the nearest known word, or the list of them when none is near."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(known)}" if known else ""


def problems_of(error: ValidationError, data: object, root: type[BaseModel] = SweepSpec) -> list[Problem]:
    """Return pydantic's errors on a ``root`` as problems, one per place: a union's branches become one sentence."""
    grouped: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        grouped.setdefault(real_path(detail["loc"], data, missing=detail["type"] == "missing"), []).append(detail)
    return [_problem(path, details, root) for path, details in grouped.items()]


def real_path(loc: Sequence[str | int], data: object, *, missing: bool = False) -> KeyPath:
    """Drop from a pydantic location what is not in the data: the names of union branches and validators."""
    path: list[str | int] = []
    for part in loc[:-1] if missing else loc:
        if isinstance(data, list) and isinstance(part, int):
            data = dict(enumerate(data))
        if isinstance(data, Mapping) and part in data:
            data = data[part]
            path.append(part)
    return (*path, loc[-1]) if missing else tuple(path)


def _problem(path: KeyPath, details: list[ErrorDetails], root: type[BaseModel]) -> Problem:
    first = details[0]
    if first["type"] == "extra_forbidden":
        *parent, key = path
        inside = f" in {dotted(tuple(parent))}" if parent else ""
        known = _fields_at(tuple(parent), root)
        return Problem(path, f'unknown key "{printable(str(key))}"{inside}{nearest(str(key), known)}', at_key=True)
    if first["type"] == "missing":
        return Problem(path, f'missing key "{path[-1]}"')
    told = [d for d in details if d["type"] not in _EXPECTED] or details
    if told[0]["type"] not in _EXPECTED:
        return Problem(path, f"{dotted(path) or 'sweep'}: {_sentence(told[0])}")
    expected = dict.fromkeys(_EXPECTED[d["type"]] for d in details)
    return Problem(path, f"{dotted(path)}: expected {' or '.join(expected)}, found {found(first['input'])}")


def _sentence(detail: ErrorDetails) -> str:
    context: dict[str, Any] = detail.get("ctx", {})
    kind, value = detail["type"], found(detail["input"])
    bounds = {"greater_than": ("gt", "above"), "greater_than_equal": ("ge", "at least")}
    bounds |= {"less_than": ("lt", "below"), "less_than_equal": ("le", "at most")}
    if kind in bounds:
        key, word = bounds[kind]
        return f"must be {word} {context[key]:g}, found {value}"
    if kind == "literal_error":
        choices = [part.strip("' ") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
        near = difflib.get_close_matches(str(detail["input"]), choices, n=1)
        return f"{value} is not one of {', '.join(choices)}" + (f'; did you mean "{near[0]}"?' if near else "")
    if kind == "value_error":
        return str(context["error"])
    if kind == "too_short":
        return f"needs at least {context['min_length']} item"
    if kind == "string_pattern_mismatch":
        return f"{value} is not a plain name: letters, digits, dot, dash and underscore, at most 64"
    if kind == "finite_number":
        return f"must be a finite number, found {value}"
    return f"{detail['msg']}, found {value}"


def found(value: object) -> str:
    """Name a value of a sweep file for people: ``text "abc"``, ``a list``, ``nothing``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'text "{printable(value[:60])}"'
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else printable(repr(value)[:60])


def _fields_at(path: KeyPath, root: type[BaseModel]) -> list[str]:
    """Return the keys that the schema knows at ``path``."""
    model = model_at(path, root)
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def model_at(path: KeyPath, root: type[BaseModel] = SweepSpec) -> type[BaseModel] | None:
    """Return the schema's model at ``path``, or ``None`` where it has none (free mappings, leaves)."""
    model = root
    for part in path:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part not in fields:
            return None
        inner = _model_in(fields[part].annotation)
        if inner is None:
            return None
        model = inner
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)


def free_key_problems(data: Mapping[str, Any]) -> list[Problem]:
    """Check the keys that pydantic cannot know: those of a model family, and the dotted keys of axes."""
    model = data.get("model")
    keys = model if isinstance(model, Mapping) else {}
    family = str(keys.get("family", DEFAULT_FAMILY))
    problems: list[Problem] = []
    if family not in FAMILIES:
        message = f"unknown model family {found(keys['family'])}{nearest(family, FAMILIES)}"
        problems.append(Problem(("model", "family"), message))
        family = next(iter(difflib.get_close_matches(family, FAMILIES, n=1)), DEFAULT_FAMILY)
    fields = list(FAMILIES[family].fields)
    problems += _unknown(("model",), [key for key in keys if key != "family"], fields, f"model ({family})")
    for path, names in _dotted_keys(data):
        problems += _unknown(path, names, axis_keys(family), dotted(path))
    for path, names in _size_keys(data):
        problems += _unknown(path, names, fields, f"a size of {family}")
    return problems


def axis_keys(family: str) -> list[str]:
    """Return the dotted keys that may vary from trial to trial."""
    train = [f"train.{name}" for name in TrainSpec.model_fields if name != "lr"]
    rates = [f"train.lr.{name}" for name in LearningRates.model_fields]
    return [*SPECIAL_AXES, *(f"model.{key}" for key in FAMILIES[family].fields), *train, *rates]


def _unknown(parent: KeyPath, names: Iterable[str], known: list[str], inside: str) -> list[Problem]:
    return [
        Problem((*parent, name), f'unknown key "{printable(name)}" in {inside}{nearest(name, known)}', at_key=True)
        for name in names
        if name not in known
    ]


def _blocks(data: Mapping[str, Any]) -> Iterable[tuple[KeyPath, Mapping[str, Any]]]:
    trials = data.get("trials")
    for index, item in enumerate(trials if isinstance(trials, list) else []):
        for kind, block in item.items() if isinstance(item, Mapping) else ():
            if isinstance(block, Mapping):
                yield ("trials", index, kind), block


def _dotted_keys(data: Mapping[str, Any]) -> Iterable[tuple[KeyPath, list[str]]]:
    for path, block in _blocks(data):
        if isinstance(block.get("axes"), Mapping):
            yield (*path, "axes"), list(block["axes"])
        items = block.get("items")
        for index, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, Mapping):
                yield (*path, "items", index), list(item)


def _size_keys(data: Mapping[str, Any]) -> Iterable[tuple[KeyPath, list[str]]]:
    for path, block in _blocks(data):
        sizes = block.get("sizes")
        for index, size in enumerate(sizes if isinstance(sizes, list) else []):
            if isinstance(size, Mapping):
                yield (*path, "sizes", index), list(size)
