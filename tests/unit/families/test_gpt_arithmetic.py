"""Counts against published sizes, and the size ladder against its targets."""

import pytest

from scaling.errors import UsageError
from scaling.families import get_family

GPT = get_family("gpt")
GPT2 = {
    "norm": "layernorm",
    "activation": "gelu",
    "position": "learned",
    "qk_norm": False,
    "bias": True,
    "tied": True,
}
PYTHIA = {**GPT2, "position": "rotary", "tied": False}
LLAMA = {"norm": "rmsnorm", "activation": "swiglu", "qk_norm": False}


@pytest.mark.parametrize(
    ("model", "vocab_size", "context", "published"),
    [
        pytest.param({**GPT2, "d_model": 768, "n_layer": 12, "n_head": 12}, 50257, 1024, 124_439_808, id="gpt2"),
        pytest.param({**GPT2, "d_model": 1024, "n_layer": 24, "n_head": 16}, 50257, 1024, 354_823_168, id="medium"),
        pytest.param({**GPT2, "d_model": 1280, "n_layer": 36, "n_head": 20}, 50257, 1024, 774_030_080, id="large"),
        pytest.param({**GPT2, "d_model": 1600, "n_layer": 48, "n_head": 25}, 50257, 1024, 1_557_611_200, id="xl"),
        pytest.param({**PYTHIA, "d_model": 512, "n_layer": 6, "n_head": 8}, 50304, 2048, 70_426_624, id="pythia-70m"),
        pytest.param(
            {**PYTHIA, "d_model": 5120, "n_layer": 36, "n_head": 40}, 50688, 2048, 11_846_072_320, id="pythia-12b"
        ),
        pytest.param(
            {**LLAMA, "d_model": 4096, "n_layer": 32, "n_head": 32, "d_ff": 11008},
            32000,
            4096,
            6_738_415_616,
            id="llama-2-7b",
        ),
    ],
)
def test_counts_equal_published_sizes(model, vocab_size, context, published):
    assert GPT.params(GPT.build_config(model, vocab_size, context)).total == published


def test_groups_sum_to_the_total_and_kaplan_leaves_out_embeddings():
    params = GPT.params(GPT.build_config({"d_model": 64, "n_layer": 2}, 128, 128))
    assert sum(params.groups.values()) == params.total
    assert params.non_embedding == params.total - 2 * 128 * 64


@pytest.mark.parametrize("target", [1e6, 1e7, 3e8])
def test_a_size_in_parameters_is_met_within_a_fifth(target):
    config = GPT.config_for_params({"head_dim": 32, "aspect_ratio": 64}, 256, 512, target)
    assert GPT.params(config).total == pytest.approx(target, rel=0.2)


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ({"n_layer": 2}, "d_model"),
        ({"d_model": 64}, "n_layer"),
        ({"d_model": 65, "n_layer": 1, "n_head": 4}, "n_head"),
        ({"d_model": 64, "n_layer": 1, "n_head": 4, "n_kv_head": 3}, "n_kv_head"),
        ({"d_model": -8, "n_layer": 1}, "d_model"),
        ({"d_model": 64, "n_layer": 1, "norm": "batchnorm"}, "norm"),
        ({"d_model": 64, "n_layer": 1, "qk_norm": "yes"}, "qk_norm"),
        ({"d_model": 64, "n_layers": 1}, "n_layers"),
    ],
)
def test_bad_values_name_their_key(model, key):
    with pytest.raises(UsageError) as caught:
        GPT.build_config(model, 128, 128)
    assert caught.value.where == f"model.{key}"


def test_causal_attention_counts_half_of_full():
    config = GPT.build_config({"d_model": 64, "n_layer": 2}, 128, 128)
    flops = GPT.flops_per_token(config)
    attention = 3 * 2 * 2 * 2 * 128 * 64  # fwd+bwd, 2 FLOPs, 2 products, 2 layers, context, width
    assert flops.train_full_attention - flops.train == attention / 2
    assert flops.train == 3 * flops.forward
    assert flops.rough_6n == 6 * GPT.params(config).total
