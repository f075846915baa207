"""A trial's id is a hash of everything that changes its number, and of nothing else."""

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.spec import expand, trial_hash
from scaling.spec.identity import trial_id
from scaling.spec.schema import DataIdentity, LearningRates, SamplesSpec, SweepSpec, TrainSpec, TrialSpec

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
TRAIN = TrainSpec(
    optimizer="muon",
    lr=LearningRates(hidden=0.02, embedding=0.024),
    batch_tokens=1024,
    warmup_steps=20,
    anneal="average",
    average_lag=0.07,
    cooldown_share=0.25,
    weight_decay=0.0,
    clip=1.0,
    precision="float32",
    compile=False,
)
SPEC = TrialSpec(
    family="gpt",
    model={"d_model": 32, "n_layer": 2, "qk_norm": True, "norm": "rmsnorm"},
    data=IDENTITY,
    train=TRAIN,
    seed=0,
    trainer_version=1,
    label="d32 s0",
    horizons=(1024,),
    data_location={"source": "python-stdlib"},
    samples=SamplesSpec(),
)
words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
numbers = st.floats(min_value=1e-6, max_value=1e3, allow_nan=False)
other_train = st.one_of(
    st.builds(lambda v: {"clip": v}, numbers.filter(lambda v: v != 1.0)),
    st.builds(lambda v: {"weight_decay": v}, numbers),
    st.builds(lambda v: {"warmup_steps": v}, st.integers(21, 10**6)),
    st.builds(lambda v: {"batch_tokens": v}, st.integers(1025, 10**7)),
    st.sampled_from([{"optimizer": "adamw"}, {"precision": "bfloat16"}, {"compile": True}, {"anneal": "cooldown"}]),
    st.builds(lambda v: {"lr": {"hidden": v, "embedding": 0.024}}, numbers.filter(lambda v: v != 0.02)),
)
other_data = st.one_of(
    *(st.builds(lambda v, key=key: {key: v}, words) for key in ("source", "fingerprint", "validation_fingerprint")),
    *(st.builds(lambda v, key=key: {key: v}, st.integers(1, 100)) for key in ("vocab_size", "context", "train_tokens")),
)
other_model = st.dictionaries(words, st.one_of(st.integers(), st.booleans(), words), min_size=1, max_size=3)


@given(
    label=words,
    horizons=st.lists(st.integers(1, 10**12), min_size=1, max_size=5),
    location=st.dictionaries(words, words, max_size=2),
    prompts=st.lists(words, max_size=2),
)
def test_the_id_is_blind_to_label_horizons_path_and_samples(label, horizons, location, prompts):
    changed = SPEC.model_copy(
        update={
            "label": label,
            "horizons": tuple(horizons),
            "data_location": location,
            "samples": SamplesSpec(prompts=prompts),
        }
    )
    assert trial_hash(changed) == trial_hash(SPEC)


@given(
    st.one_of(
        st.builds(lambda v: {"seed": v}, st.integers(1, 2**31 - 1)),
        st.builds(lambda v: {"trainer_version": v}, st.integers(2, 100)),
        st.builds(lambda v: {"family": v}, words.filter(lambda v: v != "gpt")),
        st.builds(lambda v: {"model": {**SPEC.model, **v}}, other_model),
        st.builds(lambda v: {"data": IDENTITY.model_copy(update=v)}, other_data),
        st.builds(lambda v: {"train": TrainSpec.model_validate({**TRAIN.model_dump(), **v})}, other_train),
    )
)
def test_the_id_sees_everything_that_changes_the_number(change):
    assert trial_hash(SPEC.model_copy(update=change)) != trial_hash(SPEC)


def test_the_id_never_changes_by_accident():
    assert trial_hash(SPEC) == "ee7344e664575c4b6ddb037b3d5bca993f7b22d02ee14aea2b41ff586eede108"


def test_one_value_has_one_spelling():
    assert trial_hash(SPEC.model_copy(update={"model": {**SPEC.model, "d_model": 32.0}})) == trial_hash(SPEC)
    assert trial_hash(SPEC.model_copy(update={"model": dict(reversed(SPEC.model.items()))})) == trial_hash(SPEC)


def test_a_trial_keeps_its_id_through_json():
    assert trial_hash(TrialSpec.model_validate_json(SPEC.model_dump_json())) == trial_hash(SPEC)


blocks = st.lists(
    st.sampled_from(
        [
            {"ladder": {"sizes": ["10k", {"d_model": 32}], "horizons": ["1M"]}},
            {"ladder": {"sizes": [{"d_model": 32}], "horizons": ["20x", "2M"], "seeds": [0, 1]}},
            {"isoflop": {"budgets": [1e12], "sizes": [{"d_model": 16}, {"d_model": 48}]}},
            {"grid": {"axes": {"size": ["33k"], "train.lr.hidden": [0.02, 0.01]}, "horizons": ["3M"]}},
            {"list": {"items": [{"model.d_model": 32, "model.n_head": 2}], "horizons": ["5M"]}},
        ]
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30)
@given(blocks=blocks, name=st.sampled_from(["a", "b-2"]), slots=st.sampled_from(["auto", 4]), data=st.data())
def test_ids_do_not_depend_on_names_places_executors_or_the_order_of_blocks(blocks, name, slots, data):
    def plan(blocks, name, slots, location):
        document = {
            "schema": 1,
            "name": name,
            "model": {"n_layer": 2, "head_dim": 16},
            "executor": {"slots": slots},
            "trials": blocks,
        }
        planned = expand(SweepSpec.model_validate(document), IDENTITY, location)
        return {trial.id: (trial.spec.horizons, trial.flops_total) for trial in planned}

    plain = plan(blocks, "other", 1, {"source": "python-stdlib"})
    shuffled = data.draw(st.permutations(blocks))
    assert plan(shuffled, name, slots, {"path": ["/elsewhere"]}) == plain


def test_the_id_is_the_head_of_the_full_hash():
    document = {"schema": 1, "name": "a", "trials": [{"ladder": {"sizes": ["300k"], "horizons": ["1M"]}}]}
    (trial,) = expand(SweepSpec.model_validate(document), IDENTITY, {})
    assert re.fullmatch("[0-9a-f]{64}", trial.sha256)
    assert trial.id == trial.sha256[:16]
    assert trial_hash(trial.spec) == trial.sha256


def test_the_shipped_quickstart_keeps_its_ids():
    """Every trial of the report in this repository has the id that its spec gives today."""
    folders = sorted((Path(__file__).parents[3] / "reports" / "quickstart" / "trials").iterdir())
    assert len(folders) == 15
    for folder in folders:
        spec = TrialSpec.model_validate_json((folder / "spec.json").read_text())
        assert trial_id(trial_hash(spec)) == folder.name


def test_what_follows_from_a_corpus_is_not_part_of_the_id():
    data = IDENTITY.model_copy(update={"entropy_nats": 1.5, "validation_entropy_nats": 1.51})
    assert trial_hash(SPEC.model_copy(update={"data": data})) == trial_hash(SPEC)
