"""Abilities that can be trained in minutes: probe tasks, their windows among the text, and their scores.

Four names that people use (few-shot learning, reasoning, coding, translation) and arithmetic, each with tasks whose
level makes them harder. Items are drawn on the fly; test items never occur in training (``items``).
"""

from scaling.abilities.distance import edit_similarity
from scaling.abilities.floor import Floor, measure_floor
from scaling.abilities.items import Items, Task, test_items, training_items
from scaling.abilities.score import AbilityProbe
from scaling.abilities.stream import FilledStream, ItemStream, MixedStream, nested_items
from scaling.abilities.tasks import TASKS, make_task

__all__ = [
    "TASKS",
    "AbilityProbe",
    "FilledStream",
    "Floor",
    "ItemStream",
    "Items",
    "MixedStream",
    "Task",
    "edit_similarity",
    "make_task",
    "measure_floor",
    "nested_items",
    "test_items",
    "training_items",
]
