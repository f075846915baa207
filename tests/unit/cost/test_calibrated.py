"""Calibration on a sweep of one's own: Tucano's counted joules as the sweep, its larger models as the run."""

import pandas as pd
import pytest

from scaling.cost.calibrated import calibrated
from scaling.cost.estimate import estimate
from scaling.cost.published import published_runs
from scaling.cost.request import Request
from scaling.errors import NotEnoughData
from scaling.store.measured import measured_energy

TUCANO = [r for r in published_runs() if r.family == "Tucano"]


def points(runs, **columns):
    rows = [
        {
            "trial": r.model,
            "params_total": r.params,
            "tokens": r.tokens,
            "flops_train": 6 * r.params * r.tokens,
            "train_s": r.gpu_hours * 3600,
            "energy_gpu_j": r.energy_gpu_kwh * 3.6e6,
            "energy_gpu_provenance": "measured_counter",
            "energy_gpu_shared": False,
        }
        for r in runs
    ]
    return pd.DataFrame(rows).assign(**columns)


def calibrate(runs, params, **columns):
    return calibrated("tucano", points(runs, **columns), pd.DataFrame({"device": []}), params)


def ask(runs, target):
    own = calibrate(runs, target.params)
    return own, estimate(Request(params=target.params, tokens=target.tokens, calibrated=own, pue=1.0, node_factor=1.0))


@pytest.mark.parametrize("known", [2, 3])
def test_the_next_size_is_predicted_within_five_percent(known):
    target = TUCANO[known]
    own, answer = ask(TUCANO[:known], target)
    assert answer.energy_gpu_kwh.mid == pytest.approx(target.energy_gpu_kwh, rel=0.05)
    assert answer.energy_gpu_kwh.low < target.energy_gpu_kwh < answer.energy_gpu_kwh.high
    assert [row.saturated for row in own.sizes] == [False, *[True] * (known - 1)]
    assert any("sub-saturated, left out: 1.62e+08" in text for text in own.warnings)


def test_hours_come_from_the_sweeps_speed():
    _, answer = ask(TUCANO[:3], TUCANO[3])
    assert answer.gpu_hours.low < TUCANO[3].gpu_hours < answer.gpu_hours.high


def test_without_a_plateau_it_says_so_and_is_less_sure():
    seen, rising = calibrate(TUCANO[:3], 7e9), calibrate(TUCANO[:2], 7e9)
    assert seen.plateau
    assert not rising.plateau
    assert any("no plateau" in text for text in rising.warnings)
    assert rising.j_per_flop.range.mid / rising.j_per_flop.range.low > (
        seen.j_per_flop.range.mid / seen.j_per_flop.range.low
    )


def test_shared_and_modelled_joules_stay_out():
    table = points(TUCANO)
    table.loc[0, "energy_gpu_shared"] = True
    table.loc[1, "energy_gpu_provenance"] = "modelled_load"
    assert measured_energy(table).tolist() == [False, False, True, True]


def test_speed_alone_still_calibrates():
    own = calibrate(TUCANO, 7e9, energy_gpu_j=None, energy_gpu_provenance="unavailable")
    assert own.j_per_flop is None
    answer = estimate(Request(params=7e9, tokens=1e12, calibrated=own, tdp_w=400))
    assert {"device speed", "board power"} <= {f.name for f in answer.assumptions}
    assert any("no energy was measured" in text for text in answer.warnings)


def test_neither_joules_nor_seconds_is_not_enough():
    with pytest.raises(NotEnoughData) as caught:
        calibrate(TUCANO, 7e9, energy_gpu_j=None, train_s=None)
    assert caught.value.exit_code == 4
