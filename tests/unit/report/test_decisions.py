"""The three decisions at the top of a page: the same numbers as the law's own predictions, or what is missing."""

import dataclasses

import numpy as np
import pytest

from scaling.answers import predict_budget
from scaling.laws import Interval
from scaling.laws.analysis import StopRow
from scaling.report.decisions import FURTHER, decisions
from scaling.report.intervals import show
from scaling.report.material import Tariff
from scaling.units import format_si

pytestmark = pytest.mark.slow


def told(material):
    return {d.question: " ".join(d.sentences) for d in decisions(material)}


def test_what_to_train_is_what_predict_says(material):
    found = predict_budget(material.law, FURTHER * material.law.largest)
    text = told(material)["What to train"]
    assert f"{format_si(found.params.value)} [{format_si(found.params.low)}, {format_si(found.params.high)}]" in text
    assert f"one run ends at {show(found.loss_of_run)} nats per token" in text
    assert "10 times the largest fitted, so extrapolated" in text
    assert "No budget has its best size and data both inside those trained." in text
    wide = dataclasses.replace(material.law, tokens=np.append(material.law.tokens, 1e9))
    assert "whose best size and data were trained" in told(dataclasses.replace(material, law=wide))["What to train"]


def test_when_to_stop_names_the_compute_and_says_that_it_is_extrapolated(material):
    assert "makes of two runs: not within 100x the fitted compute." in told(material)["When to stop"]
    far = StopRow(
        rule="one percent", threshold="", flops=Interval(value=3e14, low=1e13, high=2e15), extrapolation_factor=64.0
    )
    near = dataclasses.replace(far, rule="seed noise", extrapolation_factor=0.5)
    unpriced = StopRow(rule="price", threshold="", reason="give --cost-per-flop and --nat-worth")
    analysis = dataclasses.replace(material.analysis, stops=(near, far, unpriced))
    text = told(dataclasses.replace(material, analysis=analysis))["When to stop"]
    assert "From 3.00e14 FLOPs [1.00e13, 2.00e15] on, a doubling buys less than chance makes of two runs." in text
    assert "on (64 times the largest fitted compute, extrapolated), a doubling buys less than 1 % of the loss." in text
    assert "--cost-per-flop" not in text


def test_what_it_costs_keeps_to_what_was_measured(material, measured):
    assert "energy not measured, no price given" in told(material)["What it costs"]
    priced = dataclasses.replace(measured, tariff=Tariff(per_kwh=0.25, currency="EUR"))
    text = told(priced)["What it costs"]
    assert "of GPU energy" in text
    assert " EUR." in text
    unknown = dataclasses.replace(material, tariff=Tariff(per_kwh=0.25))
    assert "money unknown: a priced part was not measured" in told(unknown)["What it costs"]


def test_without_a_law_every_decision_says_what_is_missing(empty):
    found = decisions(empty)
    assert [d.missing for d in found] == [True, True, True]
    assert all(text for d in found for text in d.sentences)


@pytest.mark.parametrize("kind", ["material", "empty"])
def test_every_decision_links_to_a_place_of_the_page(kind, request):
    from support.page_elements import LIBRARY, Elements

    from scaling.report.page import build, page_of

    parsed = Elements(build(page_of(request.getfixturevalue(kind)), LIBRARY))
    assert {d.anchor for d in decisions(request.getfixturevalue(kind))} <= set(parsed.ids)
