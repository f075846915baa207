import pytest
from pydantic import ValidationError

from scaling.errors import SpecError
from scaling.spec import expand, load_sweep
from scaling.spec.abilities import AbilitiesSpec, ability_of
from scaling.spec.schema import DataIdentity, SweepSpec

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
MODEL = {"n_layer": 2, "head_dim": 16}
BLOCK = {"ladder": {"sizes": [{"d_model": 32}], "horizons": ["1M"]}}


def plan(identity=IDENTITY, **keys):
    spec = SweepSpec.model_validate({"schema": 1, "name": "a", "model": MODEL, "trials": [BLOCK], **keys})
    (trial,) = expand(spec, identity, {"path": ["x"]})
    return trial


def test_probes_are_part_of_a_trial_and_of_its_id():
    plain, probed = plan(), plan(abilities={"probes": ["lookup-4"], "share": 0.25})
    assert plain.spec.abilities is None
    assert probed.spec.abilities == AbilitiesSpec(probes=["lookup-4"], share=0.25)
    others = [
        {"probes": ["lookup-5"], "share": 0.25},
        {"probes": ["lookup-4"], "share": 0.2},
        {"probes": ["lookup-4"], "share": 0.25, "items": 500},
    ]
    ids = {plain.id, probed.id, *(plan(abilities=a).id for a in others)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    ("probes", "told"),
    [
        (["juggling-3"], "unknown probe 'juggling-3'"),
        (["lookup"], "a probe is TASK-LEVEL"),
        (["lookup-99"], "pairs) is 1 to 12"),
        (["copy-4", "copy-4"], "listed twice"),
    ],
)
def test_probes_that_do_not_exist_are_refused(probes, told):
    with pytest.raises(ValidationError, match=r".") as caught:
        AbilitiesSpec(probes=probes)
    assert told in str(caught.value)


def test_a_bad_probe_is_placed_in_the_file(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(
        "schema: 1\nname: a\nabilities: {probes: [lokup-3]}\n"
        "trials:\n  - ladder: {sizes: [{d_model: 32}], horizons: [1M]}\n"
    )
    with pytest.raises(SpecError) as caught:
        load_sweep(str(file))
    assert "unknown probe 'lokup-3'" in caught.value.render()
    assert "a.yaml:3" in caught.value.render()


def test_short_windows_and_word_tokens_are_refused():
    abilities = {"probes": ["lookup-4"]}
    with pytest.raises(SpecError, match=r"data\.context of 66"):
        plan(IDENTITY.model_copy(update={"context": 32}), abilities=abilities)
    with pytest.raises(SpecError, match="written in bytes"):
        plan(IDENTITY.model_copy(update={"tokenizer": "bpe:1000"}), abilities=abilities)


def test_every_task_has_a_name_people_use():
    assert ability_of("sum-plain-2") == "arithmetic"
    assert ability_of("boolean-3") == "reasoning"
