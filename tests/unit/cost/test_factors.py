"""How uncertainties of a product are added up."""

import math

import numpy as np
import pytest

from scaling.cost.factors import Factor, Range, combine


def factor(low, mid, high):
    span = Range(low=low, mid=mid, high=high)
    return Factor(name="x", unit="", range=span, provenance="default", source="test")


def certain(value):
    return Factor.certain("x", value, "given", "test")


def test_certain_factors_have_no_width():
    assert combine([certain(6), certain(2)], [certain(3)]) == Range(low=4, mid=4, high=4)


def test_one_factor_keeps_its_range():
    got = combine([factor(2, 4, 10)])
    assert (got.low, got.mid, got.high) == pytest.approx((2, 4, 10))


def test_a_divisor_turns_its_range_round():
    got = combine([certain(12)], [factor(2, 4, 6)])
    assert (got.low, got.mid, got.high) == pytest.approx((2, 3, 6))


def test_deviations_add_in_quadrature():
    got = combine([factor(0.5, 1, 2), factor(0.5, 1, 2)])
    assert math.log(got.high) == pytest.approx(math.sqrt(2) * math.log(2))


def test_closed_form_agrees_with_simulation():
    z = 1.2815515655446004  # 90th percentile of the normal: an 80 % interval is +- z sigma
    factors = [(0.8, 1.0, 1.25), (0.5, 1.0, 2.0), (0.9, 1.0, 1 / 0.9)]
    rng = np.random.default_rng(0)
    logs = sum(rng.normal(0, math.log(high) / z, 200_000) for _, _, high in factors)
    got = combine([factor(*f) for f in factors])
    assert math.log(got.low) == pytest.approx(np.quantile(logs, 0.1), abs=0.01)
    assert math.log(got.high) == pytest.approx(np.quantile(logs, 0.9), abs=0.01)
