import pytest

from scaling.spec import expand
from scaling.spec.advice import design_warnings
from scaling.spec.schema import DataIdentity, SweepSpec


def identity(train_tokens=9_000_000, validation_tokens=65_536):
    return DataIdentity(
        source="path",
        fingerprint="a" * 64,
        validation_fingerprint="b" * 64,
        tokenizer="ascii",
        vocab_size=128,
        train_tokens=train_tokens,
        validation_tokens=validation_tokens,
        validation_bytes=validation_tokens,
        context=128,
    )


SOUND = {
    "sizes": [{"d_model": d} for d in (16, 24, 32, 64, 128)],
    "horizons": ["300k", "600k", "1.2M", "2.4M"],
    "seeds": [0, 1],
}


def warnings(ladder=SOUND, corpus=None, **keys):
    document = {"schema": 1, "name": "a", "model": {"n_layer": 2, "head_dim": 16}, "trials": [{"ladder": ladder}]}
    spec = SweepSpec.model_validate(document | keys)
    return design_warnings(spec, expand(spec, corpus or identity(), {}))


def test_a_sound_sweep_gives_no_warning():
    assert warnings() == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sizes": [{"d_model": d} for d in (16, 32, 64, 128)]}, "4 sizes: a law in N needs at least 5"),
        ({"sizes": [{"d_model": d} for d in (16, 24, 32, 40, 64)]}, "sizes span 1.05 decades (10.4k to 115k)"),
        ({"seeds": [0]}, "no size has a second seed"),
        ({"horizons": ["300k", "600k", "2.4M"]}, "at most 3 horizons per size"),
        ({"horizons": ["20k", "600k", "1.2M", "2.4M"]}, "is 20 steps, inside the warm-up of 20"),
    ],
)
def test_each_weakness_is_named(change, says):
    (warning,) = warnings(SOUND | change)
    assert says in warning


def test_one_ratio_of_tokens_to_parameters_is_named():
    text = warnings(SOUND | {"horizons": ["20x"]})
    assert any("every point has 20 tokens per parameter: N and D cannot be told apart" in w for w in text)
    assert not any("cannot be told apart" in w for w in warnings(SOUND | {"horizons": ["10x", "20x"]}))


def test_repeated_text_and_a_small_validation_set_are_named():
    assert "passes over its corpus 4.8 times" in warnings(corpus=identity(train_tokens=500_000))[0]
    assert "the validation set has 1,280 tokens" in warnings(corpus=identity(validation_tokens=1280))[0]


def test_the_cuts_of_the_fit_are_applied_before_counting():
    assert "4 sizes" in warnings(fit={"min_params": "15k"})[0]
    assert "at most 2 horizons" in warnings(fit={"min_tokens": "1M"})[0]
    assert warnings(fit={"min_tokens": "1B"}) == [
        "every point lies below fit.min_tokens or fit.min_params: nothing is left to fit"
    ]


def test_a_budget_with_few_sizes_is_named():
    sizes = [{"d_model": d} for d in (16, 24, 32)]
    text = warnings(trials=[{"isoflop": {"budgets": [1e12], "sizes": sizes, "seeds": [0, 1]}}])
    assert any("3 sizes at 1.00e12 FLOPs: an IsoFLOP profile needs 5" in warning for warning in text)
    assert not any("horizons per size" in warning for warning in text)
