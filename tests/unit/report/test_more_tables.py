"""The tables that a reviewer asks for: what is stated, what others found, what it cost."""

import dataclasses

import pandas as pd
import pytest

from scaling.cost.grid import Intensity
from scaling.report.material import Tariff
from scaling.report.published import PUBLISHED
from scaling.report.tables import checklist, cost, fits, published


def by(table, key):
    names = [c.key for c in table.columns]
    return {row[names.index(key)]: dict(zip(names, row, strict=True)) for row in table.rows}


def test_the_checklist_says_no_where_the_records_do_not_tell(material):
    rows = by(checklist.checklist(material), "item")
    assert rows["functional form"]["stated"] == "yes"
    assert rows["precision"] == {"part": "training", "item": "precision", "answer": None, "stated": "no"}
    told = dataclasses.replace(material, sweep={"name": "x", "spec": {"train": {"precision": "bfloat16"}}})
    assert by(checklist.checklist(told), "item")["precision"]["answer"] == "bfloat16"


def test_the_checklist_of_nothing_states_nothing_about_fits(empty):
    rows = by(checklist.checklist(empty), "item")
    assert {rows[k]["stated"] for k in ("functional form", "objective", "range of N", "seed noise")} == {"no"}


def test_published_exponents_are_judged_in_their_own_count_only(material):
    rows = by(published.published(material), "law")
    assert rows["Kaplan et al. 2020"]["same"] == "not known here"  # no fit without embeddings in this material
    assert rows["DeepSeek LLM 2024"]["same"] == "not counted alike"
    assert rows["Hoffmann et al. 2022, approach 1"]["same"].startswith(("yes", "no, ours is "))


def test_cost_keeps_measured_and_modelled_joules_apart(material, measured):
    done = by(cost.cost(material), "what")["results: finished trials"]
    assert done["measured_j"] is None
    walls = material.trials.loc[material.trials["state"] == "done", "wall_s"]
    assert done["modelled_j"] == pytest.approx(24 * walls.sum())  # 21 W of processors, 3 W of memory
    counted = by(cost.cost(measured), "what")["results: finished trials"]
    assert counted["measured_j"] == pytest.approx(310 * walls.sum())


def test_lost_trials_are_counted_with_what_is_not_known_of_them(material):
    lost = by(cost.cost(material), "what")["lost: failed or interrupted"]
    assert (lost["trials"], lost["flops"], lost["note"]) == (1, None, "1 of them recorded no time")


GRID = Intensity(g_per_kwh=360.0, place="Somewhere", year=2023, source="a table", basis="life cycle CO2e")


def test_money_and_carbon_follow_from_a_place_and_prices(measured):
    attempts = pd.DataFrame(
        [
            {"trial": t, "attempt": 1, "exit_code": 0, "seconds": 36.0, "gpus": 2, "energy_gpu_j": None}
            for t in measured.trials["trial"]
        ]
    )
    told = dataclasses.replace(
        measured, attempts=attempts, tariff=Tariff(per_gpu_hour=2.0, per_kwh=0.5, currency="EUR", intensity=GRID)
    )
    table = cost.cost(told)
    done = by(table, "what")["results: finished trials"]
    kwh = done["measured_j"] / 3.6e6
    assert done["carbon_g"] == pytest.approx(360 * kwh)
    assert done["money"] == pytest.approx(2.0 * done["trials"] * 2 * 36 / 3600 + 0.5 * kwh)
    assert "Somewhere, 2023" in table.note
    assert "2 EUR per GPU-hour and 0.5 EUR per measured kWh" in table.note
    lost = by(table, "what")["lost: failed or interrupted"]
    assert lost["wall_s"] == pytest.approx(36.0)  # its supervisor booked what no end record tells
    assert lost["money"] is None  # its joules are not known, and they have a price


def test_without_place_and_prices_the_table_says_what_they_need(material):
    table = cost.cost(material)
    assert "--region" in table.note
    assert "--price-per-gpu-hour" in table.note
    assert {row["carbon_g"] for row in by(table, "what").values()} == {None}


def test_repeated_attempts_and_the_machine_have_lines_of_their_own(material):
    trial = material.trials["trial"].iloc[0]
    attempts = pd.DataFrame(
        [
            {"trial": trial, "attempt": k, "exit_code": -9, "seconds": 10.0 * k, "gpus": 0, "energy_gpu_j": None}
            for k in (1, 2, 3)
        ]
    )
    host = {"energy_cpu_j": {"value": 7.2e6, "provenance": "modelled_load", "reason": "a model", "shared": False}}
    told = dataclasses.replace(material, attempts=attempts, host=host, tariff=Tariff(intensity=GRID))
    rows = by(cost.cost(told), "what")
    repeated = rows["repeated: earlier attempts of the same trials"]
    assert (repeated["trials"], repeated["wall_s"], repeated["gpu_s"]) == (1, 30.0, None)
    machine = rows["the machine: processors and memory, over all runs"]
    assert (machine["modelled_j"], machine["carbon_g"]) == (7.2e6, pytest.approx(720))
    assert machine["note"] == "carbon of modelled joules"
    assert rows["results: finished trials"]["modelled_j"] is None  # held in the machine's, not counted twice


def test_prices_of_the_sweep_stand_in_for_those_not_given():
    sweep = {"spec": {"limits": {"price_per_gpu_hour": 2.5, "price_per_kwh": 0.0, "currency": "CHF"}}}
    assert Tariff().with_prices_of(sweep) == Tariff(per_gpu_hour=2.5, currency="CHF")
    assert Tariff(per_gpu_hour=4.0).with_prices_of(sweep).per_gpu_hour == 4.0
    assert Tariff().with_prices_of({"imported": {}}) == Tariff()


def test_refused_approaches_keep_their_reason(material):
    rows = by(fits.approaches(material), "name")
    assert rows["3 parametric"]["a"]
    assert all(row["a"] or row["note"] for row in rows.values())


def test_a_sensitivity_that_was_not_made_says_why(material):
    analysis = dataclasses.replace(
        material.analysis, sensitivity=(), missing={"sensitivity": "not done for 9,999 points"}
    )
    table = fits.sensitivity(dataclasses.replace(material, analysis=analysis))
    assert table.empty == "Missing: not done for 9,999 points."


def test_published_exponents_of_both_terms_give_the_published_split():
    told = [law for law in PUBLISHED if law.alpha and law.beta and law.counting == "total"]
    assert len(told) == 3
    for law in told:
        assert law.a == pytest.approx(law.beta / (law.alpha + law.beta), abs=0.01)


def test_joules_of_a_table_are_billed_though_it_tells_no_time(measured):
    told = dataclasses.replace(measured, trials=measured.trials.assign(wall_s=None), tariff=Tariff(intensity=GRID))
    done = by(cost.cost(told), "what")["results: finished trials"]
    assert done["wall_s"] is None
    assert done["carbon_g"] == pytest.approx(360 * done["measured_j"] / 3.6e6)


def test_the_bills_of_several_studies_add_up(measured, material):
    tariff = Tariff(per_kwh=0.5, currency="EUR", intensity=GRID)
    names = ("every_trial", "attempts", "points", "tuned", "host")
    accounts = [
        cost.Account(name=name, tariff=tariff, **{n: getattr(one, n) for n in names})
        for name, one in (("with a counter", measured), ("without", material))
    ]
    rows = by(cost.compared(accounts), "study")
    lines = by(cost.cost(dataclasses.replace(measured, tariff=tariff)), "what").values()
    full = rows["with a counter"]
    assert full["measured_j"] == pytest.approx(sum(r["measured_j"] or 0 for r in lines))
    assert full["carbon_g"] == pytest.approx(sum(r["carbon_g"] or 0 for r in lines))
    assert full["money"] == f"{0.5 * full['measured_j'] / 3.6e6:.4g} EUR"
    assert (rows["without"]["measured_j"], rows["without"]["money"]) == (None, None)
    assert "carbon of modelled joules" in rows["without"]["note"]
