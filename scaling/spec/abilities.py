"""Which abilities a sweep trains and measures: probe tasks by name and level, at a share of the windows."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

PROBE_VERSION = 1  # raised by hand when a task draws other items: part of the identity of trials with abilities
MIN_CONTEXT = 66  # tokens: the longest item of any level fits


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A probe task without its generator.

    Attributes:
        ability: what people call it.
        title: what is asked.
        level: what the level counts.
        least, most: levels that exist.
        tokens: level -> tokens in an item.
        answers: level -> tokens of its answer: the last ones of the item, ``stride`` apart.
        stride: 1, or 2 where each token of the answer has a question before it.
    """

    ability: str
    title: str
    level: str
    least: int
    most: int
    tokens: Callable[[int], int]
    answers: Callable[[int], int]
    stride: int = 1


TASKS: Mapping[str, TaskFacts] = MappingProxyType(
    {
        "lookup": TaskFacts(
            "few-shot learning",
            "look keys up in pairs just shown",
            "pairs",
            1,
            12,
            lambda n: 10 + 2 * n,
            lambda n: 4,
            2,
        ),
        "copy": TaskFacts(
            "few-shot learning", "repeat a random string", "letters", 1, 24, lambda n: 2 + 2 * n, lambda n: n
        ),
        "boolean": TaskFacts(
            "reasoning", "value of a tree of and, or, xor", "depth", 1, 5, lambda n: 2 + 2 ** (n + 1), lambda n: 1
        ),
        "hops": TaskFacts(
            "reasoning", "follow arrows through a shuffled ring of eight", "steps", 1, 7, lambda n: 20, lambda n: 1
        ),
        "brackets": TaskFacts(
            "coding", "close open brackets in the right order", "open brackets", 1, 24, lambda n: 4 + 2 * n, lambda n: n
        ),
        "program": TaskFacts(
            "coding",
            "run a straight-line program modulo ten",
            "lines",
            1,
            10,
            lambda n: 6 * n + min(3, n),
            lambda n: min(3, n),
        ),
        "dictionary": TaskFacts(
            "translation", "four words of a Zipf dictionary, reordered", "words", 8, 676, lambda n: 18, lambda n: 8
        ),
        "cipher": TaskFacts(
            "translation", "replace five letters by a fixed cipher", "letters", 2, 26, lambda n: 12, lambda n: 5
        ),
        "addition": TaskFacts(
            "arithmetic", "sum of two numbers, lowest digit first", "digits", 1, 6, lambda n: 4 + 3 * n, lambda n: n + 1
        ),
        "sum-plain": TaskFacts(
            "arithmetic",
            "sum of two numbers, highest digit first",
            "digits",
            1,
            6,
            lambda n: 4 + 3 * n,
            lambda n: n + 1,
        ),
    }
)


def check_probe(name: str) -> str:
    """Return ``TASK-LEVEL`` if there is such a probe. Raises ``ValueError`` that says what there is."""
    kind, _, level = name.rpartition("-")
    if kind not in TASKS or not level.isdecimal():
        raise ValueError(f"unknown probe {name!r}; a probe is TASK-LEVEL, the tasks are {', '.join(TASKS)}")
    facts = TASKS[kind]
    if not facts.least <= int(level) <= facts.most:
        raise ValueError(f"{name!r}: the level of {kind} ({facts.level}) is {facts.least} to {facts.most}")
    return name


class AbilitiesSpec(BaseModel):
    """Probes mixed into the corpus, and measured at every horizon.

    Attributes:
        probes: ``TASK-LEVEL``, such as ``lookup-4`` or ``addition-2``.
        share: of the training windows that are probes, the probes in turn; 1 trains on nothing else.
        items: test items of each probe (fewer where a task has no more).
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    probes: list[str] = Field(min_length=1, max_length=40)
    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    items: Annotated[int, Field(ge=20, le=10_000)] = 400

    @field_validator("probes")
    @classmethod
    def _known(cls, probes: list[str]) -> list[str]:
        for name in probes:
            check_probe(name)
        if len(set(probes)) < len(probes):
            raise ValueError("a probe is listed twice")
        return probes


def ability_of(name: str) -> str:
    """Return what people call the ability behind ``TASK-LEVEL``."""
    return TASKS[name.rpartition("-")[0]].ability


def item_tokens(name: str) -> int:
    """Return how many tokens an item of ``TASK-LEVEL`` has."""
    kind, _, level = name.rpartition("-")
    return TASKS[kind].tokens(int(level))


def answer_places(name: str) -> tuple[int, ...]:
    """Return where in an item the tokens of its answer stand, ascending."""
    kind, _, level = name.rpartition("-")
    facts, length = TASKS[kind], item_tokens(name)
    return tuple(length - 1 - facts.stride * i for i in reversed(range(facts.answers(int(level)))))


def answer_runs(name: str) -> int:
    """Return how many runs of tokens that follow each other the answer of an item is made of."""
    places = answer_places(name)
    return 1 + sum(b > a + 1 for a, b in itertools.pairwise(places))
