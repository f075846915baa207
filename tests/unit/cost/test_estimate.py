"""The estimate: its arithmetic, its anchors, and what it refuses to say."""

import json

import pytest

from scaling.cost.document import to_json
from scaling.cost.estimate import estimate
from scaling.cost.grid import given_intensity
from scaling.cost.request import Request
from scaling.errors import UsageError
from scaling.hardware import find_accelerator


def ask(**options):
    if "gpu" in options:
        options["match"] = find_accelerator(options.pop("gpu"))
    return estimate(Request(**options))


GPT3 = {"params": 175e9, "tokens": 300e9, "gpu": "V100"}


def test_gpt3_site_energy_holds_the_published_figure():
    site = ask(**GPT3).energy_site_kwh
    assert site.low < 1_287_000 < site.high
    assert site.mid == pytest.approx(1_287_000, rel=0.30)


def test_formula_with_everything_given():
    got = ask(
        flops=3.6e21,
        peak_flops_per_s=1e14,
        tdp_w=500,
        mfu=0.5,
        goodput=0.8,
        node_factor=1.5,
        pue=1.2,
        count=10,
        price_per_kwh=0.1,
        price_per_gpu_hour=2,
        intensity=given_intensity(100),
    )
    hours = 3.6e21 / (1e14 * 0.5 * 0.8) / 3600
    gpu_kwh = hours * 0.41  # 0.82 of 500 W
    assert got.gpu_hours.mid == pytest.approx(hours)
    assert got.gpu_hours.low == got.gpu_hours.high  # nothing uncertain is left in it
    assert got.days.mid == pytest.approx(hours / 240)
    assert got.energy_gpu_kwh.mid == pytest.approx(gpu_kwh)
    assert got.energy_site_kwh.mid == pytest.approx(gpu_kwh * 1.8)
    assert got.carbon_t.mid == pytest.approx(gpu_kwh * 1.8 * 1e-4)
    assert got.electricity_cost.mid == pytest.approx(gpu_kwh * 0.18)
    assert got.rental_cost.mid == pytest.approx(2 * hours)
    assert got.missing.keys() == {"memory", "devices_at_least", "embodied", "inference"}


def test_site_is_above_boards():
    got = ask(**GPT3)
    for end in ("low", "mid", "high"):
        assert getattr(got.energy_site_kwh, end) > getattr(got.energy_gpu_kwh, end)
    assert got.energy_gpu_kwh.low < got.energy_gpu_kwh.mid < got.energy_gpu_kwh.high


def test_what_is_not_given_is_missing_with_a_reason():
    got = ask(**GPT3)
    assert (got.days, got.carbon_t, got.electricity_cost, got.rental_cost) == (None, None, None, None)
    assert set(got.missing) == {"days", "carbon", "embodied", "electricity_cost", "rental_cost"}


def test_too_few_devices_are_a_warning():
    got = ask(**GPT3, count=8)
    assert got.memory.state == 16 * 175e9
    assert any("cannot hold" in text for text in got.warnings)
    assert not any("cannot hold" in text for text in ask(**GPT3, count=1000).warnings)


def test_choice_among_cards_is_a_warning():
    assert any("fits 3 cards" in text for text in ask(**GPT3).warnings)


def test_given_mfu_brings_downtime_in():
    names = {f.name: f for f in ask(**GPT3, mfu=0.4).assumptions}
    assert names["MFU"].provenance == "given"
    assert names["goodput"].range.mid == 0.9


def test_small_models_are_less_sure():
    big, small = ask(params=7e9, tokens=1e12, gpu="A100"), ask(params=1e8, tokens=1e10, gpu="A100")
    width = [e.energy_gpu_kwh.high / e.energy_gpu_kwh.low for e in (big, small)]
    assert width[0] < width[1]


def test_desktop_card_has_no_data_centre():
    names = {f.name: f for f in ask(params=1e9, tokens=1e10, gpu="RTX 4090").assumptions}
    assert names["PUE"].range.high == 1.0
    assert names["node factor"].range.mid == pytest.approx(1 + 87 / 369)


def test_published_mean_power_wins_over_the_rating():
    names = {f.name: f for f in ask(params=1e9, tokens=1e10, gpu="TPU v3").assumptions}
    assert names["board power"].range.mid == 220
    assert names["board power"].provenance == "published"


def test_every_assumption_has_a_source():
    for factor in ask(**GPT3).assumptions:
        assert factor.source
        assert factor.range.low <= factor.range.mid <= factor.range.high


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"params": 1e9, "gpu": "V100"}, "estimate.no_work"),
        ({"params": 1e9, "tokens": 1e9}, "estimate.no_hardware"),
        ({"params": 1e9, "tokens": 1e9, "peak_flops_per_s": 1e14}, "estimate.no_hardware"),
        ({"params": -1e9, "tokens": 1e9, "gpu": "V100"}, "estimate.not_positive"),
        ({**GPT3, "tdp_w": 0}, "estimate.not_positive"),
        ({**GPT3, "count": 0}, "estimate.not_positive"),
        ({**GPT3, "mfu": float("nan")}, "estimate.not_positive"),
        ({**GPT3, "mfu": 1.2}, "estimate.bad_share"),
        ({**GPT3, "pue": 0.9}, "estimate.bad_factor"),
        ({"params": 1e9, "tokens": 1e9, "gpu": "Trainium1"}, "estimate.no_power"),
        ({**GPT3, "params_total": 1e9}, "estimate.total_below_active"),
        ({**GPT3, "rlhf_tokens": 0}, "estimate.not_positive"),
    ],
)
def test_refusals(options, code):
    with pytest.raises(UsageError) as caught:
        ask(**options)
    assert caught.value.code == code


def test_json_is_plain_and_says_null_for_missing():
    document = json.loads(json.dumps(to_json(ask(**GPT3)), allow_nan=False))
    assert set(document["energy_gpu_kwh"]) == {"low", "mid", "high"}
    assert set(document["energy_site_kwh"]) == {"low", "mid", "high"}
    assert document["carbon"]["tco2e"] is None
    assert "--region" in document["carbon"]["reason"]
    assert document["days"] is None
    assert document["cost"] == {"electricity": None, "rental": None}
    assert document["schema"] == 2
    assert {"name", "low", "mid", "high", "provenance", "source"} <= set(document["assumptions"][0])


def test_shares_of_the_interval_add_up_and_the_widest_comes_first():
    got = ask(**GPT3)
    assert sum(s.share for s in got.tornado) == pytest.approx(1)
    assert got.tornado[0].name == "MFU of the whole run"
    for swing in got.tornado:
        assert got.energy_site_kwh.low <= swing.low < got.energy_site_kwh.mid < swing.high <= got.energy_site_kwh.high


def test_embodied_carbon_stands_apart():
    plain, asked = (ask(**GPT3, intensity=given_intensity(100), embodied=e) for e in (False, True))
    assert plain.embodied_t is None
    assert "--embodied" in plain.missing["embodied"]
    assert asked.carbon_t == plain.carbon_t
    hours = asked.gpu_hours.mid
    assert asked.embodied_t.mid == pytest.approx(hours * 220 / (4 * 8766 * 0.75) / 1000, rel=1e-3)


def test_a_tiny_model_is_warned_of():
    assert any("no published run is this small" in w for w in ask(params=1e6, tokens=1e9, gpu="A100").warnings)
