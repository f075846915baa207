"""Counts against published sizes, and the size ladder against its targets."""

import pytest
import torch

from scaling.errors import UsageError
from scaling.families import get_family
from scaling.models import build
from scaling.spec.identity import model_keys

GPT = get_family("gpt")
GPT2 = {
    "norm": "layernorm",
    "activation": "gelu_tanh",
    "position": "learned",
    "qk_norm": False,
    "bias": True,
    "tied": True,
}
PYTHIA = {
    **GPT2,
    "activation": "gelu",
    "position": "rotary",
    "rotary_share": 0.25,
    "residual": "parallel",
    "tied": False,
}
LLAMA = {"norm": "rmsnorm", "activation": "swiglu", "qk_norm": False}


def size(base, d_model, n_layer, n_head, **more):
    return {**base, "d_model": d_model, "n_layer": n_layer, "n_head": n_head, **more}


# Radford et al. 2019 as released; Biderman et al. 2023 (2304.01373, table 1), "non-embedding" beside the total;
# Touvron et al. 2023 (2307.09288) as released.
PUBLISHED = {
    "gpt2": (size(GPT2, 768, 12, 12), 50257, 1024, 124_439_808, None),
    "gpt2-medium": (size(GPT2, 1024, 24, 16), 50257, 1024, 354_823_168, None),
    "gpt2-large": (size(GPT2, 1280, 36, 20), 50257, 1024, 774_030_080, None),
    "gpt2-xl": (size(GPT2, 1600, 48, 25), 50257, 1024, 1_557_611_200, None),
    "pythia-70m": (size(PYTHIA, 512, 6, 8), 50304, 2048, 70_426_624, 18_915_328),
    "pythia-160m": (size(PYTHIA, 768, 12, 12), 50304, 2048, 162_322_944, 85_056_000),
    "pythia-410m": (size(PYTHIA, 1024, 24, 16), 50304, 2048, 405_334_016, 302_311_424),
    "pythia-1b": (size(PYTHIA, 2048, 16, 8), 50304, 2048, 1_011_781_632, 805_736_448),
    "pythia-1.4b": (size(PYTHIA, 2048, 24, 16), 50304, 2048, 1_414_647_808, 1_208_602_624),
    "pythia-2.8b": (size(PYTHIA, 2560, 32, 32), 50304, 2048, 2_775_208_960, 2_517_652_480),
    "pythia-6.9b": (size(PYTHIA, 4096, 32, 32), 50432, 2048, 6_857_302_016, 6_444_163_072),
    "pythia-12b": (size(PYTHIA, 5120, 36, 40), 50688, 2048, 11_846_072_320, 11_327_027_200),
    "llama-2-7b": (size(LLAMA, 4096, 32, 32, d_ff=11008), 32000, 4096, 6_738_415_616, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_equal_published_sizes(name):
    model, vocab_size, context, total, non_embedding = PUBLISHED[name]
    params = GPT.params(GPT.build_config(model, vocab_size, context))
    assert params.total == total
    assert non_embedding in (None, params.non_embedding)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_module_on_the_meta_device_has_that_many(name):
    model, vocab_size, context, total, _ = PUBLISHED[name]
    with torch.device("meta"):
        module = build(GPT, GPT.build_config(model, vocab_size, context))
    assert sum(p.numel() for p in module.parameters()) == total


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
        ({"d_model": 64, "n_layer": 1, "residual": "none"}, "residual"),
        ({"d_model": 64, "n_layer": 1, "head_dim": 16, "rotary_share": 0.3}, "rotary_share"),
        ({"d_model": 64, "n_layer": 1, "head_dim": 16, "rotary_share": 2}, "rotary_share"),
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


def test_fields_of_later_versions_are_named_only_when_they_differ():
    plain = {"d_model": 64, "n_layer": 2}
    before = model_keys(GPT.build_config(plain, 128, 128))
    assert before == model_keys(GPT.build_config({**plain, "residual": "sequential", "rotary_share": 1.0}, 128, 128))
    assert before.keys().isdisjoint({"residual", "rotary_share"})
    after = model_keys(GPT.build_config({**plain, "residual": "parallel", "rotary_share": 0.25}, 128, 128))
    assert {k: v for k, v in after.items() if k not in before} == {"residual": "parallel", "rotary_share": 0.25}
    assert GPT.build_config(after, 128, 128).residual == "parallel"
