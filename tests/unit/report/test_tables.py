import dataclasses

import pytest

from scaling.meters import nvml, trace
from scaling.provenance import Provenance, Reading
from scaling.report.tables import everything, fits, provenance, timing, trials
from scaling.store.timing import RunTiming


def rows(table):
    return [dict(zip([c.key for c in table.columns], row, strict=True)) for row in table.rows]


def test_failed_and_diverged_trials_keep_their_reasons(material):
    found = {r["state"]: r["reason"] for r in rows(trials.failures(material))}
    assert found == {"failed": "killed: signal 9 (out of memory?)", "diverged": "loss is NaN at step 312"}


def test_active_parameters_have_a_column_where_they_are_not_all(material):
    def keys(frame):
        return [c.key for c in trials.trials(dataclasses.replace(material, trials=frame)).columns]

    every = material.trials
    assert "params_active" not in keys(every)
    assert "params_active" not in keys(every.assign(params_active=every["params_total"]))
    mixture = every.assign(params_active=every["params_total"] // 3)
    assert keys(mixture).index("params_active") == keys(mixture).index("params_total") + 1


def test_a_point_left_out_of_every_fit_is_listed_once(material):
    found = rows(trials.exclusions(material))
    assert len(found) == len({(r["label"], r["tokens"]) for r in found}) == 24
    assert {r["fits"] for r in found} == {"all fits"}


def test_provenance_tells_measured_modelled_and_missing(material, measured):
    found = {r["quantity"]: r for r in rows(provenance.provenance(material))}
    assert found["GPU energy of the trials"]["kind"] == "missing"
    assert found["GPU energy of the trials"]["total"] is None
    assert found["CPU energy of the trials"]["kind"] == "modelled"
    assert found["Throughput"]["kind"] == "measured"
    assert found["MFU"]["reason"] == "peak FLOP/s of this processor is not known"
    assert rows(provenance.provenance(measured))[0]["kind"] == "measured"


def test_the_whole_machine_stands_apart(material):
    reading = Reading(value=3.6e6, provenance=Provenance.MODELLED_LOAD, reason="TDP times load").to_json()
    host = {"energy_cpu_j": reading, "energy_ram_j": Reading.missing("no counter").to_json(), "seconds": 4.0}
    found = rows(provenance.provenance(dataclasses.replace(material, host=host)))[-2:]
    assert [(r["kind"], r["total"]) for r in found] == [("modelled", "1 kWh"), ("missing", None)]


def test_slot_seconds_add_up_to_the_wall_time(material):
    found = rows(timing.seconds(material))
    assert sum(r["seconds"] for r in found) == pytest.approx(material.trials["wall_s"].sum())
    assert sum(r["share"] for r in found) == pytest.approx(1)


RUN = RunTiming(
    began="2026-01-02T03:04:05+00:00",
    slots=2,
    phases_s={"plan": 1.0, "train": 5000.0, "fit": 2.0},
    trials=("a",),
    predicted_trial_s={"a": 3.0},
    predicted_train_s=4000.0,
    predicted_energy_j=None,
    calibrated=None,
    reason=None,
)


def test_a_run_s_own_phases_and_idle_slots_complete_the_slot_time(material):
    whole = dataclasses.replace(material, timings=(RUN,))
    table = timing.seconds(whole)
    found = {r["phase"]: r for r in rows(table)}
    assert found["fit"]["seconds"] == 4.0
    assert found["report"]["seconds"] is None  # the page cannot know its own
    assert found["idle"]["seconds"] == pytest.approx(10_000 - material.trials["wall_s"].sum())
    assert sum(r["seconds"] or 0 for r in found.values()) == pytest.approx(2 * 5003)
    assert f"{found['train']['share']:.0%} in training steps" in table.caption


def test_a_whole_run_stands_beside_its_forecast(material):
    predicted = material.trials.assign(wall_predicted_s=material.trials["wall_s"])
    found = rows(timing.wall_time(dataclasses.replace(material, trials=predicted, timings=(RUN,))))[-1]
    assert found["label"].startswith("all 1 trials of the run of 2026")
    assert found["ratio"] == 1.25


def test_predicted_wall_time_appears_only_where_predicted(material):
    assert timing.wall_time(material) is None
    predicted = material.trials.assign(wall_predicted_s=material.trials["wall_s"] * 2)
    found = rows(timing.wall_time(dataclasses.replace(material, trials=predicted)))
    assert {r["ratio"] for r in found} == {0.5}


def test_fits_show_signs_of_convergence_and_export_full_precision(material):
    table = fits.fits(material)
    shown = {row[0]: row[1] for row in table.printed.rows}
    fit = material.analysis.fits["L(N,D)"]
    assert {"Form", "E", "α", "β", "Gradient norm", "Starts agreeing", "Intervals by"} <= set(shown)
    assert shown["AICc (n = trials)"] == f"−{-fit.aicc:.1f}"
    assert shown["Starts agreeing"] == f"{fit.starts_agreed} of {fit.starts}"
    exported = {(r["fit"], r["quantity"]): r["value"] for r in rows(table)}
    assert exported["L(N,D)", "alpha"] == fit.params["alpha"].value
    assert exported["L(N,D)", "gradient_norm"] == fit.gradient_norm


def test_forms_stand_side_by_side_with_what_tells_them_apart(material):
    choice, table = material.analysis.choice, fits.forms(material)
    found = {r["name"]: r for r in rows(table)}
    assert {row.name: row.heldout_error for row in choice.rows} == {n: r["heldout_error"] for n, r in found.items()}
    assert min(r["delta"] for r in found.values()) == 0
    assert choice.favours in table.note


def test_environments_are_flattened_and_kept_apart(material):
    two = [{"trials": "a", "gpu": {"name": "x"}, "n": [1, 2]}, {"trials": "b", "gpu": {"name": None}}]
    found = {
        r["key"]: (r["e0"], r["e1"])
        for r in rows(provenance.environment(dataclasses.replace(material, environments=two)))
    }
    assert found == {"trials": ("a", "b"), "gpu.name": ("x", "missing"), "n": ("1, 2", None)}


def test_every_rule_is_printed(material):
    assert len(fits.rules(material).rows) == len(material.rules)
    assert len({t.name for t in everything(material)}) == len(everything(material))


def test_provenance_names_resolution_and_the_share_of_the_run(measured):
    found = {r["quantity"]: r for r in rows(provenance.provenance(measured))}
    gpu, ram, rate = (found[q] for q in ("GPU energy of the trials", "RAM energy of the trials", "Throughput"))
    assert gpu["resolution"] == f"counter that steps about every {nvml.COUNTER_STEP_S:g} s, in mJ"
    assert (gpu["share"], ram["share"]) == (pytest.approx(1), pytest.approx(1))
    assert ram["resolution"].startswith("none")
    assert rate["share"] == pytest.approx(0.75)  # the steady windows of the made-up trials
    assert found["MFU"]["share"] is None
    half = measured.trials["params_total"] > 20_000
    mixed = measured.trials.assign(
        energy_gpu_provenance=measured.trials["energy_gpu_provenance"].where(half, "unavailable"),
        energy_gpu_j=measured.trials["energy_gpu_j"].where(half),
    )
    parts = rows(provenance.provenance(dataclasses.replace(measured, trials=mixed)))
    wall = measured.trials["wall_s"]
    assert [(r["kind"], r["share"]) for r in parts[:2]] == [
        ("measured", pytest.approx(wall[half].sum() / wall.sum())),
        ("missing", None),
    ]


def test_every_way_of_measuring_has_a_resolution():
    assert set(provenance.RESOLUTION) == {p.value for p in Provenance} - {"unavailable"}
    assert f"every {trace.SAMPLE_S:g} s" in provenance.RESOLUTION["sampled_power"]


def test_the_machine_s_share_is_metered_seconds_over_those_with_trials(material):
    reading = Reading(value=3.6e6, provenance=Provenance.MODELLED_LOAD, reason="TDP times load").to_json()
    host = {"energy_cpu_j": reading, "seconds": 4503.0, "runs": 1}
    told = dataclasses.replace(material, host=host, timings=(RUN,))
    assert rows(provenance.provenance(told))[-1]["share"] == pytest.approx(4503 / 5000)
    two = dataclasses.replace(told, host={**host, "runs": 2})  # a run that recorded no seconds is not guessed
    assert rows(provenance.provenance(two))[-1]["share"] is None
