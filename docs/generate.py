"""Write the reference pages from the code: commands, sweep file, store, Python.

python docs/generate.py            # writes docs/reference/*.md
python docs/generate.py --check    # writes nothing; fails where a page differs from the code
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from typer.testing import CliRunner

REFERENCE = Path(__file__).parent / "reference"
ROOMS = (
    "scaling.spec", "scaling.store", "scaling.tables", "scaling.laws", "scaling.answers", "scaling.findings",
    "scaling.report",
)  # fmt: skip
NOTE = "<!-- Written by docs/generate.py from the code; edit the code, then run it. -->\n"


def cli() -> str:
    """Return every command's help, as the terminal prints it."""
    from scaling.cli.app import COMMANDS, app

    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    parts = [f"# Commands\n\n{NOTE}\n"]
    for name in ("", *COMMANDS):
        text = runner.invoke(app, [*([name] if name else []), "--help"], prog_name="scaling").stdout
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts.append(f"## scaling{' ' + name if name else ''}\n\n```text\n{lines}\n```\n\n")
    return "".join(parts).rstrip() + "\n"


def sweep_file() -> str:
    """Return the keys of a sweep file, section by section, from the schema and its docstrings."""
    from scaling.spec.schema import SweepSpec
    from scaling.spec.study import StudySpec

    parts = [f"# Sweep files\n\n{NOTE}\n", "YAML 1.2. Unknown keys are errors that name the nearest valid one.\n\n"]
    seen: set[type[BaseModel]] = set()
    queue: list[tuple[str, type[BaseModel]]] = [("", SweepSpec), ("a study, instead", StudySpec)]
    while queue:
        path, model = queue.pop(0)
        if model in seen:
            continue
        seen.add(model)
        parts.append(
            f"## {path or 'top level'}\n\n{_first(model)}\n\n| key | default | meaning |\n| --- | --- | --- |\n"
        )
        told = _attributes(model)
        for name, field in model.model_fields.items():
            key = field.alias or name
            default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
            parts.append(f"| `{key}` | {default} | {told.get(name, '')} |\n")
            queue += [(f"{path}.{key}".lstrip("."), inner) for inner in _models(field.annotation)]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)
    metadata = getattr(annotation, "__value__", None)
    if metadata is not None:
        yield from _models(metadata)


def _default(value: object) -> str:
    if isinstance(value, BaseModel):
        return "see below"
    return "none" if value is None else f"`{value}`"


def _first(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


def _attributes(thing: object) -> dict[str, str]:
    """Return what a docstring says under ``Attributes``, by name; names that share a line share its words."""
    _, _, block = (inspect.getdoc(thing) or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in block.splitlines():
        entry = re.match(r"    (\w[\w, ]*): (.*)", line)
        if entry:
            names = [n.strip() for n in entry[1].split(",")]
            found |= dict.fromkeys(names, entry[2])
        elif line.startswith("        ") and names:
            found |= {n: f"{found[n]} {line.strip()}" for n in names}
        elif line.strip():
            break
    return {n: text.replace("``", "`").replace("|", "\\|") for n, text in found.items()}


def store() -> str:
    """Return the layout of a store and the columns of its frames."""
    from scaling.store import columns, layout

    tree = (layout.__doc__ or "").partition("::\n\n")[2].partition("\n\nNames")[0]
    parts = [f"# The store\n\n{NOTE}\n", f"```text\n{inspect.cleandoc(tree)}\n```\n\n"]
    parts.append("Published files are never rewritten. State is derived from files; there is no database.\n\n")
    for title, table in (
        ("Points", columns.POINTS), ("Trials", columns.TRIALS), ("Curves", columns.CURVES), ("Samples", columns.SAMPLES)
    ):  # fmt: skip
        parts.append(f"## {title}\n\n| column | unit | meaning |\n| --- | --- | --- |\n")
        parts += [f"| `{n}` | {u} | {m.replace('|', chr(92) + '|')} |\n" for n, (u, m) in table.items()]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def python() -> str:
    """Return the public names of every room that is meant to be imported."""
    parts = [f"# Python\n\n{NOTE}\n", "What a room lists in `__all__` is public. None of these imports torch.\n\n"]
    for room in ROOMS:
        module = importlib.import_module(room)
        parts.append(f"## {room}\n\n{_first(module)}\n\n| name | |\n| --- | --- |\n")
        parts += [f"| `{n}` | {_about(getattr(module, n)).replace('|', chr(92) + '|')} |\n" for n in module.__all__]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _about(thing: object) -> str:
    documented = inspect.isclass(thing) or inspect.isfunction(thing)
    return _first(thing).replace("``", "`") if documented else f"a constant, `{type(thing).__name__}`"


PAGES = {"cli.md": cli, "sweep-file.md": sweep_file, "store.md": store, "python.md": python}


def main() -> int:
    """Write or check every page; return the exit code."""
    stale = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.stderr.write(f"differ from the code: {', '.join(stale)}; run python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
