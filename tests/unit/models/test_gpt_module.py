"""The torch module against its arithmetic, and the properties a causal model must have."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.families import get_family
from scaling.models import build
from scaling.models.gpt import squared_relu

GPT = get_family("gpt")
VARIANTS = [
    {"activation": "relu2", "norm": "layernorm"},
    {"activation": "swiglu", "norm": "rmsnorm", "n_kv_head": 2},
    {"activation": "gelu", "norm": "layernorm", "position": "learned", "bias": True, "tied": True, "qk_norm": False},
    {"position": "sinusoidal"},
    {"position": "none", "bias": True, "norm": "layernorm"},
    {"residual": "parallel", "rotary_share": 0.25, "activation": "gelu_tanh", "bias": True, "norm": "layernorm"},
]
SHAPES = [(64, 2, 4, 32), (96, 3, 6, 48), (32, 1, 2, 128)]  # width, blocks, heads, context


def config_of(variant, context=32):
    return GPT.build_config({"d_model": 64, "n_layer": 2, "head_dim": 16, **variant}, 128, context)


@pytest.mark.parametrize("variant", VARIANTS)
def test_closed_form_equals_the_built_module(variant):
    config = config_of(variant)
    with torch.device("meta"):
        model = build(GPT, config)
    assert sum(p.numel() for p in model.parameters()) == GPT.params(config).total


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("d_model", "n_layer", "n_head", "context"), SHAPES)
def test_closed_form_flops_equal_the_flop_counter(variant, d_model, n_layer, n_head, context):
    shape = {"d_model": d_model, "n_layer": n_layer, "n_head": n_head}
    config = GPT.build_config({**variant, **shape}, 256, context)
    with torch.device("meta"):
        model = build(GPT, config)
        tokens = torch.zeros(3, context, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(tokens).sum().backward()
    assert counter.get_total_flops() / tokens.numel() == GPT.flops_per_token(config).train_full_attention


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_position_sees_a_later_token(variant):
    torch.manual_seed(0)
    model = build(GPT, config_of(variant))
    for p in model.parameters():  # away from the zero initialisation, which would hide a leak
        torch.nn.init.normal_(p, std=0.2)
    tokens = torch.randint(0, 128, (2, 32))
    changed = tokens.clone()
    changed[:, 20:] = (changed[:, 20:] + 1) % 128
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :20], after[:, :20])
    assert not torch.equal(before[:, 20:], after[:, 20:])


def test_rotary_attention_depends_on_relative_position_only():
    from scaling.models.gpt import rotary_frequencies, rotate

    torch.manual_seed(0)
    q, k = torch.randn(16), torch.randn(16)
    turned_q = rotate(q.expand(1, 40, 1, 16).contiguous(), rotary_frequencies(40, 16, 10_000.0))[0, :, 0]
    turned_k = rotate(k.expand(1, 40, 1, 16).contiguous(), rotary_frequencies(40, 16, 10_000.0))[0, :, 0]
    near = turned_q[5] @ turned_k[2]
    far = turned_q[35] @ turned_k[32]
    torch.testing.assert_close(near, far, rtol=1e-4, atol=1e-5)


def test_squared_relu_has_the_right_gradient():
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(squared_relu, (x,))


def test_each_parameter_has_one_optimizer():
    from scaling.spec.schema import TrainSpec
    from scaling.training.optim import make_optimizers

    model = build(GPT, config_of({"activation": "swiglu", "n_kv_head": 2}))
    held = [id(p) for o in make_optimizers(model, TrainSpec()) for g in o.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    for matrix, rows in model.hidden_matrices():
        assert sum(rows) == matrix.shape[0]


def test_what_does_not_turn_carries_no_position():
    torch.manual_seed(0)
    config = config_of({"rotary_share": 0.5, "n_layer": 1})
    attention = build(GPT, config).blocks[0].attention
    frequencies = torch.polar(torch.ones(32, 1, 4), torch.arange(32.0)[:, None, None].expand(32, 1, 4))
    qk = torch.randn(2, 32, 8, 16)
    turned = attention._turn(qk, frequencies)
    assert torch.equal(turned[..., 8:], qk[..., 8:])
    assert not torch.equal(turned[:, 1:, :, :8], qk[:, 1:, :, :8])


def test_side_by_side_the_mlp_does_not_see_what_attention_adds():
    torch.manual_seed(0)
    block = build(GPT, config_of({"residual": "parallel", "position": "none"})).blocks[0]
    for p in block.parameters():
        torch.nn.init.normal_(p, std=0.2)
    x = torch.randn(1, 32, 64)
    expected = x + block.attention(block.norm_attention(x), None) + block.mlp(block.norm_mlp(x))
    torch.testing.assert_close(block(x, None), expected)
