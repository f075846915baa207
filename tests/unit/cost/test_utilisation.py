"""The rules of utilisation say what their evidence says."""

import math
import statistics

import pytest

from scaling.cost.utilisation import evidence, utilisation_factor
from scaling.hardware import find_accelerator


def card(name):
    return find_accelerator(name).accelerator


def mid(*args, **options):
    return utilisation_factor(*args, **options).range.mid


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def test_evidence_is_sane():
    found = evidence()
    assert len(found) >= 20
    assert all(0.03 < e.mfu < 0.6 and e.source for e in found)
    assert {e.model: e.mfu for e in found}["MPT-7B"] == pytest.approx(0.354, abs=0.001)


def test_large_dense_models_sit_at_the_mean_of_theirs():
    large = [e.mfu for e in evidence() if e.params >= 2.5e9 and not e.sparse]
    assert len(large) >= 8
    assert mid(7e9, card("A100")) == pytest.approx(geometric_mean(large), rel=0.10)


def test_an_eighty_percent_range_holds_about_eighty_percent_of_the_evidence():
    def inside(e):
        r = utilisation_factor(e.params, e.accelerator, e.count, 10 * e.params if e.sparse else None).range
        return r.low <= e.mfu <= r.high

    assert 0.70 <= statistics.fmean(map(inside, evidence())) <= 0.90


def test_sparse_models_reach_less_by_what_one_lab_saw():
    by_name = {e.model: e.mfu for e in evidence()}
    ratios = [by_name[f"DeepSeek-{v} (sparse)"] / by_name["DeepSeek-67B"] for v in ("V2", "V3")]
    dense, sparse = mid(37e9, card("H800")), mid(37e9, card("H800"), params_total=671e9)
    assert sparse / dense == pytest.approx(geometric_mean(ratios), rel=0.02)


@pytest.mark.parametrize("params", [1e8, 1e9, 2.9e9])
def test_small_models_reach_less_and_are_less_sure(params):
    small, large = (utilisation_factor(n, card("A100")).range for n in (params, 7e9))
    assert small.mid < large.mid
    assert small.high / small.low > large.high / large.low


def test_no_jump_where_the_size_rule_begins():
    assert mid(2.999e9, card("A100")) == pytest.approx(mid(3e9, card("A100")), rel=1e-3)


def test_device_classes():
    assert mid(7e9, card("V100")) == 0.20
    assert mid(6e7, card("P100-SXM2")) > mid(6e7, card("V100"))  # no matrix units: its low peak is within reach
    assert mid(7e9, card("TPU v4")) > mid(7e9, card("A100")) > mid(7e9, card("MI250X"))
    assert mid(1e8, card("A100"), 1) < mid(1e8, card("A100"), 8)
    assert mid(7e9, None) == mid(7e9, card("A100"))
