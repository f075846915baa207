"""Where more compute stops paying, against arithmetic by hand on a law whose optimum is known in closed form."""

import numpy as np
import pytest

from scaling.laws import Price, fit_loss_surface
from scaling.laws.frontier import FlopsPerToken
from scaling.laws.returns import rows, stops

# Besiroglu et al. 2024; at C = 6ND the best loss is E + K C^-g with g = alpha beta / (alpha + beta).
LAW = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}
G = LAW["alpha"] * LAW["beta"] / (LAW["alpha"] + LAW["beta"])
SIX = FlopsPerToken.six_n()


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(1)
    n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e12, 6)))
    loss = LAW["E"] + LAW["A"] / n ** LAW["alpha"] + LAW["B"] / d ** LAW["beta"]
    return fit_loss_surface(n, d, loss * np.exp(0.002 * rng.normal(size=len(n))), resamples=60)


def by_rule(found):
    return {stop.rule: stop for stop in found}


def test_at_the_stop_the_gain_is_the_threshold(fit):
    found = by_rule(stops(fit, SIX, 6e22, noise=0.004, price=Price(cost_per_flop=2e-18, nat_worth=1e6)))
    for rule, share in (("seed noise", 2 * np.sqrt(2) * 0.004), ("one percent", 0.01)):
        stop = found[rule]
        (row,) = rows(fit, np.array([stop.flops.value]), SIX)
        assert row.gain_per_doubling_nats.value / row.loss.value == pytest.approx(share, rel=1e-6)
        assert stop.flops.low < stop.flops.value < stop.flops.high
        assert stop.params.value * stop.tokens.value * 6 == pytest.approx(stop.flops.value, rel=1e-6)
        assert stop.loss.value == pytest.approx(row.loss.value, rel=1e-9)


def test_the_price_ends_where_a_flop_costs_what_its_loss_is_worth(fit):
    price = Price(cost_per_flop=2e-18, nat_worth=1e6)
    stop = by_rule(stops(fit, SIX, 6e22, noise=None, price=price))["price"]
    (row,) = rows(fit, np.array([stop.flops.value]), SIX, price)
    assert row.gain_per_cost_nats.value * price.nat_worth == pytest.approx(1.0, rel=1e-6)
    # -dL/dC = g (L - E) / C
    reducible = row.loss.value - fit.params["E"].value
    g = fit.params["alpha"].value * fit.params["beta"].value / (fit.params["alpha"].value + fit.params["beta"].value)
    assert g * reducible / stop.flops.value == pytest.approx(2e-24, rel=1e-6)
    dear = by_rule(stops(fit, SIX, 6e22, noise=None, price=Price(cost_per_flop=2e-17, nat_worth=1e6)))["price"]
    assert dear.flops.value < stop.flops.value


def test_what_is_not_known_or_out_of_reach_has_a_reason_and_no_number(fit):
    found = by_rule(stops(fit, SIX, 1e15, noise=None, price=None))
    assert found["seed noise"].flops is None
    assert "two seeds" in found["seed noise"].reason
    assert "--nat-worth" in found["price"].reason
    assert found["one percent"].flops is None
    assert "not within 100x" in found["one percent"].reason


def test_without_a_floor_a_doubling_always_buys_the_same_share(fit):
    n, d = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e7, 1e10, 5), np.geomspace(1e9, 1e12, 5)))
    bare = fit_loss_surface(n, d, 482 / n**0.35 + 2085 / d**0.37, floor=False, resamples=0)
    (stop,) = [s for s in stops(bare, SIX, 6e22, noise=None) if s.rule == "one percent"]
    assert stop.flops is None
    assert "never falls to it" in stop.reason
