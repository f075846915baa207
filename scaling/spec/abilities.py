"""Which abilities a sweep trains and measures: probe tasks by name and level, at a share of the windows."""

from collections.abc import Mapping
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
    """

    ability: str
    title: str
    level: str
    least: int
    most: int


TASKS: Mapping[str, TaskFacts] = MappingProxyType(
    {
        "lookup": TaskFacts("few-shot learning", "look keys up in pairs just shown", "pairs", 1, 12),
        "copy": TaskFacts("few-shot learning", "repeat a random string", "letters", 1, 24),
        "boolean": TaskFacts("reasoning", "value of a tree of and, or, xor", "depth", 1, 5),
        "hops": TaskFacts("reasoning", "follow arrows through a shuffled ring of eight", "steps", 1, 7),
        "brackets": TaskFacts("coding", "close open brackets in the right order", "open brackets", 1, 24),
        "program": TaskFacts("coding", "run a straight-line program modulo ten", "lines", 1, 10),
        "dictionary": TaskFacts("translation", "four words of a Zipf dictionary, reordered", "words", 8, 676),
        "cipher": TaskFacts("translation", "replace five letters by a fixed cipher", "letters", 2, 26),
        "addition": TaskFacts("arithmetic", "sum of two numbers, lowest digit first", "digits", 1, 6),
        "sum-plain": TaskFacts("arithmetic", "sum of two numbers, highest digit first", "digits", 1, 6),
    }
)


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
            kind, _, level = name.rpartition("-")
            if kind not in TASKS or not level.isdecimal():
                raise ValueError(f"unknown probe {name!r}; a probe is TASK-LEVEL, the tasks are {', '.join(TASKS)}")
            facts = TASKS[kind]
            if not facts.least <= int(level) <= facts.most:
                raise ValueError(f"{name!r}: the level of {kind} ({facts.level}) is {facts.least} to {facts.most}")
        if len(set(probes)) < len(probes):
            raise ValueError("a probe is listed twice")
        return probes


def ability_of(name: str) -> str:
    """Return what people call the ability behind ``TASK-LEVEL``."""
    return TASKS[name.rpartition("-")[0]].ability
