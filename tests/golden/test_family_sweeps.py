"""The shipped sweeps of the families: all of them plan, and their small siblings train and say what they are."""

import os
import subprocess
import sys

import pytest

from scaling.families import FAMILIES, get_family
from scaling.spec import expand, load_sweep, shipped_sweeps
from scaling.spec.schema import DataIdentity
from scaling.spec.study import load_study
from scaling.store import load

RUN_ALL = """
import sys
from scaling.cli import main
for name in sys.argv[1:]:
    sys.argv = ["scaling", "run", f"{name}.yaml", "--out", name, "--yes", "--no-report", "--executor", "debug"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (name, end.code)
"""
SHIPPED = shipped_sweeps()
QUICK = {name.rpartition("/")[2]: path for name, path in SHIPPED.items() if name.startswith("families/quick/")}
TEXT = [name for name in QUICK if name in FAMILIES and get_family(name).eats == "tokens"]
SIZES, HORIZONS = "[{d_model: 8}, {d_model: 16}, {d_model: 24}, {d_model: 32}]", "[60k, 90k, 130k, 180k]"
IDENTITY = DataIdentity(
    source="path",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="ascii",
    vocab_size=128,
    train_tokens=9_000_000,
    validation_tokens=65_536,
    validation_bytes=65_536,
    context=128,
)


def test_every_family_of_tokens_has_a_sweep_and_a_small_one():
    families = {name for name, family in FAMILIES.items() if family.eats == "tokens"}
    assert families <= set(TEXT)
    assert {f"families/{name}" for name in families} <= set(SHIPPED)


@pytest.mark.parametrize("name", [n for n in SHIPPED if n.startswith("families/")])
def test_it_plans(name):
    loaded = load_sweep(name)
    family = get_family(str(loaded.spec.model["family"]))
    if family.eats == "tokens":
        identity = IDENTITY.model_copy(update={"context": loaded.spec.data.context})
        assert len({trial.params.total for trial in expand(loaded.spec, identity, {})}) >= 4


def test_the_study_of_them_all_lists_each_of_tokens():
    study = load_study("families")
    assert study is not None
    assert set(study.sweeps) == {name for name, family in FAMILIES.items() if family.eats == "tokens"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two sizes of every small sibling, trained in one process; the made-up language is made once."""
    folder = tmp_path_factory.mktemp("families")
    for name in [*TEXT, "smiles"]:
        text = QUICK[name].read_text(encoding="utf-8")
        assert SIZES in text
        assert HORIZONS in text
        text = text.replace(SIZES, "[{d_model: 8}, {d_model: 32}]").replace(HORIZONS, "[30k, 60k]")
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    environment = {**os.environ, "SCALING_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *TEXT, "smiles"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXT)
def test_a_larger_model_learns_more(name, trained):
    store, family = load(trained / name), get_family(name)
    points = store.points().sort_values(["params_total", "tokens"])
    losses = points["loss_nats"].tolist()
    assert losses[1] < losses[0]
    assert losses[3] < losses[2]
    assert losses[3] < losses[1]
    assert set(points["objective"]) == {family.objective}
    assert set(points["loss_unit"]) == {family.unit}
    for record in store.records:
        assert set(record.points[-1].metrics) == set(family.metrics)
        assert record.end is not None
        assert record.end.params_active == record.params.active


@pytest.mark.slow
def test_a_larger_model_writes_more_valid_molecules(trained):
    store = load(trained / "smiles")
    first, final = (r.points[-1] for r in sorted(store.records, key=lambda record: record.params.total))
    assert final.loss_nats < first.loss_nats
    assert final.metrics["validity"] > 1.5 * first.metrics["validity"] > 0
    assert {r.end.state for r in store.records} == {"done"}


OTHERS = {  # what the measured quantity is, and how far the smallest size stands above the largest
    "audio": ("nats per token", 1.1),
    "gan": ("squared MMD", 2.0),
    "jepa": ("of the state's variance", 1.2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_larger_model_of_sound_points_or_worlds_does_better(name, tmp_path):
    command = [sys.executable, "-m", "scaling", "run", f"families/quick/{name}", "--no-report"]
    done = subprocess.run([*command, "--out", str(tmp_path / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    store, (unit, ratio) = load(tmp_path / name), OTHERS[name]
    points = store.points()
    last = points[points["tokens"] == points["tokens"].max()].sort_values("params_total")["loss_nats"].tolist()
    assert set(points["loss_unit"]) == {unit}
    assert last[0] > ratio * last[-1]
    if entropy := store.sweep["data"]["validation_entropy_nats"]:
        assert min(last) > entropy


@pytest.mark.slow
def test_a_generator_without_its_penalty_collapses_and_its_trial_says_so(tmp_path):
    text = QUICK["gan"].read_text(encoding="utf-8").replace("n_layer: 2", "n_layer: 2\n  penalty: 0")
    sizes = "[{d_model: 4}, {d_model: 8}, {d_model: 16}, {d_model: 32}]"
    assert sizes in text
    (tmp_path / "gan.yaml").write_text(text.replace(sizes, "[{d_model: 4}]"), encoding="utf-8")
    command = [sys.executable, "-m", "scaling", "run", "gan.yaml", "--out", "gan", "--no-report"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (record,) = load(tmp_path / "gan").records
    assert record.end is not None
    assert record.end.state == "done"  # an outcome like any other
    assert record.points[-1].metrics["clouds_missed"] >= 0.5  # of four clouds
