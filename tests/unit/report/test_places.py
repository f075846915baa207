"""Loss by place in the window: what is read from records, drawn for one study and for several."""

import dataclasses

import pandas as pd
import pytest
from support.stored import make_end, make_point, make_spec

from scaling.report.figures import places
from scaling.report.look import Look, Style
from scaling.store import load
from scaling.store.columns import PLACES
from scaling.store.layout import StoreFolder

LOSSES = [3.0, 2.5, 2.2, 2.0, 1.9, 1.85]  # of a window of 32 tokens


def frame(params, losses, seeds=(0, 1), tokens=(1000, 2000)):
    rows = [
        {"params_total": n, "seed": s, "tokens": d, "first": k + 1, "last": k + 1, "loss_nats": loss + 0.1 * s + 1 / d}
        for n in params
        for s in seeds
        for d in tokens
        for k, loss in enumerate(losses)
    ]
    return pd.DataFrame(rows, columns=[*PLACES])


def test_stretches_of_a_window_are_read_from_the_records(tmp_path):
    store = StoreFolder(tmp_path)
    folder = store.trial("t0")
    folder.write_spec(make_spec(horizons=(1000,)))
    folder.publish_point(dataclasses.replace(make_point(), metrics={"loss_by_position": LOSSES, "accuracy": 0.5}))
    folder.publish_end(make_end(tokens=1000))
    store.write_sweep({"name": "x", "trials": [{"id": "t0", "label": "d32 s0", "horizons": [1000]}]})
    found = load(tmp_path).places()
    assert list(found.columns) == [*PLACES]
    assert list(zip(found["first"], found["last"], strict=True)) == [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32)]
    assert found["loss_nats"].tolist() == LOSSES


def test_every_size_of_a_study_is_drawn_at_its_longest_horizon_as_a_mean_over_seeds():
    rows = frame((1000, 9000), (3.0, 2.0))
    panel = places.panel(rows, Look.of(rows))
    (drawn,) = panel.plots
    assert next(t.y for t in drawn.figure.data if t.mode == "markers") == pytest.approx((3.0505, 2.0505))
    assert panel.claim.startswith("At 9k parameters, context is worth 1 nats: 3.05 at the first place")
    assert len(panel.table.rows) == 4
    assert places.panel(rows.iloc[:0], Look.of(rows)) is None


def test_studies_that_compare_share_a_drawing_of_their_smallest_and_largest_sizes():
    look = {name: Style(name, "red", "circle") for name in "abc"}
    a, b, c = frame((1000, 2000, 9000), (3.0, 2.0)), frame((800,), (3.0, 2.5)), frame((800,), (9.0, 5.0))
    panel = places.together([[("a", a), ("b", b)], [("c", c)], [("none", a.iloc[:0])]], look)
    assert [len([t for t in plot.figure.data if t.mode == "markers"]) for plot in panel.plots] == [3, 1]
    assert panel.plots[1].heading.endswith(": c")
    assert panel.claim.startswith("Context is worth 1 nats to a (9k parameters), 0.5 nats to b (800 parameters)")
    assert places.together([[("none", a.iloc[:0])]], look) is None


def test_where_a_window_begins_with_what_is_easiest_no_worth_of_context_is_read():
    look = {name: Style(name, "red", "circle") for name in "ab"}
    a, b = frame((1000,), (3.0, 2.0)), frame((800,), (0.5, 1.5))
    panel = places.together([[("a", a)], [("b", b)]], look)
    assert panel.claim == "Context is worth 1 nats to a (1k parameters)"
    assert "windows of b begin where least is open" in panel.caption
    assert places.panel(b, Look.of(b)).claim.startswith("At 800 parameters: 0.55 at the first place")
