"""Runs of Gadre et al. 2024 (2403.08540): their prediction of the large runs, and whether ours are held."""

from pathlib import Path

import pandas as pd
import pytest

from scaling.laws import fit_loss_surface
from scaling.laws.prediction import predict_loss
from scaling.laws.rollout import roll_out, stretch_needed

DATA = Path(__file__).parents[3] / "shared" / "data" / "gadre2024_runs.csv"
pytestmark = pytest.mark.skipif(not DATA.is_file(), reason="the published runs are not here")


@pytest.fixture(scope="module")
def runs():
    return pd.read_csv(DATA).rename(columns={"run": "trial", "loss_c4_val": "loss_nats", "flops": "flops_train"})


def _arrays(rows):
    return rows["params"], rows["tokens"], rows["loss_nats"]


def _large(rows, tokens_per_param, least):
    return rows[(rows["params"] > least) & (rows["tok_mult"] == tokens_per_param)].iloc[0]


def test_five_small_runs_predict_the_large_ones_as_published(runs):
    rows = runs[runs["dataset"] == "rpj"]
    small = rows[rows["params"] < 1e9]
    smallest = small["params"] == small["params"].min()
    five = small[(small["tok_mult"] == 20) | (smallest & (small["tok_mult"] == 320))]
    fit = fit_loss_surface(*_arrays(five), tied=True, objective="ls_linear", resamples=0)
    assert len(five) == 5
    assert fit.params["alpha"].value == fit.params["beta"].value
    for run, error in ((_large(rows, 640, 1e9), 0.007103), (_large(rows, 20, 6e9), 0.007320)):
        predicted = predict_loss(fit, [run["params"]], [run["tokens"]])[0].value
        assert abs(predicted / run["loss_nats"] - 1) == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("corpus", ["rpj", "rw_original"])
def test_tied_exponents_on_all_small_runs_hold_the_large_ones(runs, corpus):
    rows = runs[runs["dataset"] == corpus]
    small = rows[rows["params"] < 1e9]
    fit = fit_loss_surface(*_arrays(small), trials=small["trial"], tied=True, resamples=300)
    cuts = roll_out(small.reset_index(drop=True))
    for run in (rows[rows["params"].between(1e9, 2e9)].nlargest(1, "tokens").iloc[0], _large(rows, 20, 6e9)):
        factor = run["flops_train"] / small["flops_train"].max()
        found = predict_loss(fit, [run["params"]], [run["tokens"]], level=0.9, stretch=stretch_needed(cuts, factor))[0]
        assert abs(found.value / run["loss_nats"] - 1) < 0.01
        assert found.low <= run["loss_nats"] <= found.high
