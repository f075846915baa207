import numpy as np
import pytest
from support.synthetic_sweep import TRUTH, sweep_points

from scaling.errors import UsageError
from scaling.laws.isoflop import isoflop
from scaling.laws.optimal import profile_bias
from scaling.laws.trunks import Points

EXPONENT = TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
CHINCHILLA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}


def profiles(alpha, beta, reach, drift=1.0):
    """Fifteen sizes within a factor ``reach`` of the optimum (drifting off it) at each of five budgets, no noise."""
    law = {**CHINCHILLA, "alpha": alpha, "beta": beta}
    best = (alpha * law["A"] / (beta * law["B"])) ** (1 / (alpha + beta))
    sizes, tokens = [], []
    for i, flops in enumerate(np.logspace(17, 21, 5)):
        centre = best * (flops / 6) ** (beta / (alpha + beta)) * drift ** (-i / 4)
        sizes.append(centre * np.geomspace(1 / reach, reach, 15))
        tokens.append(flops / 6 / sizes[-1])
    n, d = np.hstack(sizes), np.hstack(tokens)
    return law, n, d, law["E"] + law["A"] / n**alpha + law["B"] / d**beta


def ladder(noise=0.0, rng_seed=0):
    return sweep_points(
        sizes=np.geomspace(3e3, 3e5, 12), horizons=np.geomspace(3e4, 3e7, 13), noise=noise, rng_seed=rng_seed
    )


def columns(points):
    return (*(points[c].to_numpy() for c in ("params_total", "tokens", "loss_nats")), points["trial"])


@pytest.mark.parametrize(
    ("alpha", "beta", "reach", "drift", "method", "error"),
    [
        (0.31, 0.31, 16, 1, "parabola", 0.0),
        (0.34, 0.28, 2, 1, "parabola", -0.0033),
        (0.34, 0.28, 16, 1, "parabola", -0.0510),
        (0.34, 0.28, 16, 1, "cubic", 0.0016),
        (0.465, 0.155, 8, 1, "parabola", -0.1391),
        (0.465, 0.155, 16, 1, "parabola", -0.2312),
        (0.31, 0.31, 2, 3, "parabola", 0.0607),
        (0.31, 0.31, 16, 3, "parabola", 0.0169),
        (0.31, 0.31, 16, 3, "cubic", 0.0906),
        (0.34, 0.28, 8, 3, "parabola", 0.0694),
    ],
)
def test_bias_of_the_vertex_is_the_published_one(alpha, beta, reach, drift, method, error):
    """Error of D* at 1e24 FLOPs without any noise, arXiv 2603.22339."""
    law, n, d, loss = profiles(alpha, beta, reach, drift)
    bias = profile_bias(law, Points.of(n, d, loss), 1e24, method=method, window=None, checked=False)
    assert bias.tokens_error == pytest.approx(error, abs=5.1e-5)


def test_a_narrow_window_lessens_the_bias_and_the_sentence_says_it():
    law, n, d, loss = profiles(0.465, 0.155, 16)
    wide = profile_bias(law, Points.of(n, d, loss), 1e24, window=None)
    narrow = profile_bias(law, Points.of(n, d, loss), 1e24, window=2)
    assert abs(narrow.tokens_error) < abs(wide.tokens_error) / 4
    assert "23.1% too low" in wide.sentence
    law, n, d, loss = profiles(0.31, 0.31, 8)
    assert profile_bias(law, Points.of(n, d, loss), 1e24).sentence is None


def test_profiles_whose_centre_drifted_past_the_window_are_refused():
    _, n, d, loss = profiles(0.31, 0.31, 2, drift=3)
    found = isoflop(n, d, loss, resamples=0, window=None)
    assert found.profiles[0].reason is None
    assert "one-sided: the largest size" in found.profiles[-1].reason


@pytest.mark.parametrize("method", ["parabola", "cubic", "akima"])
def test_trunks_interpolated_to_equal_compute_recover_the_exponent(method):
    found = isoflop(*columns(ladder()), method=method, resamples=200)
    assert found.a.value == pytest.approx(EXPONENT, abs=0.004)
    assert found.a.low <= found.a.value <= found.a.high
    assert found.a.value + found.b.value == pytest.approx(1)
    assert [p.reason is None for p in found.profiles] == [False] * 2 + [True] * 5


def test_intervals_hold_the_truth_under_noise():
    found = [isoflop(*columns(ladder(0.003, seed)), resamples=200, method="cubic").a for seed in range(6)]
    assert sum(a.low <= EXPONENT <= a.high for a in found) >= 5


def test_cells_near_one_budget_are_one_profile():
    _, n, d, loss = profiles(0.34, 0.28, 8)
    steps = np.random.default_rng(0).uniform(0.995, 1.005, len(n))
    found = isoflop(n, d * steps, loss, resamples=0)
    assert len(found.profiles) == 5


def test_a_bent_down_profile_is_refused():
    sizes = np.geomspace(1e6, 1e8, 9)
    n = np.tile(sizes, 4)
    flops = np.repeat(np.logspace(17, 20, 4), 9)
    bump = np.log(sizes / 1e7) ** 2
    flat = np.where(sizes == sizes[3], 2.0, 3.0 - 0.05 * bump)  # the lowest loss is inside, the curve is not convex
    found = isoflop(n, flops / 6 / n, np.tile(flat, 4), resamples=0, window=None)
    assert found.a is None
    assert all("not convex" in p.reason for p in found.profiles)
    assert "0 of 4 profiles" in found.reason


def test_few_sizes_and_few_budgets_are_refused():
    _, n, d, loss = profiles(0.34, 0.28, 4)
    few = isoflop(n[:4], d[:4], loss[:4])
    assert "no budget is reached by 5 sizes" in few.reason
    two = isoflop(n[:30], d[:30], loss[:30], resamples=0)
    assert "exponents need 3" in two.reason
    assert two.profiles[0].params.value > 0
    named = isoflop(n[:18], d[:18], loss[:18], budgets=np.logspace(17, 18, 2), resamples=0)
    assert named.profiles[1].reason == "3 sizes, 5 needed"


def test_budgets_too_close_give_no_exponent():
    sizes = np.geomspace(1e6, 1e8, 9)
    n, flops = np.tile(sizes, 3), np.repeat([1e17, 1.3e17, 1.6e17], 9)
    loss = 2 + 0.01 * np.log(n / 1e7) ** 2
    assert "0.20 decades" in isoflop(n, flops / 6 / n, loss, resamples=0).reason


def test_a_profile_lost_in_noise_has_no_interval():
    rng = np.random.default_rng(4)
    sizes = np.geomspace(1e6, 1e8, 7)
    loss = 2 + 0.002 * np.log(sizes / 1e7) ** 2 + rng.normal(size=7) * 0.02
    loss[3] = loss.min() - 1e-3
    found = isoflop(sizes, 1e18 / 6 / sizes, loss, window=None).profiles[0]
    assert found.lost > 0.1
    assert found.params is None or found.params.low is None


def test_an_unknown_curve_and_bad_numbers_are_refused():
    with pytest.raises(UsageError, match="is no curve"):
        isoflop([1.0], [1.0], [1.0], method="spline")
    with pytest.raises(UsageError, match="finite"):
        isoflop([1.0, np.nan], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(UsageError, match="2 params"):
        isoflop([1.0, 2.0], [1.0], [1.0])
    with pytest.raises(UsageError, match="trials"):
        isoflop([1.0], [1.0], [1.0], ["a", "b"])


def test_budgets_read_between_horizons_lie_apart():
    from scaling.laws.trunks import APART, common_budgets, trunks

    def budgets(reach):
        n = np.repeat(np.geomspace(1e4, 1e6, 6), 2)
        flops = np.tile([1e12, 1e12 * reach], 6) * np.repeat(np.geomspace(1, 1.3, 6), 2)
        parts = trunks(n, flops, 2 + 1e3 / n**0.5, np.repeat(np.arange(6), 2))
        return common_budgets(parts, flops)

    narrow, wide = budgets(1.2), budgets(30.0)
    assert len(narrow) == 1  # five sizes meet over a few percent only: one budget, not seven
    assert len(wide) == 7
    assert np.diff(np.log(wide)).min() >= APART
