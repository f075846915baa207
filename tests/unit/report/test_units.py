"""A page of losses in another unit says that unit throughout, and counts no causal attention where there is none."""

import dataclasses

import pytest
from support import synthetic_report as synthetic
from support.page_elements import LIBRARY

from scaling.answers import compare, predict_run
from scaling.cli import lawtables, predict
from scaling.report.page import build, page_of
from scaling.report.several import page_of as comparison_of

pytestmark = pytest.mark.slow

UNIT = "nats per masked token"


@pytest.fixture(scope="module")
def masked(material, empty):
    return synthetic.masked_material(material, empty)


def test_the_page_of_a_sweep_names_its_own_unit_alone(masked):
    page = build(page_of(masked), LIBRARY)
    assert UNIT in page
    assert "nats per token" not in page
    assert "causal" not in page


def test_a_comparison_of_two_such_sweeps_does_too(masked):
    laws = {name: dataclasses.replace(masked.law, name=name) for name in ("one", "other")}
    sides = [dataclasses.replace(synthetic.side(masked, name), law=law, unit=UNIT) for name, law in laws.items()]
    page = build(comparison_of(compare(sides)), LIBRARY)
    assert f"Difference of loss, {UNIT}" in page
    assert f"Loss, {UNIT}" in page
    assert "nats per token" not in page


def test_the_page_of_a_family_that_measures_no_loss_names_what_it_measures(masked):
    points = masked.points.assign(family="gan", loss_unit="squared MMD")
    page = page_of(dataclasses.replace(masked, points=points))
    titles = {section.id: section.title for section in page.sections}
    assert titles["sec-laws"] == "Distance against size and data"
    curves = next(panel for s in page.sections for panel in s.panels if panel.anchor == "fig-curves")
    assert curves.plots[0].heading == "Distance, squared MMD"
    assert "Thin lines" not in curves.caption  # the training loss is another quantity
    assert page.badges["irreducible_loss"] == "irreducible distance"


def test_a_law_without_causal_attention_counts_flops_as_one_with_it(masked, material):
    found = compare([synthetic.side(material, "causal"), synthetic.side(masked, "whole")])
    assert found.pairs[0].flops_convention == material.law.convention
    assert "causal attention as half" in material.law.convention
    assert "causal" not in masked.law.convention


def test_the_terminal_does_too(masked):
    told = predict.lines(masked.law, predict_run(masked.law, 1e5, 1e6))
    assert any(UNIT in line for line in told)
    text = "\n".join([*told, *lawtables.footnotes(masked.analysis)])
    assert "nats per token" not in text
    assert "causal" not in text
