"""Energy as the budget, on a made-up sweep whose efficiency by size is known."""

import itertools

import numpy as np
import pytest
from support.synthetic_sweep import SIZES, sweep_points

from scaling.errors import NotEnoughData
from scaling.laws import Cuts, analyse
from scaling.laws.isojoule import EnergyOfCompute, isojoule

pytestmark = pytest.mark.slow

BASE = 1e-11  # joules per FLOP at the largest size


def metered(rising=0.0, smallest=1.0, **columns):
    """Joules per FLOP that fall as N^-rising; the smallest size wastes by a factor."""
    points = sweep_points(noise=0.002)
    size = points["params_total"]
    waste = np.where(size == min(SIZES), smallest, 1.0)
    joules = points["flops_train"] * BASE * (size / max(SIZES)) ** -rising * waste
    return points.assign(energy_gpu_j=joules, energy_gpu_provenance="measured_counter").assign(**columns)


@pytest.fixture(scope="module")
def fit():
    return analyse(sweep_points(noise=0.002), Cuts(), resamples=40).fits["L(N,D)"]


def test_where_a_flop_costs_the_same_everywhere_energy_and_compute_agree(fit):
    found = isojoule(metered(), fit)
    assert found.reason is None
    assert all(size.saturated for size in found.sizes)
    for row in found.rows:
        assert row.ratio.value == pytest.approx(1, abs=0.01)
        assert row.excess_nats.value == pytest.approx(0, abs=1e-5)
        assert row.flops == pytest.approx(row.energy_j / BASE, rel=0.02)
    assert found.eta.value == pytest.approx(1, abs=1e-6)


def test_where_larger_sizes_are_more_efficient_energy_asks_for_a_larger_one(fit):
    found = isojoule(metered(rising=0.02), fit)
    row = next(r for r in found.rows if r.extrapolation_factor == pytest.approx(1))
    assert row.ratio.low > 1
    assert row.excess_nats.value > 0
    assert found.eta.value < 1


def test_a_wasteful_size_is_shown_and_left_out(fit):
    found = isojoule(metered(smallest=3.0), fit)
    assert [size.saturated for size in found.sizes] == [False] + [True] * (len(SIZES) - 1)
    assert any(not p.saturated for p in found.spent)
    assert found.rows[-1].ratio.value == pytest.approx(1, abs=0.01)  # it did not bend the curve
    assert found.eta.value == pytest.approx(1, abs=1e-6)


def test_the_frontier_falls(fit):
    found = isojoule(metered(), fit)
    best = [p for p in found.spent if p.frontier]
    assert 5 < len(best) < len(found.spent)
    assert all(a.energy_j <= b.energy_j and a.loss_nats > b.loss_nats for a, b in itertools.pairwise(best))


def test_gain_per_kwh_is_the_slope_of_the_best_loss(fit):
    rows = isojoule(metered(rising=0.02), fit).rows
    for one, two in itertools.pairwise(rows):
        middle = np.sqrt(one.energy_j * two.energy_j) / 3.6e6
        slope = (one.loss.value - two.loss.value) / np.log(two.energy_j / one.energy_j) / middle
        assert slope == pytest.approx(np.sqrt(one.per_kwh_nats.value * two.per_kwh_nats.value), rel=0.05)


@pytest.mark.parametrize(
    "columns",
    [
        {"energy_gpu_j": None},
        {"energy_gpu_provenance": "modelled_load"},
        {"energy_gpu_shared": True},
    ],
)
def test_without_measured_energy_it_says_what_is_needed(fit, columns):
    with pytest.raises(NotEnoughData) as caught:
        isojoule(metered(**columns), fit)
    assert caught.value.exit_code == 4
    assert "energy_gpu_j" in caught.value.hint


def test_too_few_sizes_on_the_plateau_give_the_frontier_alone(fit):
    found = isojoule(metered(rising=0.5), fit)
    assert found.rows == ()
    assert "plateau" in found.reason
    assert found.spent


def test_energy_of_compute():
    found = EnergyOfCompute.of(metered())
    assert found.joules(1e12) == pytest.approx(10, rel=1e-3)
    assert EnergyOfCompute.of(metered(energy_gpu_j=None)) is None
