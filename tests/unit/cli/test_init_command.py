import pytest

from scaling.cli import starter
from scaling.spec import expand, load_sweep
from scaling.spec.advice import design_warnings
from scaling.spec.schema import DataIdentity


def test_the_written_file_passes_plan(scaling, text, tmp_path):
    (tmp_path / "sweeps").mkdir()
    done = scaling("init", "sweeps/My sweep!.yaml", "--data", "my.txt")
    assert done.code == 0
    assert done.out == "sweeps/My sweep!.yaml\n"
    assert 'path: "../my.txt"' in (tmp_path / "sweeps" / "My sweep!.yaml").read_text()
    plan = scaling("plan", "sweeps/My sweep!.yaml")
    assert plan.code == 0
    assert "My-sweep: 12 trials" in plan.out


def test_init_never_overwrites(scaling, text, tmp_path):
    (tmp_path / "sweep.yaml").write_text("mine")
    done = scaling("init", "--data", "my.txt")
    assert done.code == 2
    assert "error[init.exists]" in done.err
    assert "scaling init sweep-2.yaml" in done.err
    assert (tmp_path / "sweep.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--preset", "huge"), 2, "no preset called 'huge'"),
        (("--data", "nowhere.txt"), 2, "error[data.missing]"),
        (("no/such/folder/a.yaml", "--data", "my.txt"), 3, "cannot write the sweep file: No such file"),
    ],
)
def test_what_cannot_be_written_is_refused(scaling, text, tmp_path, args, code, says):
    before = set(tmp_path.iterdir())
    done = scaling("init", *args)
    assert done.code == code
    assert says in done.err
    assert set(tmp_path.iterdir()) - {tmp_path / "cache"} == before


@pytest.mark.parametrize("preset", list(starter.PRESETS))
@pytest.mark.parametrize("gpus", [(), ("NVIDIA H200",)])
@pytest.mark.parametrize("train_tokens", [8_500_000, 60_000_000])
def test_each_preset_is_a_sound_design(tmp_path, preset, gpus, train_tokens):
    machine = starter.Machine(cores=8, gpus=gpus)
    context = starter.scale_for(machine).context
    identity = DataIdentity(
        source="path",
        fingerprint="a" * 64,
        validation_fingerprint="b" * 64,
        tokenizer="bytes",
        vocab_size=256,
        train_tokens=train_tokens,
        validation_tokens=65_536,
        validation_bytes=65_536,
        context=context,
    )
    path = tmp_path / "a.yaml"
    path.write_text(
        starter.starter_text(
            name="a", file="a.yaml", preset=preset, machine=machine, identity=identity, data_path="é: my.txt"
        )
    )
    loaded = load_sweep(path)
    assert loaded.spec.data.path == str(tmp_path / "é: my.txt")
    planned = expand(loaded.spec, identity, {})
    assert design_warnings(loaded.spec, planned) == []


def test_with_little_text_the_horizons_shrink_and_budgets_are_refused(tmp_path):
    machine = starter.Machine(cores=1, gpus=())
    identity = DataIdentity(
        source="path",
        fingerprint="a" * 64,
        validation_fingerprint="b" * 64,
        tokenizer="bytes",
        vocab_size=256,
        train_tokens=200_000,
        validation_tokens=20_000,
        validation_bytes=20_000,
        context=128,
    )
    given = {"name": "a", "file": "a.yaml", "machine": machine, "identity": identity, "data_path": None}
    path = tmp_path / "a.yaml"
    path.write_text(starter.starter_text(preset="ladder", **given))
    planned = expand(load_sweep(path).spec, identity, {})
    assert max(trial.epochs for trial in planned) <= 4
    with pytest.raises(starter.UsageError, match="too few for compute budgets"):
        starter.starter_text(preset="isoflop", **given)


@pytest.mark.parametrize(
    ("stem", "name"), [("my sweep", "my-sweep"), ("..", "sweep"), ("é", "sweep"), ("a" * 99, "a" * 64), ("-x-", "x")]
)
def test_any_file_name_gives_a_sweep_name(stem, name):
    assert starter.safe_sweep_name(stem) == name
