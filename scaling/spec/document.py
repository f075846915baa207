"""YAML text to plain data that remembers where every key and value stood.

YAML 1.2 through ruamel.yaml: ``1e-4`` is a number, ``no`` is text. The tree of nodes is walked here rather than
constructed by the library, so that every problem is found, not only the first, and so that a hostile file (an alias
bomb, absurd nesting) is refused before it costs memory.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from scaling.errors import SpecError

MAX_DEPTH = 24
MAX_NODES = 100_000  # after aliases are expanded
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(_TAG + kind for kind in ("int", "float", "bool", "null", "str"))
_TEXT = frozenset(_TAG + kind for kind in ("timestamp", "value"))  # dates and "=" are plain text here

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what to read there."""

    path: KeyPath
    message: str
    at_key: bool = False


@dataclass(slots=True)
class Document:
    """A sweep file as plain data, with the place of everything in it.

    Attributes:
        source: the file, as people name it.
        lines: its text, for quoting.
        data: the plain data.
        keys: path -> where its key stands.
        values: path -> where its value stands.
        overrides: path -> the ``--set`` that gave it.
    """

    source: str
    lines: tuple[str, ...]
    data: dict[str, Any] = field(default_factory=dict)
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    overrides: dict[KeyPath, str] = field(default_factory=dict)

    def override_of(self, path: KeyPath) -> str | None:
        """Return the ``--set`` that gave the value at ``path``, or made the mapping that is there."""
        for n in range(len(path), 0, -1):
            if path[:n] in self.overrides:
                return self.overrides[path[:n]]
        if path in self.keys or path in self.values:
            return None
        inside = (text for given, text in self.overrides.items() if given[: len(path)] == path)
        return next(inside, None) if path else None

    def place(self, path: KeyPath, *, at_key: bool = False) -> Place | None:
        """Return where ``path`` stands, or the nearest thing around it; ``None`` for an empty file."""
        for n in range(len(path), -1, -1):
            exact = at_key and n == len(path)
            place = (self.keys if exact else self.values).get(path[:n]) or self.keys.get(path[:n])
            if place is not None:
                return place
        return None

    def order(self, problem: Problem) -> tuple[int, int]:
        """Return what sorts problems as they stand in the file, those of ``--set`` first."""
        place = self.place(problem.path, at_key=problem.at_key)
        return (0, 0) if place is None or self.override_of(problem.path) else (place.line, place.column)

    def origin(self, path: KeyPath) -> str:
        """Return where the value at ``path`` came from: ``FILE:LINE``, ``--set`` or ``default``."""
        if self.override_of(path) is not None:
            return "--set"
        place = self.values.get(path) or self.keys.get(path)
        return f"{self.source}:{place.line}" if place else "default"

    def explain(self, problem: Problem) -> str:
        """Return the problem as text: its place, what is wrong, the line with a caret."""
        override = self.override_of(problem.path)
        if override is not None:
            return f"  --set {printable(override)}  {problem.message}"
        place = self.place(problem.path, at_key=problem.at_key)
        if place is None:
            return f"  {self.source}  {problem.message}"
        return f"  {self.source}:{place.line}:{place.column}  {problem.message}\n{self.quote(place)}"

    def quote(self, place: Place, width: int = 100) -> str:
        """Return the line at ``place`` with a caret under the column."""
        line = self.lines[place.line - 1] if place.line <= len(self.lines) else ""
        start = max(0, place.column - width)
        shown = printable(line[start : start + width])
        gutter = f"{place.line:>6} | "
        return f"{gutter}{shown}\n{' ' * (len(gutter) - 2)}| {' ' * (place.column - 1 - start)}^"


def printable(text: str) -> str:
    """Return ``text`` with control characters replaced: a file must not drive the terminal."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def parse_document(source: str, text: str) -> Document:
    """Parse a sweep file.

    Raises:
        SpecError: a syntax error, an empty file, a duplicate key, a tag, an alias bomb: all with their place.
    """
    document = Document(source, tuple(_LINE_BREAK.split(text)))
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except RecursionError as error:
        raise _broken(source, f"  {source}  nested more than {MAX_DEPTH} levels deep") from error
    except YAMLError as error:
        raise _broken(source, _syntax_problem(document, text, error)) from error
    if root is None:
        raise SpecError(
            "spec.empty",
            "the sweep file is empty",
            where=source,
            hint="write one for this machine: scaling init my-sweep.yaml",
        )
    walk = _Walk(document, yaml.constructor.construct_object)
    data = walk.value(root, ())
    if not isinstance(data, dict) and not walk.problems:
        walk.problems.append(Problem((), "a sweep file is a mapping of keys, such as `name: my-sweep`"))
    raise_problems(document, walk.problems)
    if isinstance(data, dict):
        document.data = data
    return document


def raise_problems(document: Document, problems: list[Problem], limit: int = 20) -> None:
    """Raise one ``SpecError`` with every problem at its place, in the order of the file; return without any."""
    if not problems:
        return
    shown = [document.explain(problem) for problem in sorted(problems, key=document.order)[:limit]]
    if len(problems) > limit:
        shown.append(f"  … and {len(problems) - limit} more")
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise SpecError(
        "spec.invalid",
        f"{count} in the sweep {document.source}",
        problems=tuple(shown),
        why="nothing was run",
        hint=f"fix it and repeat: scaling plan {document.source}",
    )


class _Walk:
    """Turns nodes into plain data and notes their places. Aliases are expanded, within limits."""

    def __init__(self, document: Document, scalar: Callable[[Node], object]) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._scalar = scalar
        self._nodes = 0
        self._stopped = False

    def value(self, node: Node, path: KeyPath) -> object:
        """Return the plain value of ``node``; ``None`` where a problem was noted."""
        self._document.values.setdefault(path, _place(node.start_mark))
        self._nodes += 1
        if self._stopped:
            return None
        if len(path) > MAX_DEPTH or self._nodes > MAX_NODES:
            self._stop(path)
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._leaf(node, path)

    def _stop(self, path: KeyPath) -> None:
        deep = len(path) > MAX_DEPTH
        limit = f"nested more than {MAX_DEPTH} levels deep" if deep else f"more than {MAX_NODES:,} values"
        self._stopped = True
        self.problems.append(Problem(path[:MAX_DEPTH], f"{limit} once its aliases are expanded"))

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            inner = (*path, key)
            if key in result:
                first = self._document.keys[inner]
                self._at(key_node, path, f'duplicate key "{printable(key)}": it stands in line {first.line} already')
                continue
            self._document.keys[inner] = _place(key_node.start_mark)
            if isinstance(value_node, ScalarNode) and value_node.start_mark.index == value_node.end_mark.index:
                self._document.values[inner] = self._document.keys[inner]  # nothing there: point at its key
            result[key] = self.value(value_node, inner)
        return result

    def _key(self, node: Node, path: KeyPath) -> str | None:
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            self._at(node, path, "a key must be a plain word")
        elif node.value == "<<" and node.tag == _TAG + "merge":
            self._at(node, path, "merge keys (<<) are not part of YAML 1.2: write the values out")
        else:
            return str(node.value)
        return None

    def _leaf(self, node: Node, path: KeyPath) -> object:
        tag = str(node.tag)
        if tag in _TEXT:
            return str(node.value)
        if tag not in _PLAIN:
            self._at(node, path, f"a sweep file is plain data: the tag {printable(tag)} is not accepted")
            return None
        try:
            return self._scalar(node)
        except ValueError:
            self._at(node, path, f"cannot read {printable(str(node.value)[:40])!r} as a number")
            return None

    def _at(self, node: Node, path: KeyPath, message: str) -> None:
        """Note a problem at a node that has no path of its own, such as the second of two equal keys."""
        unique: KeyPath = (*path, f"\0{len(self.problems)}")
        self._document.values[unique] = _place(node.start_mark)
        self.problems.append(Problem(unique, message))


def _place(mark: StreamMark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _broken(source: str, problem: str) -> SpecError:
    return SpecError(
        "spec.syntax",
        f"{source} is not readable YAML",
        problems=(problem,),
        why="nothing was run",
        hint=f"fix it and repeat: scaling plan {source}",
    )


def _syntax_problem(document: Document, text: str, error: YAMLError) -> str:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        code = error.character if isinstance(error.character, int) else ord(error.character)
        message = f"the character #x{code:04x} is not allowed"
    elif isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        place = _place(error.problem_mark)
        message = ", ".join(part for part in (error.context, error.problem) if part)
    else:
        return f"  {document.source}  {error}"
    message = printable(message.replace("\t", "\\t"))
    return f"  {document.source}:{place.line}:{place.column}  {message}\n{document.quote(place)}"


def dotted(path: KeyPath) -> str:
    """Return a path as people type it: ``trials.0.ladder.sizes``."""
    return ".".join(str(part) for part in path)
