"""What a better sample costs: in measured joules where a meter read them, else in FLOPs, with the reason said."""

import math

import pandas as pd
import pytest

from scaling.report.figures import quality
from scaling.report.look import Look

SIZES, HORIZONS = (1_000, 4_000, 16_000), (100_000, 200_000)
WHY = "this machine has no GPU counter"


def study(family, metric, values, measured, name="", shared=False):
    """One seed a size, made up: at the last horizon the quality is ``values``, and training takes a joule per GFLOP."""
    points, metrics, trials = [], [], []
    for n, last in zip(SIZES, values, strict=True):
        same = {"trial": f"t{n}", "family": family, "params_total": n}
        for tokens in HORIZONS:
            flops = 6.0 * n * tokens
            end = tokens == HORIZONS[-1]
            points.append(
                {
                    **same,
                    "tokens": tokens,
                    "flops_train": flops,
                    "loss_nats": last if metric is None and end else 9.0,
                    "energy_gpu_j": flops / 1e9 if measured else None,
                    "energy_gpu_provenance": "measured_counter" if measured else "unavailable",
                    "energy_gpu_shared": shared,
                }
            )
            told = {} if metric is None else {metric: last if end else 0.01, "other_scene": 0.02, "rebuilt_scene": 0.97}
            metrics += [{**same, "tokens": tokens, "metric": key, "value": value} for key, value in told.items()]
        cpu = {
            "energy_cpu_j": 50.0,
            "energy_cpu_provenance": "modelled_load",
            "energy_cpu_reason": "modelled by load",
        }
        gpu = {"energy_gpu_j": 1.0 if measured else None, "energy_gpu_reason": None if measured else WHY}
        trials.append({**same, **cpu, **gpu})
    columns = ["trial", "family", "params_total", "tokens", "metric", "value"]
    return quality.Judged(
        study=name,
        points=pd.DataFrame(points),
        trials=pd.DataFrame(trials),
        metrics=pd.DataFrame(metrics, columns=columns),
    )


def test_measured_joules_are_told_by_size_and_for_each_further_point():
    (ladder,) = quality.data([study("dalle", "sample_scene", (0.1, 0.5, 0.9), measured=True)])
    rows = ladder.rows
    assert ladder.why == ""
    assert rows["energy_j"].tolist() == pytest.approx([1.2, 4.8, 19.2])
    assert rows["j_per_point"].tolist()[1:] == pytest.approx([3.6 / 40, 14.4 / 40])
    assert math.isnan(rows["j_per_point"][0])  # nothing before the smallest
    assert (rows["guess"][0], rows["best"][0]) == (0.02, 0.97)
    panel = quality.panel([study("dalle", "sample_scene", (0.1, 0.5, 0.9), measured=True)], Look(SIZES))
    assert panel.claim == "Sample scene is 0.1 for 1.2 J and 0.9 for 19.2 J, measured"
    assert [choice.key for choice in panel.plots[0].choices] == ["energy", "flops"]
    assert "missing" not in panel.caption


def test_without_a_meter_flops_take_the_place_of_joules_and_the_reason_is_said():
    made = study("gpt", "validity", (0.2, 0.6, 0.8), measured=False, name="smiles")
    (ladder,) = quality.data([made])
    assert ladder.rows["energy_j"].isna().all()  # neither zero nor the modelled 50 J
    assert ladder.rows["flops_per_point"].tolist()[1:] == pytest.approx([3.6e9 / 40, 14.4e9 / 20])
    panel = quality.panel([made], Look(SIZES))
    assert f"Energy is missing in smiles: {WHY}; modelled by load." in panel.caption
    assert panel.claim == "smiles: validity is 0.2 for 1.20e9 FLOPs and 0.8 for 1.92e10 FLOPs of training"
    assert panel.plots[0].choices == ()
    keys = [column.key for column in panel.table.columns]
    cells = {row[keys.index("energy_j")] for row in panel.table.rows}
    assert cells == {None}
    assert keys.count("flops_per_point") == 1


def test_of_a_distance_less_is_better_and_no_gain_has_no_price():
    (ladder,) = quality.data([study("gan", None, (0.04, 0.01, 0.011), measured=True)])
    assert ladder.name == "distance"
    assert ladder.rows["j_per_point"].tolist()[1] == pytest.approx(3.6 / 75)  # 75 % less
    assert math.isnan(ladder.rows["j_per_point"][2])
    assert ladder.rows["points"][2] == pytest.approx(-10)


def test_a_processor_of_its_own_is_measured_too_and_shared_joules_are_none():
    made = study("gan", None, (0.04, 0.02, 0.01), measured=False)
    own = quality.Judged(
        study="",
        points=made.points,
        metrics=made.metrics,
        trials=made.trials.assign(energy_cpu_j=7.0, energy_cpu_provenance="measured_rapl"),
    )
    (ladder,) = quality.data([own])
    assert ladder.rows["energy_j"].tolist() == [7.0] * 3
    assert set(ladder.rows["part"]) == {"processors, the whole trial"}
    (shared,) = quality.data([study("gan", None, (0.04, 0.02, 0.01), measured=True, shared=True)])
    assert shared.rows["energy_j"].isna().all()
    assert shared.why == "others used the GPU at the same time"


def test_what_nobody_judges_is_absent():
    assert quality.data([study("gpt", "loss_text", (1.0, 0.5, 0.2), measured=True)]) == []
    panel = quality.panel([study("jepa", None, (0.5, 0.4, 0.3), measured=True)], Look(SIZES))
    assert panel.plots == ()
    assert panel.missing.startswith("Nothing that these models make is judged")
