import dataclasses

import numpy as np
import pandas as pd

from scaling.report.draw import MAX_MARKS, Hover, canvas, line, marks
from scaling.report.figures.curves import strokes
from scaling.report.look import Look, Style
from scaling.report.panel import Choice, Panel, Plot
from scaling.report.thin import MAX_KEYS, keyed, thinned

STYLE = Style("a", "var(--c-blue)")


def drawing(count):
    figure = canvas({}, {})
    marks(figure, np.arange(count), np.arange(count) * 2, STYLE, [f"n {i}" for i in range(count)])
    marks(figure, [1.0], [2.0], STYLE, ["lonely"])
    line(figure, np.arange(count), np.arange(count))
    return figure


def panel(count):
    choices = [Choice("a", "a", drawing(count)), Choice("b", "b", drawing(count))]
    return Panel(anchor="fig-x", claim="c", caption="d", plots=(Plot.switched("x", "y", choices),))


def test_few_marks_stay_as_they_are():
    whole = panel(MAX_MARKS - 1)
    assert thinned(whole) is whole


def test_many_marks_are_thinned_alike_in_every_drawing_and_it_is_said():
    found = thinned(panel(7000))
    for figure in found.plots[0].drawings().values():
        dense, lonely, curve = figure.data
        assert MAX_MARKS - 5 <= len(dense.x) <= MAX_MARKS
        assert [2 * x for x in dense.x] == list(dense.y)
        assert dense.hovertext[0] == f"n {dense.x[0]:.0f}"
        assert len(lonely.x) == 1
        assert len(curve.x) == 7000
    assert "800 of 7\u202f001 marks" in found.notes[0]
    again = thinned(panel(7000))
    assert again.plots[0].figure.data[0].x == found.plots[0].figure.data[0].x


def test_very_many_curves_are_joined_by_size_with_gaps():
    rows = [(f"t{t}", f"d{t}", 1000 + t % 2, step, 3.0) for t in range(200) for step in (1, 2)]
    lines = pd.DataFrame(rows, columns=["trial", "label", "params_total", "step", "loss_nats"])
    drawn = list(strokes(lines))
    assert [name for name, _ in drawn] == ["1k params, 100 trials", "1k params, 100 trials"]
    assert all(part["loss_nats"].isna().sum() == 100 for _, part in drawn)
    assert len(list(strokes(lines[lines["trial"] < "t13"]))) < 150


def test_hover_is_written_of_drawn_marks_alone():
    written = []
    rows = pd.DataFrame({"i": range(7000)})
    hover = Hover(rows, lambda row: written.append(row["i"]) or f"n {row['i']}")
    figure = canvas({}, {})
    marks(figure, rows["i"], 2 * rows["i"], STYLE, hover, of=7000)
    marks(figure, [1.0], [2.0], STYLE, ["lonely"], of=7000)
    dense, lonely = figure.data
    assert len(written) == len(dense.x) == MAX_MARKS
    assert dense.hovertext[5] == f"n {dense.x[5]:.0f}"
    assert len(lonely.x) == 1
    found = thinned(Panel(anchor="fig-x", claim="c", caption="d", plots=(Plot("x", "y", figure),)))
    assert "800 of 7\u202f000 marks" in found.notes[0]
    assert found.plots[0].figure.data[0].x == dense.x
    assert [hover[0], *hover[1:3]] == ["n 0", "n 1", "n 2"]


def test_a_key_of_very_many_sizes_names_some_and_says_so():
    look = Look(tuple(range(1000, 1064)))
    line = Style("fitted law", "var(--ink)", "")
    whole = Panel(anchor="a", claim="", caption="", legend=(*(look.size(n, f"{n} params") for n in look.sizes), line))
    found = keyed(whole)
    assert len(found.legend) == MAX_KEYS + 1
    assert (found.legend[0], found.legend[-2:]) == (whole.legend[0], whole.legend[-2:])  # both ends, and the line
    assert found.notes == ("The key names 12 of 64 sizes; hover tells that of a mark.",)
    few = dataclasses.replace(whole, legend=whole.legend[-5:])
    assert keyed(few) is few
