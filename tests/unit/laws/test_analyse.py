import time

import numpy as np
import pandas as pd
import pytest
from support.synthetic_sweep import HORIZONS, SIZES, TRUTH, sweep_points

from scaling.errors import UsageError
from scaling.laws import Cuts, analyse
from scaling.laws.curves import envelope_weights
from scaling.laws.frontier import FlopsPerToken, Surface, best_split
from scaling.laws.noise import pooled

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def points():
    return sweep_points()


@pytest.fixture(scope="module")
def analysis(points):
    return analyse(points, resamples=200)


def _surface(**truth):
    return Surface(**{name: np.array([value]) for name, value in truth.items()})


def test_every_part_is_there(analysis):
    assert set(analysis.fits) == {"L(N,D)", "L(N)", "L(N) E=0", "L(D)", "L(D) E=0", "L(C)", "L(C) E=0"}
    assert analysis.missing == {}
    assert all(fit.converged for fit in analysis.fits.values())
    assert analysis.frontier
    assert analysis.returns
    assert analysis.heldout is not None


def test_the_largest_size_is_predicted_and_better_than_naively(analysis):
    held = analysis.heldout
    assert len(held.rows) == len(HORIZONS)
    assert {row[1] for row in held.rows} == {float(SIZES[-1])}
    assert held.mean_abs_error < 0.02
    assert held.mean_abs_error < held.naive_mean_abs_error / 2
    assert held.max_abs_error >= held.mean_abs_error


def test_all_seeds_of_the_largest_size_are_held_out(points):
    more = sweep_points(seeds=lambda n: 3)
    assert len(analyse(more, resamples=0).heldout.rows) == 3 * len(HORIZONS)


def test_curves_follow_the_truth(analysis):
    # At fixed D the floor of L(N) is E plus the data term.
    floor = TRUTH["E"] + TRUTH["B"] / HORIZONS[-1] ** TRUTH["beta"]
    assert analysis.fits["L(N)"].params["E"].value == pytest.approx(floor, rel=0.1)
    assert analysis.fits["L(D)"].params["beta"].value == pytest.approx(TRUTH["beta"], abs=0.15)
    # C^-g of the envelope, g = alpha beta / (alpha + beta) for 6ND.
    g = TRUTH["alpha"] * TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
    assert analysis.fits["L(C)"].params["gamma"].value == pytest.approx(g, abs=0.1)


def test_a_single_trial_gives_no_interval_and_says_so(analysis):
    fit = analysis.fits["L(D)"]
    assert fit.n_trials == 1
    assert fit.params["beta"].low is None
    assert "one trial" in fit.interval_method


def test_six_nd_optimum_has_the_closed_form():
    surface, budget = _surface(**TRUTH), np.array([1e12])
    found = best_split(surface, budget, FlopsPerToken.six_n())
    a, b = TRUTH["alpha"], TRUTH["beta"]
    g = (a * TRUTH["A"] / (b * TRUTH["B"])) ** (1 / (a + b))
    assert found.params[0, 0] == pytest.approx(g * (1e12 / 6) ** (b / (a + b)), rel=1e-10)
    assert 6 * found.params * found.tokens == pytest.approx(1e12)


@pytest.mark.parametrize("free", [{"A": 0.0}, {"B": 0.0}, {"alpha": 1e-9, "beta": 1e-9}])
def test_a_draw_without_an_optimum_has_none_by_either_count(free):
    sizes = np.array(SIZES, dtype=float)
    surface, budgets = _surface(**{**TRUTH, **free}), np.array([1e12])
    for flops in (FlopsPerToken.six_n(), FlopsPerToken.through(sizes, 6 * sizes)):
        found = best_split(surface, budgets, flops)
        assert np.isnan([found.params, found.tokens, found.loss]).all()  # 0 parameters would be no answer


def test_exact_flops_optimum_beats_its_neighbours():
    sizes = np.array(SIZES, dtype=float)
    flops = FlopsPerToken.through(sizes, 6 * (sizes - 1000) + 200 * np.sqrt(sizes))
    surface, budgets = _surface(**TRUTH), np.array([1e11, 1e12, 1e14])
    found = best_split(surface, budgets, flops)
    for factor in (0.97, 1.03):
        near = found.params * factor
        tokens = budgets / np.exp(flops.log_value(np.log(near)))
        assert (surface.loss(near, tokens) > found.loss).all()


def test_exact_and_six_nd_agree_where_flops_are_six_n():
    sizes = np.array(SIZES, dtype=float)
    surface, budgets = _surface(**TRUTH), np.array([1e11, 1e13])
    exact = best_split(surface, budgets, FlopsPerToken.through(sizes, 6 * sizes))
    rough = best_split(surface, budgets, FlopsPerToken.six_n())
    assert exact.params == pytest.approx(rough.params, rel=1e-6)


def test_frontier_stays_within_a_hundred_times_the_data(analysis, points):
    assert max(row.extrapolation_factor for row in analysis.frontier) <= 100 * (1 + 1e-9)
    exact = [r for r in analysis.frontier if r.flops_convention == analysis.frontier[0].flops_convention]
    assert any(r.flops == pytest.approx(points["flops_train"].max()) for r in exact)
    assert {r.flops_convention for r in analysis.frontier} == {"exact training FLOPs", "6ND"}
    for row in exact:
        assert row.params.low <= row.params.value <= row.params.high


def test_returns_agree_with_the_arithmetic_of_a_power_law():
    """Besiroglu et al.'s parameters on the optimal path: values of pure arithmetic."""
    from scaling.laws import returns
    from scaling.laws.analysis import Fit, Interval

    truth = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
    blank = dict.fromkeys(("objective", "interval_method", "form"), "")
    fit = Fit(
        name="L(N,D)", params={k: Interval(value=v) for k, v in truth.items()}, objective_value=0.0, gradient_norm=0.0,
        starts=1, starts_agreed=1, converged=True, n_points=1, n_trials=1, dropped=(), conventions={}, residual_rms=0.0,
        **blank,
    )  # fmt: skip
    rows = returns.rows(fit, np.array([1e18, 1e20, 1e21, 5.76e23]), FlopsPerToken.six_n())
    assert [r.loss.value for r in rows] == pytest.approx([3.4905, 2.5534, 2.3055, 1.9744], abs=1e-3)
    assert [r.local_exponent.value for r in rows] == pytest.approx([0.1783] * 4, abs=1e-4)
    assert [r.gain_per_doubling_nats.value for r in rows] == pytest.approx([0.1945, 0.0856, 0.0568, 0.0183], abs=2e-4)
    assert [r.factor_next_percent for r in rows] == pytest.approx([1.126, 1.219, 1.312, 2.123], abs=2e-3)
    assert [r.factor_next_001_nat for r in rows] == pytest.approx([1.034, 1.080, 1.123, 1.446], abs=1e-3)


def test_a_target_below_the_floor_is_forbidden():
    points = sweep_points(noise=0.0, loss=lambda n, d: 2.0 + 1.0 / n**0.5 + 1.0 / d**0.5)
    rows = analyse(points, resamples=0).returns
    assert rows[-1].factor_next_percent is None
    assert rows[-1].gain_per_doubling_nats.value > 0


def test_seed_noise_is_found_and_pooled(analysis):
    assert {row.n_seeds for row in analysis.seed_noise} == {2}
    assert len(analysis.seed_noise) == 6 * len(HORIZONS)
    assert pooled(analysis.seed_noise) == pytest.approx(0.006, rel=0.4)


def test_equal_counts_in_another_shape_are_no_seed(points):
    other = points.assign(trial=points["trial"] + "x", seed=points["seed"] + 9, flops_train=points["flops_train"] * 1.2)
    both = analyse(pd.concat([points, other], ignore_index=True), resamples=0)
    assert {row.n_seeds for row in both.seed_noise} == {2}


def test_cuts_drop_points_with_their_rule(points):
    cut = analyse(points, Cuts(min_tokens=5e5, min_params=4_000), resamples=0)
    dropped = cut.fits["L(N,D)"].dropped
    assert {d.reason.split(" ")[1] for d in dropped} == {"min_tokens", "min_params"}
    assert len(dropped) + cut.fits["L(N,D)"].n_points == len(points)
    assert sum(not r.used for r in cut.residuals) == len(dropped)


def test_diverged_trials_and_broken_losses_are_dropped_with_the_reason(points):
    hurt = points.copy()
    hurt.loc[hurt["trial"] == "t10000-1", "state"] = "diverged"
    hurt.loc[0, "loss_nats"] = np.nan
    hurt.loc[1, "loss_nats"] = np.inf
    found = analyse(hurt, resamples=0)
    reasons = [d.reason for d in found.fits["L(N,D)"].dropped]
    assert reasons.count("the trial diverged") == len(HORIZONS)
    assert sum("loss_nats" in r for r in reasons) == 2
    assert len(found.notes) == 2


def test_trials_of_a_learning_rate_check_are_left_out(points):
    check = points[points["trial"] == "t10000-0"].assign(
        trial="check", lr_hidden=0.04, loss_nats=lambda f: f["loss_nats"] * 1.1
    )
    both = pd.concat([points.assign(lr_hidden=0.02), check], ignore_index=True)
    found = analyse(both, resamples=0)
    assert {d.trial for d in found.fits["L(N,D)"].dropped} == {"check"}
    assert found.fits["L(N,D)"].params == analyse(points, resamples=0).fits["L(N,D)"].params


def test_points_of_another_batch_of_compared_rows_are_another_law(points):
    other = points[points["seed"] == 0].assign(
        trial=lambda f: f["trial"] + "b", batch_rows=16, loss_nats=lambda f: f["loss_nats"] * 1.2
    )
    both = pd.concat([points.assign(batch_rows=64), other], ignore_index=True)
    found = analyse(both, resamples=0)
    assert {d.trial for d in found.fits["L(N,D)"].dropped} == set(other["trial"])
    assert "another batch" in found.fits["L(N,D)"].dropped[0].reason
    assert found.fits["L(N,D)"].params == analyse(points, resamples=0).fits["L(N,D)"].params
    without = analyse(points.assign(batch_rows=None), resamples=0)  # families whose rows have losses of their own
    assert not without.fits["L(N,D)"].dropped


def test_points_of_another_variant_of_the_model_are_another_law(points):
    other = points[points["seed"] == 0].assign(
        trial=lambda f: f["trial"] + "v", variant="position learned", loss_nats=lambda f: f["loss_nats"] * 1.2
    )
    both = pd.concat([points.assign(variant="position rotary"), other], ignore_index=True)
    found = analyse(both, resamples=0)
    assert {d.trial for d in found.fits["L(N,D)"].dropped} == set(other["trial"])
    assert "another variant" in found.notes[0]
    assert found.fits["L(N,D)"].params == analyse(points, resamples=0).fits["L(N,D)"].params


def test_mixed_validation_sets_are_refused(points):
    mixed = points.copy()
    mixed.loc[0, "validation_fingerprint"] = "another"
    with pytest.raises(UsageError, match="2 different validation sets"):
        analyse(mixed)


@pytest.mark.parametrize(
    ("sizes", "horizons", "absent", "present"),
    [
        (SIZES[:3], HORIZONS, {"L(N,D)", "L(N)", "L(C)", "heldout", "frontier", "returns"}, {"L(D)"}),
        (SIZES, HORIZONS[:2], {"L(N,D)", "L(D)", "heldout"}, {"L(N)", "L(C)"}),
        (SIZES[:4], HORIZONS, {"heldout"}, {"L(N,D)", "L(N)", "L(D)"}),
        (SIZES[:1], HORIZONS[:1], {"L(N,D)", "L(N)", "L(D)", "L(C)"}, set()),
    ],
)
def test_partial_sweeps_give_what_they_can(sizes, horizons, absent, present):
    found = analyse(sweep_points(sizes=sizes, horizons=horizons), resamples=50)
    assert absent <= set(found.missing)
    assert present <= set(found.fits)
    assert all(found.missing.values())


def test_no_points_at_all(points):
    found = analyse(points.iloc[:0])
    assert found.fits == {}
    assert {"L(N,D)", "frontier", "heldout", "seed_noise"} <= set(found.missing)


def test_another_parameter_count_is_named(points):
    found = analyse(points, resamples=0, params="non_embedding")
    assert found.fits["L(N,D)"].conventions["params"].startswith("non_embedding")
    assert found.heldout.rows[0][1] == pytest.approx(0.8 * SIZES[-1])
    with pytest.raises(UsageError, match="not a parameter count"):
        analyse(points, params="embedding")


def test_a_missing_column_is_named(points):
    with pytest.raises(UsageError, match="flops_train"):
        analyse(points.drop(columns="flops_train"))


def test_envelope_keeps_points_that_nothing_cheaper_beats():
    losses = np.array([3.0, 2.5, 2.7, 2.0])
    counts = np.array([[1.0, 1, 1, 1], [1, 0, 2, 1]])
    assert envelope_weights(losses, counts).tolist() == [[1, 1, 0, 1], [1, 0, 2, 1]]


def test_cuts_come_from_the_stored_sweep():
    assert Cuts.of_sweep({"spec": {"fit": {"min_tokens": 5e5, "min_params": None}}}) == Cuts(min_tokens=5e5)
    assert Cuts.of_sweep({"name": "x"}) == Cuts()


@pytest.mark.slow
def test_a_thousand_resamples_of_everything_are_fast(points):
    start = time.process_time()
    analyse(points, resamples=1000)
    assert time.process_time() - start < 6.0  # about one second on a quiet core
