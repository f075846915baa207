"""A study: several sweeps under one name, run one after another and compared on one page.

Its file lists sweeps and nothing else; each stays a sweep of its own, with its store, its laws and its report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError

from scaling.errors import UsageError
from scaling.spec.document import Problem, raise_problems
from scaling.spec.explain import problems_of
from scaling.spec.fields import Part
from scaling.spec.load import find_sweep, load_sweep, open_document
from scaling.spec.schema import NAME


class StudySpec(Part):
    """A file that lists sweeps instead of trials.

    Attributes:
        schema_version: version of this format, written ``schema: 1``.
        name: the study's name; its folder is ``runs/NAME``, with the store of each sweep in it.
        title: one line for the report.
        sweeps: two sweep files or more, beside this one, or names of shipped sweeps.
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=NAME)]
    title: str = ""
    sweeps: list[str] = Field(min_length=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A checked study.

    Attributes:
        spec: what its file says.
        sweeps: name of each sweep, as its own file gives it -> that file.
    """

    spec: StudySpec
    sweeps: dict[str, str]


def load_study(path_or_name: str | Path, sets: Sequence[str] = ()) -> Study | None:
    """Read a file that lists sweeps; ``None`` where it is a sweep itself.

    Args:
        path_or_name: a file, or the name of a shipped one.
        sets: overrides; each sweep takes them all.

    Raises:
        UsageError: no such file, or one that is not text.
        SpecError: what is wrong in it or in a sweep of it, each with file, line and column.
    """
    path = find_sweep(path_or_name)
    document = open_document(path)
    if "sweeps" not in document.data:
        return None
    try:
        spec = StudySpec.model_validate(document.data)
    except ValidationError as error:
        raise_problems(document, problems_of(error, document.data, StudySpec))
        raise
    sweeps: dict[str, str] = {}
    problems = []
    for index, asked in enumerate(spec.sweeps):
        place = ("sweeps", index)
        try:
            file = str(find_sweep(path.parent / asked if (path.parent / asked).is_file() else asked))
        except UsageError as error:
            problems.append(Problem(place, error.what + (f"; {error.hint}" if error.hint else "")))
            continue
        name = load_sweep(file, sets).spec.name
        if name in sweeps:
            problems.append(Problem(place, f"two sweeps are called {name}: each needs a store of its own"))
        sweeps[name] = file
    raise_problems(document, problems)
    return Study(spec=spec, sweeps=sweeps)
