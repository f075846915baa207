"""Further forms as fits: the truth of a made-up world comes back, in the record that every fit is."""

import numpy as np
import pytest
from support.synthetic_sweep import sweep_points

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.further import fit_form
from scaling.laws.joint import joint_loss
from scaling.laws.repeated import PUBLISHED, repeated_loss
from scaling.laws.selection import Cuts, select


def test_kaplans_joint_law_comes_back():
    def kaplan(n, d):
        return float(joint_loss(0.3, 0.25, 2e6, 4e8, np.array(n), np.array(d)))

    fit = fit_form("joint", select(sweep_points(noise=0.001, loss=kaplan), Cuts()), resamples=60)
    assert fit.converged
    assert fit.params["alpha_N"].value == pytest.approx(0.3, rel=0.05)
    assert fit.params["alpha_N"].low < fit.params["alpha_N"].value < fit.params["alpha_N"].high
    assert fit.heldout_error < 0.01
    assert fit.residual_rms < 0.002
    assert fit.conventions["params"].startswith("total")


@pytest.mark.slow
def test_a_break_in_one_curve_is_found_and_one_that_is_not_there_is_doubted():
    def bent(n, d):
        return 3 * (n / 3e4) ** -0.05 if n < 3e4 else 3 * (n / 3e4) ** -0.4

    sizes = np.geomspace(3e3, 3e5, 14)
    points = sweep_points(sizes=sizes, noise=0.002, seeds=lambda n: 1, loss=bent)
    fit = fit_form("broken", select(points, Cuts()), resamples=0)
    assert fit.name == "L(N) broken"
    assert fit.params["d1"].value == pytest.approx(3e4, rel=0.4)
    assert fit.warnings == ()
    straight = sweep_points(sizes=sizes, noise=0.002, seeds=lambda n: 1)
    assert "do not earn" in fit_form("broken", select(straight, Cuts()), resamples=0).warnings[0]


def test_the_envelope_and_the_data_curve_can_break_too():
    selection = select(sweep_points(), Cuts())
    assert fit_form("broken", selection, axis="flops", breaks=0, resamples=0).name == "L(C) broken"
    assert fit_form("broken", selection, axis="tokens", breaks=0, resamples=0).name == "L(D) broken"


def test_repeated_text_wears_out_as_it_was_made_to():
    rows = sweep_points(sizes=np.geomspace(1e7, 3e9, 6), horizons=np.geomspace(1e9, 6e10, 6), seeds=lambda n: 1)
    rows["tokens_unique"] = np.minimum(rows["tokens"], 4e9)
    columns = (rows[c].to_numpy(dtype=float) for c in ("params_total", "tokens", "tokens_unique"))
    rows["loss_nats"] = repeated_loss(PUBLISHED, *columns, 15.4, 5.3)
    fit = fit_form("repeated", select(rows, Cuts()), resamples=0)
    assert fit.converged
    assert fit.params["R_D*"].value == pytest.approx(15.4, rel=0.1)
    assert fit.heldout_error < 0.01


def test_what_cannot_be_fitted_says_why():
    selection = select(sweep_points(), Cuts())
    with pytest.raises(NotEnoughData, match="repeat their text"):
        fit_form("repeated", selection)
    with pytest.raises(NotEnoughData, match="unique tokens"):
        fit_form("repeated", select(sweep_points().drop(columns="tokens_unique"), Cuts()))
    with pytest.raises(UsageError, match="is no form"):
        fit_form("straight", selection)
    with pytest.raises(UsageError, match="is no axis"):
        fit_form("broken", selection, axis="kwh")
