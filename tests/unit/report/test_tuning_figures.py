"""The figures of what came after pre-training: what they draw, and what they say where there is nothing."""

import dataclasses

import pytest
from support.tuned_frames import best_of_frame, finetune_frame, preference_frame, transferred

from scaling.laws.tuning import analyse_tuned
from scaling.report.figures import pressed, transfer
from scaling.report.look import Look


def with_tuned(material, tuned):
    return dataclasses.replace(material, tuned=tuned, tuning=analyse_tuned(tuned, best_of_frame()))


def test_every_fine_tuned_model_has_its_worth(material):
    rows = transfer.data(material)
    assert len(rows) == 18
    assert rows["transferred"].to_numpy() == pytest.approx(transferred(rows["items"], rows["params"]).to_numpy())
    panel = transfer.panel(material, Look.of(material.tuned))
    assert "At 115k parameters, pre-training multiplies the data of the new task by" in panel.claim
    assert any("D_T ∝ D_F^" in note for note in panel.notes)
    assert len(panel.table.rows) == 18


def test_bounds_are_drawn_as_bounds_and_harm_is_told(material):
    beyond = with_tuned(material, finetune_frame(worth=lambda d, n: 1e9))
    figure = transfer.draw_by_size(transfer.data(beyond), "transferred")
    assert {t.marker.symbol for t in figure.data if t.mode == "markers"} == {"triangle-up-open"}
    assert "at least" in transfer.panel(beyond, Look.of(beyond.tuned)).claim
    harm = with_tuned(material, finetune_frame(worth=lambda d, n: -0.5 * d if d > 16 else 5))
    panel = transfer.panel(harm, Look.of(harm.tuned))
    assert any("12 of 18 models transferred nothing or did harm" in note for note in panel.notes)
    assert any("No law" in note for note in panel.notes)


def test_without_a_curve_from_random_weights_nothing_is_read(material):
    frame = finetune_frame()
    bare = with_tuned(material, frame[frame["method"] == "finetune"])
    assert "from random weights" in transfer.panel(bare, Look.of(bare.tuned)).missing


def test_one_amount_from_random_weights_stands_beside_by_size(material):
    frame = finetune_frame(items=(16,), worth=lambda d, n: 1.0 if n > 20_000 else -1.0)
    alone = with_tuned(material, frame[frame["items"] == 16])
    panel = transfer.panel(alone, Look.of(alone.tuned))
    assert panel.claim == "On the same 16 items, pre-training lowers the loss of 4 of 6 models"
    assert len(panel.table.rows) == 6
    exact, loss = (choice.figure for choice in panel.plots[0].choices)
    losses = [y for trace in loss.data if trace.mode == "markers" for y in trace.y]
    assert sorted(losses) == pytest.approx(sorted(alone.tuned.groupby("trial")["answer_loss_nats"].min()), rel=1e-4)
    assert {y for trace in exact.data for y in trace.y} == {0.5}


def test_gold_and_proxy_stand_side_by_side_for_every_size(material):
    panel = pressed.panel(material)
    assert [plot.heading.split(" ")[0] for plot in panel.plots] == ["10k", "33k", "115k"]
    figure = panel.plots[0].figure
    gold = [t for t in figure.data if t.xaxis in (None, "x") and t.mode == "markers"]
    proxy = [t for t in figure.data if t.xaxis == "x2" and t.mode == "markers"]
    assert len(gold) == len(proxy) == 2 + 4  # best of n by two rewards; two methods on two numbers of comparisons
    labels = {t.legendgroup for t in gold}
    assert {"RL, 100 comparisons", "DPO, 1000 comparisons", "best of n, 100 comparisons"} <= labels
    assert {style.label for style in panel.legend} >= labels
    assert "with 100 comparisons" in panel.claim


def test_the_forms_have_a_row_for_every_cell(material):
    table = pressed.laws_table(material)
    assert len(table.rows) == 3 * (2 + 2) + 3 * 2
    first = dict(zip([c.key for c in table.columns], table.rows[0], strict=True))
    assert (first["method"], first["seeds"]) == ("dpo", 2)


def test_one_stage_alone_is_drawn_and_the_other_said_to_be_missing(material):
    only = with_tuned(material, preference_frame())
    assert "fine-tuned nothing" in transfer.panel(only, Look.of(only.tuned)).missing
    assert pressed.panel(only).missing is None
    none = with_tuned(material, finetune_frame())
    assert "tuned no policy" in pressed.panel(none).missing
