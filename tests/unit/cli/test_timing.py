"""A forecast that was far off says so after the run, with the command that mends it."""

import pytest
from support.calibrated import make_calibration

from scaling.cli.timing import Expected
from scaling.cost.forecast import Forecast


def expected(seconds):
    found = Forecast(seconds=seconds, train_s=seconds, seconds_reason=None, energy_j=None, energy_reason="no meter")
    return Expected(forecasts={"t0": found}, slots=1, calibration=make_calibration(), groups=[["t0"]])


@pytest.mark.parametrize("took_s", [100.0, 900.0])
def test_a_run_far_from_its_forecast_doubts_the_calibration(took_s):
    said = expected(400.0).astray(took_s)
    assert make_calibration().measured in said
    assert "scaling doctor --calibrate" in said


@pytest.mark.parametrize(("predicted_s", "took_s"), [(400.0, 250.0), (400.0, 790.0), (20.0, 5.0)])
def test_a_run_near_its_forecast_or_too_short_to_tell_says_nothing(predicted_s, took_s):
    assert expected(predicted_s).astray(took_s) is None


def test_a_run_that_only_waits_for_trials_of_an_earlier_one_has_no_forecast_to_doubt():
    assert Expected(forecasts={}, slots=1, calibration=make_calibration(), groups=[]).astray(900.0) is None


def test_without_a_calibration_there_is_nothing_to_doubt():
    found = Expected(forecasts={"t0": Forecast.missing("uncalibrated")}, slots=1, calibration=None, groups=[["t0"]])
    assert found.astray(900.0) is None
