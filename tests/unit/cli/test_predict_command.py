"""predict: a budget's best split, one run's loss, and the refusal to go too far."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.synthetic_sweep import sweep_points, true_loss

from scaling.laws.frontier import MAX_EXTRAPOLATION

pytestmark = pytest.mark.slow


@pytest.fixture
def ladder(scaling):
    """A table like the quickstart's: sizes of thousands of parameters, millions of tokens, C = 6ND."""
    points = sweep_points(noise=0.003, horizons=(2.5e5, 5e5, 1e6, 2e6))
    frame = points[["trial", "params_total", "tokens", "loss_nats", "seed"]]
    frame.to_csv("ladder.csv", index=False)
    return pd.DataFrame({"flops": 6 * frame["params_total"] * frame["tokens"]})["flops"].max()


def predict(scaling, *arguments, resamples="40"):
    return scaling("predict", "ladder.csv", "--resamples", resamples, *arguments)


def test_a_budget_far_beyond_the_data_is_refused_with_the_nearest_that_can_be_answered(scaling, ladder):
    result = predict(scaling, "--flops", "1e20")
    assert result.code == 4
    assert result.out == ""
    assert f"{1e20 / ladder:.3g}x the largest fitted compute" in result.err
    assert "--extrapolate" in result.err
    nearest = result.err.split("--flops ")[1].split(";")[0]
    assert 0.99 * MAX_EXTRAPOLATION * ladder < float(nearest) <= MAX_EXTRAPOLATION * ladder
    assert predict(scaling, "--flops", nearest).code == 0


def test_extrapolation_must_be_asked_for_and_is_warned_of(scaling, ladder):
    result = predict(scaling, "--flops", "1e20", "--extrapolate", "--json")
    assert result.code == 0
    prediction = json.loads(result.out)["prediction"]
    assert prediction["extrapolation_factor"] == pytest.approx(1e20 / ladder)
    assert any("nothing checks the law that far" in warning for warning in prediction["warnings"])


def test_a_budget_gets_the_best_split_of_the_true_law(scaling, ladder):
    result = predict(scaling, "--flops", "2e12", "--json", resamples="200")
    found = json.loads(result.out)["prediction"]
    sizes = np.geomspace(1e3, 1e7, 4000)
    losses = np.array([true_loss(n, 2e12 / 6 / n) for n in sizes])
    assert found["loss"]["value"] == pytest.approx(losses.min(), rel=0.01)
    assert found["params"]["low"] < sizes[losses.argmin()] < found["params"]["high"]
    assert found["loss"]["low"] < found["loss"]["value"] < found["loss"]["high"]
    assert 6 * found["params"]["value"] * found["tokens"]["value"] == pytest.approx(2e12, rel=0.02)
    assert "6ND" in found["flops_convention"]


def test_a_run_gets_the_loss_of_the_true_law(scaling, ladder):
    result = predict(scaling, "--params", "500k", "--tokens", "5M", "--json")
    found = json.loads(result.out)["prediction"]
    assert found["loss"]["value"] == pytest.approx(true_loss(5e5, 5e6), rel=0.01)
    assert found["loss_of_run"]["low"] < found["loss"]["low"] < found["loss"]["high"] < found["loss_of_run"]["high"]
    assert found["params"] == {"value": 5e5, "low": None, "high": None}
    assert found["optimal"] is False
    assert found["extrapolation_factor"] == pytest.approx(6 * 5e5 * 5e6 / ladder, rel=0.01)


def test_a_run_too_far_is_refused_with_the_tokens_that_can_be_answered(scaling, ladder):
    result = predict(scaling, "--params", "7B", "--tokens", "1T")
    assert result.code == 4
    nearest = result.err.split("that can be answered is ")[1].split(";")[0].split()
    again = predict(scaling, *nearest, "--json")
    assert again.code == 0
    assert any("parameters lie far outside" in w for w in json.loads(again.out)["prediction"]["warnings"])


def test_people_read_which_law_how_sure_and_how_far(scaling, ladder):
    result = predict(scaling, "--flops", "2e12")
    for text in ("best parameters N", "x the largest fitted compute", "E + A/N^alpha", "alpha", "intervals: 95 %"):
        assert text in result.out
    assert "N: total" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--flops", "1e12", "--params", "1M", "--tokens", "1M"),
        ("--params", "1M"),
        ("--flops", "plenty"),
        ("--flops", "-1e12"),
    ],
)
def test_a_question_that_is_none_is_a_usage_error(scaling, arguments):
    result = scaling("predict", "ladder.csv", *arguments)
    assert result.code == 2
    assert "next:" in result.err


def test_without_a_law_there_is_no_prediction(scaling):
    Path("few.csv").write_text("params,tokens,loss\n1e6,1e8,3\n1e7,1e8,2\n")
    result = scaling("predict", "few.csv", "--flops", "1e16")
    assert result.code == 4
    assert "L(N,D) needs" in result.err


def test_a_budget_of_hours_on_named_devices(scaling):
    points = sweep_points(horizons=(2.5e5, 5e5, 1e6, 2e6), seeds=lambda n: 1)
    points[["trial", "params_total", "tokens", "loss_nats"]].to_csv("a.csv", index=False)
    args = ("predict", "a.csv", "--hours", "24", "--gpus", "4xA100", "--resamples", "0")
    refused = scaling(*args)
    assert refused.code == 4
    assert "predict.too_far" in refused.err
    document = json.loads(scaling(*args, "--extrapolate", "--json").out)
    assert document["budget"]["cost"]["days"]["mid"] == pytest.approx(1.0)
    assert document["prediction"]["flops"] == pytest.approx(document["budget"]["flops"]["mid"])
    assert scaling(*args, "--kwh", "3").code == 2
    assert scaling("predict", "a.csv", "--kwh", "3", "--resamples", "0").code == 4
