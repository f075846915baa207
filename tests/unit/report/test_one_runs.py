"""Single trials on the page: which are shown, how fast they went from step to step, their power and their logs."""

import dataclasses

import pandas as pd
import pytest
from support.page_elements import LIBRARY, Elements

from scaling.report.figures import oneruns, system
from scaling.report.look import Look
from scaling.report.page import build, page_of
from scaling.report.runs import MAX_RUNS, MAX_TROUBLED, at_home, chosen
from scaling.report.speeds import spreads, with_speed


def look_of(material):
    return Look.of(material.trials, material.points)


def test_the_longest_of_every_size_and_what_went_wrong_are_shown(material):
    trials, found = material.trials, chosen(material.trials)
    states = dict(zip(trials["trial"], trials["state"], strict=True))
    assert {states[name] for name in found} == {"done", "failed", "diverged"}
    sizes = trials.set_index("trial").loc[[n for n in found if states[n] == "done"], "params_total"]
    assert sorted(sizes) == sorted(trials["params_total"].unique())


def test_of_a_thousand_trials_twelve_are_shown_with_both_ends_of_the_ladder():
    rows = [
        {
            "trial": f"t{k}",
            "label": f"t{k}",
            "params_total": 1000 + k,
            "tokens": 10,
            "state": "failed" if k % 3 else "done",
        }
        for k in range(1000)
    ]
    trials = pd.DataFrame(rows)
    found = chosen(trials)
    assert len(found) == MAX_RUNS
    assert sum(int(name[1:]) % 3 > 0 for name in found) == MAX_TROUBLED
    assert {"t0", "t999"} <= set(found)


def test_speed_is_that_between_logged_steps_and_its_spread_leaves_the_warm_up_out():
    steps = range(1, 41)
    seconds = [10.0, *(10.0 + 0.1 * k + (0.9 if k > 35 else 0.0) for k in range(1, 40))]
    curve = pd.DataFrame({"trial": "a", "step": steps, "tokens": [100 * k for k in steps], "train_s": seconds})
    speeds = with_speed(curve.sample(frac=1, random_state=0))["tokens_per_s"]
    assert pd.isna(speeds.iloc[0])
    assert speeds.iloc[1] == pytest.approx(1000)
    assert speeds.iloc[36] == pytest.approx(100)
    found = spreads(curve).loc["a"]
    assert found["low"] == pytest.approx(1000)  # one slow interval in thirty-six is no tenth
    assert found["high"] == pytest.approx(1000)
    assert spreads(curve.iloc[:10]).empty
    assert spreads(curve.iloc[:0]).empty


def test_the_spread_of_speed_stands_in_the_figure_of_speed(material):
    frame = system.data(material)
    assert (frame["speed_low"].dropna() <= frame["speed_high"].dropna()).all()
    assert frame["speed_low"].notna().sum() == (material.trials["state"] == "done").sum()
    drawn = system.draw_throughput(frame, look_of(material))
    vertical = [t for t in drawn.data if t.mode == "lines"]
    assert len(vertical) == frame["params_total"].nunique()


def test_loss_rate_and_speed_stand_below_each_other(material):
    panel = oneruns.panel(material, look_of(material))
    (plot,) = panel.plots
    assert [c.label for c in plot.choices if "(" in c.label] == []  # what failed or diverged here logged no step
    first = oneruns.courses(material)[0]
    assert first.rows["lr"].iloc[-1] == pytest.approx(0.02)
    assert len(first.rows) <= oneruns.MAX_POINTS
    assert {trace.yaxis or "y" for trace in plot.figure.data} == {"y", "y2", "y3"}
    assert len(plot.figure.layout.shapes) == len(first.marks) > 0


def test_power_is_drawn_by_what_was_done_over_the_idle_level(measured):
    panel = oneruns.power_panel(measured)
    assert {style.label for style in panel.legend} == {
        s.label for s in (oneruns.TRAIN, oneruns.THROTTLED, oneruns.IDLE)
    }
    figure = panel.plots[0].figure
    assert [trace.legendgroup for trace in figure.data] == [oneruns.TRAIN.label, oneruns.THROTTLED.label]
    assert figure.data[0].x[-1] == figure.data[1].x[0]  # the line does not break where its colour changes
    assert [shape.y0 for shape in figure.layout.shapes] == [62.0]
    assert "62 W idle" in panel.claim
    assert "Clocks were lowered: power cap." in panel.caption


def test_without_samples_the_page_says_what_power_needs(material, empty):
    assert "driver tells its power" in oneruns.power_panel(material).missing
    assert "logged two steps" in oneruns.panel(empty, look_of(empty)).missing
    imported = dataclasses.replace(empty, sweep={"imported": {}})
    assert "imported" in oneruns.power_panel(imported).missing
    assert "imported" in oneruns.panel(imported, look_of(imported)).missing


@pytest.mark.slow
def test_logs_stand_in_the_page_as_text(material):
    text = "".join(Elements(build(page_of(material), LIBRARY)).text)
    assert text.count(" ended\n") == len(material.runs)
    assert "step 800  loss 1.52" in text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('File "/home/ann/.venv/lib/torch/nn/x.py", line 3', 'File "…/x.py", line 3'),
        ("saved to /mnt/team/runs/a.pt", "saved to …/a.pt"),
        ("see https://example.org/a/b/c.html", "see https://example.org/a/b/c.html"),
        ("3/4 of 1/2", "3/4 of 1/2"),
        ("/tmp/x is full", "/tmp/x is full"),
    ],
)
def test_a_log_does_not_tell_where_it_was_made(line, shown):
    assert at_home(line) == shown
