import pytest

from scaling.cost.forecast import Calibration, forecast, total
from scaling.spec import expand
from scaling.spec.schema import DataIdentity, SweepSpec

IDENTITY = DataIdentity(
    source="path",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="ascii",
    vocab_size=128,
    train_tokens=9_000_000,
    validation_tokens=65_536,
    validation_bytes=65_536,
    context=128,
)


@pytest.fixture(scope="module")
def trial():
    document = {"schema": 1, "name": "a", "trials": [{"ladder": {"sizes": ["300k"], "horizons": [1_024_000]}}]}
    return expand(SweepSpec.model_validate(document), IDENTITY, {})[0]


def test_without_a_calibration_nothing_is_guessed(trial):
    predicted = forecast(trial, None)
    assert (predicted.seconds, predicted.energy_j) == (None, None)
    assert (predicted.seconds_reason, predicted.energy_reason) == ("uncalibrated", "uncalibrated")


def test_time_is_overhead_per_step_plus_work(trial):
    calibration = Calibration(device="cpu", step_overhead_s=0.002, flops_per_s=1e10, power_w=50.0)
    predicted = forecast(trial, calibration)
    assert predicted.seconds == pytest.approx(1000 * 0.002 + trial.flops_total / 1e10)
    assert predicted.energy_j == pytest.approx(50 * predicted.seconds)
    assert predicted.seconds_reason is predicted.energy_reason is None


def test_a_sum_lacks_what_one_part_lacks(trial):
    measured = Calibration(device="a", step_overhead_s=0.0, flops_per_s=1e10, power_w=50.0)
    no_counter = Calibration(device="b", step_overhead_s=0.0, flops_per_s=1e10, power_reason="no counter")
    both = total([forecast(trial, measured), forecast(trial, no_counter)])
    assert both.seconds == pytest.approx(2 * trial.flops_total / 1e10)
    assert both.energy_j is None
    assert both.energy_reason == "no counter"
    assert total([forecast(trial, measured)] * 3).energy_j == pytest.approx(150 * trial.flops_total / 1e10)


@pytest.mark.parametrize(
    "wrong",
    [
        {"flops_per_s": 0.0, "power_w": 1.0},
        {"flops_per_s": 1.0, "step_overhead_s": -1.0, "power_w": 1.0},
        {"flops_per_s": 1.0},
        {"flops_per_s": 1.0, "power_w": 1.0, "power_reason": "both"},
    ],
)
def test_a_calibration_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=r"calibration|power"):
        Calibration(**{"device": "x", "step_overhead_s": 0.0, **wrong})
