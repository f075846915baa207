"""A file that lists sweeps: what it resolves to, and what is refused at its line."""

import pytest

from scaling.errors import ScalingError, SpecError
from scaling.spec import shipped_sweeps
from scaling.spec.study import load_study

SWEEP = "schema: 1\nname: {}\ntrials: [{{ladder: {{sizes: [{{d_model: 16, n_layer: 1}}], horizons: [1M]}}}}]\n"
STUDY = "schema: 1\nname: both\ntitle: Two of a kind\nsweeps: [a.yaml, families/lstm]\n"


@pytest.fixture
def study(tmp_path):
    (tmp_path / "a.yaml").write_text(SWEEP.format("one"))
    path = tmp_path / "both.yaml"
    path.write_text(STUDY)
    return path


def test_sweeps_are_files_beside_it_or_shipped_ones(study, tmp_path):
    found = load_study(study)
    assert found.spec.title == "Two of a kind"
    assert found.sweeps == {"one": str(tmp_path / "a.yaml"), "lstm": str(shipped_sweeps()["families/lstm"])}


def test_a_sweep_is_no_study(tmp_path, study):
    assert load_study(tmp_path / "a.yaml") is None
    assert load_study("quickstart") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (STUDY.replace("a.yaml", "b.yaml"), "no sweep file or shipped sweep called 'b.yaml'"),
        (STUDY.replace("families/lstm", "a.yaml"), "two sweeps are called one: each needs a store of its own"),
        (STUDY.replace("[a.yaml, families/lstm]", "[a.yaml]"), "sweeps: "),
        (STUDY + "trials: []\n", 'unknown key "trials"'),
        (STUDY.replace("title", "tilte"), 'did you mean "title"?'),
        (STUDY.replace("name: both", "name: ../both"), "name: "),
    ],
)
def test_what_is_wrong_is_named_at_its_line(study, text, told):
    study.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_study(study)
    assert told in "\n".join(caught.value.problems)
    assert "both.yaml:" in "\n".join(caught.value.problems)


def test_what_is_wrong_in_a_sweep_of_it_is_named_in_that_file(study, tmp_path):
    (tmp_path / "a.yaml").write_text(SWEEP.format("one").replace("ladder", "lader"))
    with pytest.raises(SpecError) as caught:
        load_study(study)
    assert "a.yaml:" in "\n".join(caught.value.problems)


def test_an_override_is_checked_against_every_sweep(study):
    with pytest.raises(ScalingError):
        load_study(study, ["train.batch_tokes=512"])
