"""An imported store: what is written is what is read, and what a table does not tell stays missing."""

import json

import numpy as np
import pandas as pd
import pytest

from scaling.errors import UsageError
from scaling.store import load
from scaling.store.columns import POINTS, TRIALS
from scaling.store.files import BadRecord
from scaling.store.imported import Imported, write_imported

ORIGIN = {
    "name": "someone",
    "source": {"file": "a.csv", "sha256": "0" * 64, "kind": "csv"},
    "mapping": {},
    "conventions": {},
    "notes": ["D is computed."],
    "problems": [{"code": "copies", "what": "row 3: a copy", "rows": [3], "count": 1}],
}


@pytest.fixture
def found():
    rng = np.random.default_rng(0)
    points = pd.DataFrame(
        {
            "trial": ["a", "a", "1", "2"],
            "label": ["a", "a", "1", "2"],
            "params_total": [1e6, 1e6, 1e7, 1e8],
            "tokens": [1e8 / 3, 2e8, 1e9, 1e10],
            "flops_train": rng.uniform(1e20, 1e21, 4),
            "flops_6nd": rng.uniform(1e20, 1e21, 4),
            "loss_nats": rng.uniform(2, 4, 4),
            "state": "done",
        }
    )
    return Imported.of(points, ORIGIN)


def test_what_is_written_is_what_is_read_to_the_last_bit(tmp_path, found):
    write_imported(tmp_path / "runs", found)
    store = load(tmp_path / "runs")
    pd.testing.assert_frame_equal(
        store.points().dropna(axis=1, how="all"), found.points.dropna(axis=1, how="all"), check_exact=True
    )
    assert list(store.points().columns) == [*POINTS]
    assert store.sweep["name"] == "someone"
    assert store.imported.origin["source"] == ORIGIN["source"]
    assert store.warnings == ("row 3: a copy",)


def test_nothing_is_invented_for_trials(found):
    trials = found.trials()
    assert list(trials.columns) == [*TRIALS]
    assert trials["trial"].tolist() == ["a", "1", "2"]
    assert trials["tokens"].tolist() == [2e8, 1e9, 1e10]
    assert set(trials["state"]) == {"done"}
    for name in ("tokens_per_s", "mfu", "energy_gpu_j", "energy_cpu_j", "wall_s", "device", "lr_hidden"):
        assert trials[name].isna().all()
    for reason in (c for c in TRIALS if c.endswith("_reason")):
        assert set(trials[reason]) == {"not in the imported table"}
    assert set(trials["energy_gpu_provenance"]) == {"unavailable"}
    assert trials["horizons"].tolist()[0].split()[1] == "200000000"


def test_joules_of_the_table_are_those_of_its_runs(found):
    points = found.points.assign(
        energy_gpu_j=[1.0, 2.0, None, 5.0],
        energy_gpu_provenance=["sampled_power", "sampled_power", None, "measured_prorated"],
    )
    trials = Imported.of(points, ORIGIN).trials().set_index("trial")
    assert trials.loc["a", "energy_gpu_j"] == 2.0  # of its longest horizon
    assert trials.loc["2", "energy_gpu_provenance"] == "measured_prorated"
    assert np.isnan(float(trials.loc["1", "energy_gpu_j"]))
    assert trials.loc["1", "energy_gpu_provenance"] == "unavailable"


def test_an_imported_store_has_no_curves_samples_or_environments(tmp_path, found):
    write_imported(tmp_path, found)
    store = load(tmp_path)
    assert store.curves().empty
    assert store.samples().empty
    assert store.environments() == {}
    assert store.host is None


def test_points_that_were_changed_after_the_import_are_told(tmp_path, found):
    write_imported(tmp_path, found)
    path = tmp_path / "points.csv"
    path.write_text(path.read_text().replace("done", "diverged", 1))
    assert any("sha256 differs" in warning for warning in load(tmp_path).warnings)


@pytest.mark.parametrize("held", ["sweep.json", "imported.json"])
def test_a_store_is_never_overwritten(tmp_path, found, held):
    (tmp_path / held).write_text("{}")
    with pytest.raises(UsageError, match="already holds a store"):
        write_imported(tmp_path, found)
    assert (tmp_path / held).read_text() == "{}"


def test_damaged_files_are_named(tmp_path, found):
    write_imported(tmp_path, found)
    origin = json.loads((tmp_path / "imported.json").read_text())
    (tmp_path / "imported.json").write_text(json.dumps({k: v for k, v in origin.items() if k != "notes"}))
    with pytest.raises(BadRecord, match="lacks notes"):
        load(tmp_path)
    (tmp_path / "imported.json").write_text(json.dumps(origin))
    (tmp_path / "points.csv").write_text("trial,loss_nats\na,1\n")
    with pytest.raises(BadRecord, match="lacks tokens, flops_train"):
        load(tmp_path)
    (tmp_path / "points.csv").unlink()
    with pytest.raises(BadRecord, match=r"without its points\.csv"):
        load(tmp_path)
