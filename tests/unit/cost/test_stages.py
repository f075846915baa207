"""Fine-tuning, RLHF and serving, each apart."""

import pytest

from scaling.cost.estimate import estimate
from scaling.cost.request import Request
from scaling.hardware import find_accelerator

ASKED = {"params": 7e9, "tokens": 1e12, "match": find_accelerator("A100-SXM4-80GB")}


def by_name(**options):
    return {stage.name: stage for stage in estimate(Request(**ASKED, **options)).stages}


def test_only_what_was_asked_and_inference():
    assert set(by_name()) == {"inference"}
    assert set(by_name(finetune_tokens=1e9, rlhf_tokens=1e8)) == {"fine-tuning", "RLHF", "inference"}


def test_fine_tuning_is_training_on_fewer_tokens():
    tuned = by_name(finetune_tokens=1e9)["fine-tuning"].energy_kwh
    assert tuned.mid == pytest.approx(estimate(Request(**ASKED)).energy_site_kwh.mid / 1000)


def test_rlhf_is_dearer_than_fine_tuning_token_for_token():
    got = by_name(finetune_tokens=1e8, rlhf_tokens=1e8)
    assert got["RLHF"].energy_kwh.mid > 3 * got["fine-tuning"].energy_kwh.mid


def test_inference_and_break_even():
    got = by_name()["inference"]
    joules = 2 * 7e9 * 1e6 / (312e12 * 0.08) * 0.82 * 400 * 1.35 * 1.2
    assert got.energy_kwh.mid == pytest.approx(joules / 3.6e6)
    trained = estimate(Request(**ASKED)).energy_site_kwh.mid
    assert got.break_even_tokens.mid == pytest.approx(1e6 * trained / got.energy_kwh.mid)
    assert got.break_even_tokens.low < got.break_even_tokens.mid < got.break_even_tokens.high


def test_published_serving_energy_lies_in_the_range():
    """LLaMA-65B takes 3 to 4 J a token on V100 and A100 boards (Samsi et al. 2023, 2310.03003)."""
    asked = Request(params=65e9, tokens=1e12, match=find_accelerator("A100-SXM4-80GB"), node_factor=1.0, pue=1.0)
    span = estimate(asked).stages[-1].energy_kwh
    assert span.low * 3.6 < 3
    assert span.high * 3.6 > 3.5
