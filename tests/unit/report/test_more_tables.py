"""The tables that a reviewer asks for: what is stated, what others found, what it cost."""

import dataclasses

import pytest

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
    assert done["gpu_j"] is None
    walls = material.trials.loc[material.trials["state"] == "done", "wall_s"]
    assert done["modelled_j"] == pytest.approx(24 * walls.sum())  # 21 W of processors, 3 W of memory
    counted = by(cost.cost(measured), "what")["results: finished trials"]
    assert counted["gpu_j"] == pytest.approx(310 * walls.sum())


def test_lost_trials_are_counted_with_what_is_not_known_of_them(material):
    lost = by(cost.cost(material), "what")["lost: failed or interrupted"]
    assert (lost["trials"], lost["flops"], lost["note"]) == (1, None, "1 of them recorded no time")


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
