"""Pages of a family that measures no loss say what it measures, in its unit, and leave its training loss its name."""

import plotly.graph_objects as go
import pytest

from scaling.report import naming
from scaling.report.figures.oneruns import ANCHOR as RUNS
from scaling.report.look import Style
from scaling.report.panel import Choice, Column, Panel, Plot, Table


@pytest.fixture
def rename():
    return naming.renamer("unexplained share", "of the variance")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (
            "Loss of a run; a loss of 1.5 nats",
            "Unexplained share of a run; an unexplained share of 1.5 of the variance",
        ),
        ("lowest losses (nats)", "lowest unexplained shares (of the variance)"),
        ("training loss and generator loss", "training loss and generator loss"),
        ("lossless, loss_nats, nats per answer", "lossless, loss_nats, nats per answer"),
        ("loss %{y:.4f} nats at %{x:.2e}", "unexplained share %{y:.4~g} of the variance at %{x:.2e}"),
    ],
)
def test_words_about_a_loss_become_words_about_the_quantity(rename, said, named):
    assert rename(said) == named


def _panel(anchor):
    figure = go.Figure(go.Scatter(x=[1], y=[2], hovertext=["loss 2"], legendgroup="loss seen"))
    figure.update_layout(yaxis={"title": {"text": "Loss, nats"}}, xaxis={"title": {"text": "Tokens D"}})
    table = Table("t", "Points of the loss", (Column("loss", "Loss (nats)"),), (("my loss run",),))
    plot = Plot("p", "Loss, nats", figure, choices=(Choice("loss", "loss", figure),))
    return Panel(
        anchor=anchor, claim="The loss falls", caption="", plots=(plot,), legend=(Style("loss seen", ""),), table=table
    )


def test_a_panel_is_renamed_down_to_axes_hover_and_headings_but_not_what_users_named(rename):
    found = naming.panel(_panel("fig-x"), rename)
    (plot,) = found.plots
    assert (found.claim, plot.heading, plot.choices[0].label) == (
        "The unexplained share falls", "Unexplained share, of the variance", "unexplained share"
    )  # fmt: skip
    assert plot.figure.layout.yaxis.title.text == "Unexplained share, of the variance"
    assert plot.figure.layout.xaxis.title.text == "Tokens D"
    (trace,) = plot.figure.data
    assert list(trace.hovertext) == ["unexplained share 2"]
    assert trace.legendgroup == found.legend[0].label  # the legend still finds its marks
    assert found.table.columns == (Column("loss", "Unexplained share (of the variance)"),)
    assert found.table.rows == (("my loss run",),)


def test_figures_of_the_training_loss_keep_its_name(rename):
    found = _panel(RUNS)
    assert naming.panel(found, rename) is found
