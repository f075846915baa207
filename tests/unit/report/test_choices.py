"""The figure of choices: who is drawn how, what the table says, and that a sweep without choices has no such figure."""

import dataclasses
import math

import pytest
from support.page_elements import LIBRARY, Elements

from scaling.laws.analysis import Interval
from scaling.laws.choices import Choices, Worth
from scaling.report.figures import choices
from scaling.report.page import build, page_of

pytestmark = pytest.mark.slow


def worth(value, change, compute, key="model.n_layer", width=0.01):
    return Worth(
        key=key,
        value=value,
        params=1e4,
        seeds=3,
        loss=1.7,
        change=Interval(value=change, low=change - width, high=change + width),
        compute_own=1.5,
        compute_worth=compute,
    )


@pytest.fixture(scope="module")
def found():
    return Choices(
        middle={"model.n_layer": 2, "model.position": "rotary"},
        tokens=8e5,
        loss=1.72,
        reach=(0.125, 2.0),
        worths=(
            worth(1, 0.05, Interval(value=0.4, low=0.3, high=0.5)),
            worth(8, -0.09, Interval(value=math.inf, low=1.8, high=math.inf)),
            worth("none", 0.002, Interval(value=0.9, low=0.0, high=1.1), "model.position"),
        ),
    )


def test_choices_are_drawn_by_what_is_known_of_them(found):
    assert [choices.style_of(w) for w in found.worths] == [choices.WORSE, choices.BETTER, choices.UNTOLD]
    panel = choices.panel(found)
    assert panel.claim == "2 of 3 choices change the loss by more than seeds do; the most n_layer 8, −9.0 %"
    assert "n_layer 2, position rotary" in panel.caption
    assert [row[0] for row in panel.table.rows] == ["n_layer 1", "n_layer 8", "position none"]
    assert [row[-1] for row in panel.table.rows] == [
        "0.4x [0.3x, 0.5x]",
        "> 2x [1.8x, > 2x]",
        "0.9x [< 0.12x, 1.1x]",
    ]


def test_the_page_holds_it_where_there_are_choices_alone(material, found):
    ids = Elements(build(page_of(dataclasses.replace(material, choices=found)), LIBRARY)).ids
    assert choices.ANCHOR in ids
    assert choices.ANCHOR not in Elements(build(page_of(material), LIBRARY)).ids


def test_advice_names_what_is_worth_more_or_less_than_it_takes_and_nothing_read_beyond_the_course(found):
    most, buys = choices.advice(found)
    assert most == "2 of 3 choices change the loss by more than seeds do; the most n_layer 8, −9.0 %."
    assert buys == "Worth more compute than it takes: n_layer 8 (takes 1.5x, worth > 2x). " \
        "Worth less than it takes: n_layer 1 (takes 1.5x, worth 0.4x)."  # fmt: skip
    dear = dataclasses.replace(found, worths=tuple(dataclasses.replace(w, compute_own=3.0) for w in found.worths))
    assert "n_layer 8" not in choices.advice(dear)[1]  # it takes 3x, and the middle was trained to 2x only
