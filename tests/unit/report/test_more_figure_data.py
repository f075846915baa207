"""Data halves of the figures that test the law and compare sizes at equal compute."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from support.synthetic_report import loss_of

from scaling.laws import isoflop as find_profiles
from scaling.report.figures import beside, curves, frontier, isoflop, laws, parameters, rollout
from scaling.report.look import Look


@pytest.fixture(scope="module")
def budgets(material):
    """The same law swept at four budgets of nine sizes, the smallest budget one-sided."""
    cells = [
        (n, c / (6.4 * n), c)
        for c, middle in ((1e11, 60e3), (1e12, 60e3), (1e13, 200e3), (1e14, 600e3))
        for n in np.geomspace(middle / 8, middle * 8, 9)
    ]
    n, d, c = np.array(cells).T
    return dataclasses.replace(material, isoflop=find_profiles(n, d, loss_of(n, d), flops=c, resamples=50))


def test_profiles_keep_minima_and_say_why_others_have_none(budgets):
    found = isoflop.data(budgets)
    shown = found.rows["params"].notna()
    assert shown.any()
    assert (found.rows.loc[shown, "params_low"] < found.rows.loc[shown, "params"]).all()
    assert found.rows.loc[~shown, "reason"].str.len().gt(10).all()
    assert set(found.curves) == {p.flops for p in found.profiles}


def test_the_law_along_a_profile_costs_its_budget(budgets, material):
    profile = isoflop.data(budgets).profiles[-1]
    n, loss = isoflop.data(budgets).curves[profile.flops]
    d = profile.flops / (6.4 * np.array(n))  # the made-up sweep spends 6.4 FLOPs per parameter and token
    fit = material.analysis.fits["L(N,D)"].params
    by_hand = fit["E"].value + fit["A"].value / np.array(n) ** fit["alpha"].value
    assert loss == pytest.approx(by_hand + fit["B"].value / d ** fit["beta"].value, rel=1e-6)


def test_iso_flop_minima_stand_beside_the_frontier(budgets):
    minima = frontier.data(budgets).minima
    assert len(minima) == isoflop.data(budgets).rows["params"].notna().sum() > 0
    assert minima["tokens_per_param"].to_numpy() == pytest.approx(minima["tokens"] / minima["params"])


def test_a_sweep_without_common_budgets_says_so(material):
    bare = dataclasses.replace(material, isoflop=dataclasses.replace(material.isoflop, profiles=(), reason="no budget"))
    assert isoflop.panel(bare, Look.of(material.trials)).missing == "No budget."


def test_the_cloud_is_the_draws_and_crosses_count_all_parameters(material):
    found = parameters.data(material)
    assert len(found.draws) == len(material.analysis.fits["L(N,D)"].draws)
    assert -1 <= found.correlation <= 1
    assert {p.paper for p, _, _ in parameters.crosses("alpha", "beta")} == {
        "Hoffmann et al. 2022, approach 3",
        "Muennighoff et al. 2023",
        "Besiroglu et al. 2024",
    }


def test_rollouts_are_those_of_the_analysis(material):
    frame = rollout.data(material)
    assert len(frame) == len(material.analysis.rollouts) > 0
    assert frame["cut_flops"].is_monotonic_increasing


def test_loss_above_the_floor_is_the_same_law_less_e(material):
    found = laws.data(material, "N")
    above = laws.above_floor(found)
    floor = found.fit.params["E"].value
    assert np.allclose(np.array(above.law.y) + floor, found.law.y)
    assert (above.points["loss_nats"] == found.points["loss_nats"]).all()
    assert np.allclose(above.points["height"], found.points["loss_nats"] - floor)


def test_curves_are_drawn_against_what_the_points_tell(material):
    look = Look.of(material.trials)
    found = curves.data(material)
    assert [c.key for c in curves.choices(found, look)] == ["flops_train", "tokens", "params_total", "train_s"]
    untimed = dataclasses.replace(found, points=found.points.assign(train_s=None))
    assert [c.key for c in curves.choices(untimed, look)] == ["flops_train", "tokens", "params_total"]


def test_curves_have_an_axis_of_energy_where_it_was_measured_and_say_so_where_not(material, measured):
    look = Look.of(material.trials)
    assert curves.choices(curves.data(measured), look)[-1].key == "energy_gpu_j"
    assert curves.panel(measured, look).plots[0].gone == ()
    panel = curves.panel(material, look)
    assert [label for label, _ in panel.plots[0].gone] == ["kWh"]
    assert "energy was not measured" in panel.caption
    modelled = measured.points.assign(energy_gpu_provenance="modelled_load")
    assert curves.data(dataclasses.replace(measured, points=modelled)).marked("energy_gpu_j").empty


def test_what_was_measured_beside_the_loss_stands_against_what_a_guess_has(material):
    found = beside.data(material)
    assert set(found["metric"]) == {"recall_caption", "recall_chance"}
    assert set(found["seeds"]) <= {1, 2}  # the seeds that finished
    panel = beside.panel(material, Look.of(material.trials))
    assert [plot.id for plot in panel.plots] == ["beside-recall_caption"]  # the guess is a line in it
    assert "a guess has 0.0156" in panel.claim
    assert "64 rows" in panel.caption
    assert len(panel.plots[0].figure.layout.shapes) == 1


def test_validity_leads_and_has_an_interval_over_seeds(material):
    row = {"family": "gpt", "params_total": 4_000, "batch_rows": None, "tokens": 1_000, "flops_train": 2.4e7}
    shares = (("uniqueness", (1.0, 1.0, 1.0)), ("validity", (0.2, 0.3, 0.4)))
    rows = [
        {**row, "trial": f"t{seed}", "metric": metric, "value": value}
        for metric, values in shares
        for seed, value in enumerate(values)
    ]
    found = beside.data(dataclasses.replace(material, metrics=pd.DataFrame(rows)))
    assert found["metric"].tolist() == ["validity", "uniqueness"]
    half = 4.303 * 0.1 / 3**0.5  # Student's t of two degrees of freedom
    assert found.iloc[0][["value", "value_low", "value_high"]].tolist() == pytest.approx(
        [0.3, 0.3 - half, 0.3 + half], 1e-3
    )
    alone = beside.data(dataclasses.replace(material, metrics=pd.DataFrame(rows[::3])))
    assert alone[["value_low", "value_high"]].isna().all(axis=None)


def test_batches_of_compared_rows_are_drawn_apart_and_learning_rate_checks_are_not(material):
    trials, metrics = material.trials, material.metrics
    few = trials[trials["seed"] == 0]["trial"]
    smaller = metrics[metrics["trial"].isin(few)].assign(trial=lambda f: f["trial"] + "b", batch_rows=16, value=0.5)
    checked = metrics[metrics["trial"] == few.iloc[0]].assign(trial="check", value=9.0)
    more = trials[trials["trial"].isin(few)].assign(trial=lambda f: f["trial"] + "b")
    check = trials[trials["trial"] == few.iloc[0]].assign(trial="check", lr_hidden=0.04)
    points = material.points.assign(batch_rows=64)
    other = points[points["trial"].isin(few)].assign(
        trial=lambda f: f["trial"] + "b", batch_rows=16, loss_nats=lambda f: 2 * f["loss_nats"]
    )
    both = dataclasses.replace(
        material,
        trials=pd.concat([trials, more, check]),
        metrics=pd.concat([metrics, smaller, checked]),
        points=pd.concat([points, other]),
        by_batch={16: material.analysis.fits["L(N,D)"], 64: material.analysis.fits["L(N,D)"]},
    )
    assert beside.data(both)["value"].max() < 1
    panel = beside.panel(both, Look.of(material.trials))
    assert [plot.id for plot in panel.plots] == ["beside-recall_caption", "beside-batch"]
    styles = {style.label: style.dash for style in panel.legend}
    assert styles["64 rows a step"] == "solid"  # the batch of most trials
    assert styles["16 rows a step"] == "dash"
    assert [row[0] for row in beside.laws_table(both).rows] == [16, 64]
    marks = [trace for trace in panel.plots[1].figure.data if trace.mode == "markers"]
    for trace in marks:
        by_rows = dict(zip(trace.x, trace.y, strict=True))
        assert by_rows[16] == pytest.approx(2 * by_rows[64], rel=0.02)  # one seed against two
