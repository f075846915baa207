import json
import shutil
import subprocess
import sys

import pytest
from support.stored import make_line, make_point

from scaling.errors import UsageError
from scaling.provenance import Provenance, Reading
from scaling.store import load
from scaling.store.columns import ATTEMPTS, CURVES, POINTS, SAMPLES, TRIALS
from scaling.store.files import append_line, publish
from scaling.store.records import BEST_OF_N


def test_frames_have_exactly_the_documented_columns(store):
    loaded = load(store.root)
    assert list(loaded.points().columns) == list(POINTS)
    assert list(loaded.trials().columns) == list(TRIALS)
    assert list(loaded.curves().columns) == list(CURVES)
    assert list(loaded.samples().columns) == list(SAMPLES)
    assert list(loaded.attempts().columns) == list(ATTEMPTS)
    assert loaded.warnings == ()


def test_values_reach_their_columns(store):
    loaded = load(store.root)
    points = loaded.points()
    assert points["tokens"].tolist() == [1000, 2000]
    assert points["loss_nats"].tolist() == [2.4, 2.3]
    assert points["params_total"].nunique() == 1
    assert points["tokens_per_param"].tolist() == pytest.approx(
        [1000 / points["params_total"][0], 2000 / points["params_total"][0]]
    )
    assert points["energy_gpu_provenance"].tolist() == ["measured_counter"] * 2
    trial = loaded.trials().set_index("trial").loc["t0"]
    assert (trial["state"], trial["wall_s"], trial["seconds_train"]) == ("done", 9.0, 5.0)
    assert trial["data_wait_share"] == 0.1
    assert trial["energy_cpu_reason"] == "no counter"
    assert trial["memory_predicted_bytes"] == 2.0
    assert loaded.samples()["text"].tolist() == ["f(): <b>"]
    assert loaded.environments() == {"t0": {"device": "cpu"}}


def test_a_trial_that_has_not_run_has_its_parameters_and_nothing_invented(store):
    trial = load(store.root).trials().set_index("trial").loc["t1"]
    assert trial["state"] == "pending"
    assert trial["params_total"] > 0
    assert trial[["loss_nats", "tokens", "energy_gpu_j", "wall_s"]].isna().all()
    assert trial["memory_predicted_bytes"] > 0  # by arithmetic alone


def test_attempts_are_those_that_were_booked(store):
    for number, code in ((1, -9), (2, 0)):
        path = store.trial("t0").attempt(number).exit_path
        path.parent.mkdir(exist_ok=True, parents=True)
        booked = {"exit_code": code, "seconds": 5.0, "gpus": 1, "energy_gpu_j": {"value": 3.0}}
        path.write_text(json.dumps(booked))
    third = store.trial("t0").attempt(3).exit_path
    third.parent.mkdir()
    third.write_text("{")  # damaged: nobody knows what it used
    found = load(store.root).attempts()
    assert found[["trial", "attempt", "exit_code", "energy_gpu_j"]].values.tolist() == [
        ["t0", 1, -9, 3.0],
        ["t0", 2, 0, 3.0],
    ]


def test_one_bad_record_hides_only_itself(store):
    path = store.trial("t0").path / "points" / "1000.json"
    path.write_bytes(path.read_bytes()[:100])
    loaded = load(store.root)
    assert loaded.points()["tokens"].tolist() == [2000]
    assert len(loaded.trials()) == 2
    assert [str(path) in warning for warning in loaded.warnings] == [True]


@pytest.mark.parametrize("best_of", [{"n": [1, 2]}, {name: [1] * (1 + (name == "n")) for name in BEST_OF_N}])
def test_a_best_of_record_with_columns_missing_or_cut_short_hides_only_itself(store, best_of):
    path = store.trial("t0").path / "points" / "1000.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "probes": {"preference": {"best_of": best_of}}}))
    loaded = load(store.root)
    assert len(loaded.best_of()) == 0
    assert loaded.points()["tokens"].tolist() == [2000]
    assert [str(path) in warning for warning in loaded.warnings] == [True]


def test_a_broken_spec_or_a_hostile_name_hides_only_that_trial(store, tmp_path):
    store.trial("t1").spec_path.write_text("{")
    (store.root / "trials" / "evil").symlink_to(tmp_path)
    sweep = store.read_sweep()
    sweep["trials"].append({"id": "../../etc", "label": "x", "horizons": [1]})
    store.write_sweep(sweep)
    loaded = load(store.root)
    assert loaded.trials()["trial"].tolist() == ["t0"]
    assert len(loaded.warnings) == 3


def test_orphans_are_shown_and_mixed_with_nothing(store):
    sweep = store.read_sweep()
    sweep["trials"] = [t for t in sweep["trials"] if t["id"] != "t0"]
    store.write_sweep(sweep)
    loaded = load(store.root)
    assert loaded.trials()["state"].tolist() == ["pending", "orphaned"]
    assert len(loaded.points()) == len(loaded.samples()) == 0


def test_curves_join_attempts_and_drop_a_torn_tail(store):
    folder = store.trial("t0")
    first, second = folder.new_attempt(), folder.new_attempt()
    for step in range(1, 6):
        append_line(first.curve_path, make_line(step))
    for step in (4, 5, 6):
        append_line(second.curve_path, {**make_line(step), "loss_nats": 0.5})
    with second.curve_path.open("ab") as file:
        file.write(b'{"step": 7, "tok')
    loaded = load(store.root)
    curve = loaded.curves()
    assert curve["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert curve["loss_nats"].tolist()[3:] == [0.5] * 3
    assert (curve["flops_train"] / curve["tokens"]).nunique() == 1
    assert len(loaded.warnings) == 1
    assert "torn last line" in loaded.warnings[0]


def test_host_energy_adds_up_over_runs(store):
    def run(joules):
        reading = Reading(value=joules, provenance=Provenance.MODELLED_LOAD)
        missing = Reading.missing("none").to_json()
        return {"energy_cpu_j": reading.to_json(), "energy_ram_j": missing, "seconds": 2.0, "tool": "x"}

    assert load(store.root).host is None
    publish(store.host_dir / "1.json", run(3.0))
    publish(store.host_dir / "2.json", run(4.0))
    (store.host_dir / "3.json").write_text("{}")
    loaded = load(store.root)
    assert loaded.host["energy_cpu_j"]["value"] == 7.0
    assert loaded.host["energy_ram_j"]["value"] is None
    assert (loaded.host["seconds"], loaded.host["runs"]) == (4.0, 2)
    assert len(loaded.warnings) == 1


def test_a_read_only_copy_loads_without_torch(store, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(store.root, copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = "import sys; from scaling.store import load; load(sys.argv[1]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(copy)], check=True)
    assert len(load(copy).points()) == 2
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755)


def test_a_damaged_sweep_file_is_named(store):
    store.sweep_path.write_text("{")
    with pytest.raises(UsageError, match=r"sweep\.json"):
        load(store.root)


def test_a_point_is_found_at_once_by_a_second_reader(store):
    store.trial("t1").publish_point(make_point(trial="t1"))
    assert load(store.root).points()["trial"].tolist() == ["t0", "t0", "t1"]
