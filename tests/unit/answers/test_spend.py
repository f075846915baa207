"""Budgets of energy, money and hours: the run they buy takes them, and what is unknown is refused."""

from dataclasses import replace

import pandas as pd
import pytest
from support.synthetic_sweep import sweep_points

from scaling.answers.analysed import Law
from scaling.answers.spend import Budget, buy
from scaling.cost.calibrated import calibrated
from scaling.cost.request import Request
from scaling.errors import NotEnoughData, UsageError
from scaling.hardware import find_accelerator
from scaling.laws import Cuts, analyse
from scaling.laws.frontier import FlopsPerToken

pytestmark = pytest.mark.slow

J_PER_FLOP = 1e-11


@pytest.fixture(scope="module")
def points():
    frame = sweep_points(noise=0.002, seeds=lambda n: 1)
    joules = J_PER_FLOP * frame["flops_train"]
    return frame.assign(
        energy_gpu_j=joules, energy_gpu_provenance="measured_counter", train_s=frame["flops_train"] / 1e10
    )


@pytest.fixture(scope="module")
def law(points):
    fit = analyse(points, Cuts(), resamples=20, full=False).fits["L(N,D)"]
    n, d = points["params_total"].to_numpy(), points["tokens"].to_numpy()
    return Law(name="own", fit=fit, flops=FlopsPerToken.six_n(), params=n, tokens=d, compute=6 * n * d)


def own(points, **columns):
    table, trials = points.assign(**columns), pd.DataFrame({"device": []})
    return lambda params: calibrated("own", table, trials, params)


def test_a_budget_of_energy_on_the_sweeps_own_device(points, law):
    kwh = 10 * law.largest * J_PER_FLOP / 3.6e6
    found = buy(law, Budget(kind="kwh", amount=kwh), Request(count=1, pue=1.0, node_factor=1.0), own(points))
    assert found.flops.mid == pytest.approx(10 * law.largest, rel=1e-6)
    assert found.flops.low < found.flops.mid < found.flops.high
    assert found.loss_at_low > found.prediction.loss.value > found.loss_at_high
    assert found.cost.energy_site_kwh.mid == pytest.approx(kwh, rel=1e-6)


@pytest.mark.parametrize("kind", ["kwh", "money", "hours"])
def test_the_run_that_is_bought_takes_the_budget(law, kind):
    asked = Request(match=find_accelerator("A100-SXM4-80GB"), count=4, price_per_gpu_hour=2.0)
    amount = {"kwh": 1e-4, "money": 1e-3, "hours": 1e-4}[kind]
    found = buy(law, Budget(kind=kind, amount=amount), asked, extrapolate=True)
    cost = found.cost
    taken = {"kwh": cost.energy_site_kwh.mid, "money": cost.rental_cost.mid, "hours": cost.days.mid * 24}[kind]
    assert taken == pytest.approx(amount, rel=1e-6)
    assert found.prediction.params.value * found.prediction.tokens.value * 6 == pytest.approx(found.flops.mid)


def test_hours_without_joules_are_reckoned_by_speed_alone(points, law):
    unmetered = own(points, energy_gpu_j=None, energy_gpu_provenance="unavailable")
    hours = law.largest / 1e10 / 3600
    found = buy(law, Budget(kind="hours", amount=hours), Request(count=1), unmetered)
    assert found.cost is None
    assert found.flops.mid == pytest.approx(0.9 * law.largest, rel=1e-6)  # goodput
    with pytest.raises(NotEnoughData, match="measured no energy"):
        buy(law, Budget(kind="kwh", amount=1e-6), Request(count=1), unmetered)


def test_beyond_the_law_it_is_refused_with_what_can_be_answered(points, law):
    far = Budget(kind="kwh", amount=1000 * law.largest * J_PER_FLOP / 3.6e6)
    asked = Request(count=1, pue=1.0, node_factor=1.0)
    with pytest.raises(NotEnoughData) as caught:
        buy(law, far, asked, own(points))
    assert caught.value.exit_code == 4
    assert f"--kwh {far.amount / 10:.3g}" in caught.value.hint
    assert buy(law, far, asked, own(points), extrapolate=True).prediction.warnings


def test_money_needs_a_price(law):
    asked = Request(match=find_accelerator("A100-SXM4-80GB"), count=1)
    with pytest.raises(UsageError) as caught:
        buy(law, Budget(kind="money", amount=1.0), asked, extrapolate=True)
    assert caught.value.code == "predict.no_price"
    electricity = buy(law, Budget(kind="money", amount=1.0), replace(asked, price_per_kwh=0.2), extrapolate=True)
    assert electricity.cost.electricity_cost.mid == pytest.approx(1.0, rel=1e-6)
