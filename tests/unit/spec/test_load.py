import textwrap
from pathlib import Path

import pytest

from scaling.errors import SpecError, UsageError
from scaling.spec import load, load_sweep
from scaling.spec.schema import SweepSpec
from scaling.units import Horizon

GOOD = """\
schema: 1
name: small
data:
  path: text/my.txt
model: {n_layer: 2, head_dim: 16}
train:
  lr: {hidden: 1e-2}
trials:
  - ladder:
      sizes: [10k, {d_model: 32}]
      horizons: [20x, 1M, 1e12 FLOPs]
      seeds: [0, 1]
"""


@pytest.fixture
def write(tmp_path):
    def _write(text, name="a.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return _write


def test_a_good_file_is_read(write):
    spec = load_sweep(write(GOOD)).spec
    ladder = spec.trials[0].ladder
    assert ladder.sizes == [10_000.0, {"d_model": 32}]
    assert ladder.horizons == [Horizon(20.0, "tokens_per_param"), Horizon(1e6, "tokens"), Horizon(1e12, "flops")]
    assert spec.train.lr.hidden == 0.01


def test_a_spec_survives_its_json(write):
    spec = load_sweep(write(GOOD)).spec
    assert SweepSpec.model_validate_json(spec.model_dump_json(by_alias=True)) == spec
    assert SweepSpec.model_validate(spec.model_dump(by_alias=True)) == spec


def test_yaml_is_version_1_2(write):
    text = GOOD.replace("name: small", "name: no").replace("seeds: [0, 1]", "seeds: [010]")
    spec = load_sweep(write(text)).spec
    assert spec.name == "no"
    assert spec.trials[0].ladder.seeds == [10]


def test_a_date_is_text(write):
    assert load_sweep(write(GOOD.replace("small", "2026-11-24"))).spec.name == "2026-11-24"


def test_every_value_knows_where_it_came_from(write):
    path = write(GOOD)
    origins = load_sweep(path, ["train.clip=2", "title=Of 3, and more"]).origins
    assert origins["data.path"] == f"{path}:4"
    assert origins["train.lr.hidden"] == f"{path}:7"
    assert origins["train.lr.embedding"] == "default"
    assert origins["train.clip"] == "--set"
    assert origins["trials.0.ladder.horizons"] == f"{path}:11"


def test_a_path_in_the_file_is_relative_to_the_file_and_one_in_set_to_the_caller(write, tmp_path):
    path = write(GOOD)
    assert load_sweep(path).spec.data.path == str(tmp_path / "text" / "my.txt")
    assert load_sweep(path, ["data.path=other.txt"]).spec.data.path == "other.txt"
    several = write(GOOD.replace("text/my.txt", "[a.txt, /b.txt, ~/c.txt]"))
    assert load_sweep(several).spec.data.path == [str(tmp_path / "a.txt"), "/b.txt", "~/c.txt"]


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("train.lr.hidden=3e-4", lambda s: s.train.lr.hidden == 3e-4),
        ("data.context=1k", lambda s: s.data.context == 1000),
        ("name=007", lambda s: s.name == "007"),
        ("data.path=a,b.txt", lambda s: s.data.path == "a,b.txt"),
        ("data.path=[a.txt, b.txt]", lambda s: s.data.path == ["a.txt", "b.txt"]),
        ("data.path=null", lambda s: s.data.path is None),
        ("model.activation=swiglu", lambda s: s.model["activation"] == "swiglu"),
        ("model.tied=true", lambda s: s.model["tied"] is True),
        ("trials.0.ladder.seeds=[3, 4]", lambda s: s.trials[0].ladder.seeds == [3, 4]),
        ("trials.0.ladder.horizons.1=5M", lambda s: s.trials[0].ladder.horizons[1].amount == 5e6),
        ("limits.trial_time=90m", lambda s: s.limits.trial_time == 5400),
    ],
)
def test_set_gives_one_typed_value(write, override, value):
    assert value(load_sweep(write(GOOD), [override]).spec)


def test_the_last_set_of_a_key_wins(write):
    assert load_sweep(write(GOOD), ["name=x", "name=y"]).spec.name == "y"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.clop=1", 'unknown key "clop" in train; did you mean "clip"?'),
        ("dta.path=x", 'did you mean "data"?'),
        ("model.n_layers=2", 'did you mean "n_layer"?'),
        ("train.clip=high", "train.clip"),
        ("train.clip=", "train.clip"),
        ("trials.7.ladder.seeds=[1]", "there is no such place"),
        ("name.first=x", "there is no such place"),
        ("train.lr.hidden=1e-4,3e-4", "- grid: {axes: {train.lr.hidden: [1e-4, 3e-4]}"),
        ("trials.0.ladder.seeds=0,1", "--set 'trials.0.ladder.seeds=[0, 1]'"),
    ],
)
def test_a_wrong_set_names_itself(write, override, says):
    with pytest.raises(SpecError) as caught:
        load_sweep(write(GOOD), [override])
    text = caught.value.render()
    assert f"--set {override}" in text
    assert says in text


@pytest.mark.parametrize("override", ["train.clip", "=3", "a..b=1", ".=1"])
def test_a_set_without_key_or_value_is_refused(write, override):
    with pytest.raises(UsageError, match="cannot read the override"):
        load_sweep(write(GOOD), [override])


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    folder = tmp_path / "installed" / "_sweeps"
    folder.mkdir(parents=True)
    (folder / "quickstart.yaml").write_text(GOOD)
    (folder / "gpu.yaml").write_text(GOOD.replace("small", "gpu"))
    monkeypatch.setattr(load.scaling, "__file__", str(folder.parent / "__init__.py"))
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_shipped_sweep_is_found_by_name_from_the_wheel(shipped):
    loaded = load_sweep("gpu")
    assert loaded.spec.name == "gpu"
    assert loaded.source == "sweeps/gpu.yaml"


def test_a_shipped_sweep_is_found_by_name_in_the_checkout(shipped):
    (shipped).rename(shipped.parent / "gone")
    (shipped.parent.parent / "sweeps").mkdir()
    (shipped.parent.parent / "sweeps" / "mine.yaml").write_text(GOOD)
    assert list(load.shipped_sweeps()) == ["mine"]


def test_an_existing_file_wins_over_a_shipped_name_and_a_folder_does_not(shipped):
    Path("gpu").mkdir()
    assert load_sweep("gpu").spec.name == "gpu"
    Path("quickstart").write_text(GOOD.replace("small", "own"))
    assert load_sweep("quickstart").spec.name == "own"


def test_an_unknown_name_lists_the_shipped_ones(shipped):
    with pytest.raises(UsageError) as caught:
        load_sweep("quikstart")
    assert caught.value.code == "spec.not_found"
    assert "did you mean 'quickstart'? shipped sweeps: gpu, quickstart" in caught.value.render()
