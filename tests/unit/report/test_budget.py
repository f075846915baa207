import dataclasses
import json

import pytest

from scaling.answers import predict_budget
from scaling.report.figures import budget


def test_the_table_of_budgets_is_what_predict_says(material):
    rows = budget.rows(material)
    assert [r["support"] for r in rows[-2:]] == ["extrapolated", "extrapolated"]
    assert rows[-1]["extrapolation_factor"] <= 100
    for row in rows[::3]:
        found = predict_budget(material.law, row["flops"])
        assert (row["params"], row["loss_low"]) == (found.params.value, found.loss.low)


def test_the_page_gets_every_draw_and_the_ground_of_the_law(material):
    sent = json.loads(json.dumps(budget.payload(material), allow_nan=False))
    fit = material.analysis.fits["L(N,D)"]
    assert len(sent["draws"]) == len(fit.draws) + 1
    assert sent["draws"][0] == pytest.approx([p.value for p in fit.params.values()], rel=1e-8)
    assert sent["largest"] == material.law.largest
    assert sent["device"] == {
        "name": "cpu",
        "flops_per_s": pytest.approx(sent["largest"] / 14),
        "joules_per_flop": None,
    }


def test_hours_and_kilowatt_hours_come_from_measured_rates_alone(material, measured):
    assert {r["gpu_kwh"] for r in budget.rows(material)} == {None}
    row = budget.rows(measured)[0]
    joules = budget.device(measured).joules_per_flop
    assert row["gpu_kwh"] == pytest.approx(row["flops"] * joules / 3.6e6)
    untimed = dataclasses.replace(material, points=material.points.assign(train_s=None))
    assert {r["device_hours"] for r in budget.rows(untimed)} == {None}


def test_cards_are_dense_peaks_with_their_assumptions(material):
    card = next(c for c in budget.cards() if "H100-SXM" in c["name"])
    assert card["peak"] == pytest.approx(989.4e12, rel=1e-3)
    assert 0.1 < card["mfu"] < 0.5


def test_without_a_law_nothing_is_said(empty):
    assert budget.payload(empty) is None
    assert budget.panel(empty).missing
