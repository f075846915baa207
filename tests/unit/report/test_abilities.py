import dataclasses
import itertools

import pytest
from support.synthetic_report import empty_material, material

from scaling.report.figures import abilities, foretold


@pytest.fixture(scope="module")
def full():
    return material()


def test_every_seed_is_a_point_with_its_interval(full):
    curves = {c[0].result.probe: c for c in abilities.data(full)}
    assert set(curves) == {"lookup-4", "program-4", "hops-3"}
    judged = curves["lookup-4"][0]
    assert judged.title == "Parameters N"
    assert len(judged.rows) == 20
    assert (judged.rows["low"] <= judged.rows["score"]).all()
    assert (judged.rows["score"] <= judged.rows["high"]).all()
    assert len(judged.means) == 10


def test_compute_and_tokens_show_every_horizon_and_energy_only_where_measured(full):
    curves = abilities.data(full)[0]
    assert [c.scale for c in curves] == ["x", "flops_train", "tokens"]
    assert len(curves[1].rows) == 40


def test_the_panel_names_what_is_emergent_by_the_rule(full):
    panel = abilities.panel(full)
    assert (
        panel.claim == "3 probes: 1 flat, 1 threshold of the metric, 1 unpredicted rise; 1 emergent by the written rule"
    )
    assert [p.heading for p in panel.plots] == [
        "program-4 (coding): threshold of the metric",
        "lookup-4 (few-shot learning): emergent",
        "hops-3 (reasoning): flat",
    ]
    figure = panel.plots[0].figure
    assert {trace.xaxis for trace in figure.data} == {None, "x2"}


def test_verdicts_and_scores_are_tables(full):
    table, evidence, _ = abilities.verdicts(full)
    assert [row[0] for row in evidence.rows] == [row[0] for row in table.rows]
    keys = [c.key for c in table.columns]
    rows = {row[0]: dict(zip(keys, row, strict=True)) for row in table.rows}
    assert rows["lookup-4"]["verdict"] == "emergent"
    assert rows["lookup-4"]["solved"] == "2 of 2"
    assert len(abilities.panel(full).table.rows) == 60


def test_the_loss_axis_leaves_out_what_never_left_its_floor(full):
    panel = abilities.loss_panel(full)
    assert [p.id for p in panel.plots] == ["ability-loss-program-4", "ability-loss-lookup-4"]


def test_without_probes_both_figures_say_so():
    nothing = empty_material()
    for panel in (abilities.panel(nothing), abilities.loss_panel(nothing)):
        assert panel.missing.startswith("This sweep measured no ability")


def test_a_score_is_foretold_in_two_steps_with_what_the_rule_foretold_before(full):
    found = foretold.foretell(full.ability_results)
    told = found["lookup-4"]
    largest = told.result.rows["x"].max()
    assert told.forecast.x == pytest.approx(10 * largest)
    assert told.forecast.loss.value < told.result.rows["loss_nats"].min()
    assert len(told.tests) == told.result.rows["x"].nunique() - 4
    assert found["hops-3"].forecast.weak is not None  # it never left its floor: nothing is promised
    assert len(told.losses) == len(told.scores)
    inside = [i.value for x, i in zip(told.losses, told.scores, strict=True) if x >= told.seen[0]]
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(inside))
    rows = {row[0]: row for row in foretold.table(found).rows}
    assert rows["lookup-4"][1] == "10M parameters"
    assert rows["lookup-4"][4] == foretold.held(told.tests)


def test_scores_without_losses_or_with_few_sizes_are_not_foretold(full):
    result = full.ability_results[0]
    blind = dataclasses.replace(result, rows=result.rows.assign(loss_nats=None))
    few = dataclasses.replace(result, rows=result.rows[result.rows["x"] < 2e4])
    told = foretold.foretell([blind]) | foretold.foretell([dataclasses.replace(few, probe="few")])
    assert told[result.probe] == "no validation loss was recorded beside these scores"
    assert "a forecast in two steps needs 4" in told["few"] or isinstance(told["few"], foretold.Foretold)
    assert any(row[5].startswith("none: ") for row in foretold.table(told).rows if row[5])
