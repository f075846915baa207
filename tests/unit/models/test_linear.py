"""The faster product gives what ``F.linear`` gives, with its gradients, and steps aside where it does not apply."""

import pytest
import torch
import torch.nn.functional as F

from scaling.models import linear as linear_module
from scaling.models.linear import Linear, linear, matmul_library, takes_onednn
from scaling.training.optim import orthogonalise

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


@pytest.fixture
def onednn(monkeypatch):
    monkeypatch.setattr(linear_module, "matmul_library", lambda: "onednn")


@needs_onednn
@pytest.mark.parametrize("shape", [(3, 17), (2, 5, 17)])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_torch_forward_and_backward(onednn, shape, bias):
    torch.manual_seed(0)
    x = torch.randn(*shape[:-1], 64, requires_grad=True)
    layer = Linear(64, 80, bias=bias)
    assert takes_onednn(x, layer.weight)
    grad = torch.randn(*shape[:-1], 80)
    wanted = torch.autograd.grad(F.linear(x, layer.weight, layer.bias), [x, *layer.parameters()], grad)
    given = torch.autograd.grad(layer(x), [x, *layer.parameters()], grad)
    torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))
    for a, b in zip(given, wanted, strict=True):
        torch.testing.assert_close(a, b)


@needs_onednn
def test_gradient_of_one_input_alone(onednn):
    x, weight = torch.randn(4, 64), torch.randn(64, 64, requires_grad=True)
    linear(x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum(0).expand(64, 64))


def test_other_devices_types_and_sizes_take_the_default(onednn):
    small, large = torch.randn(8, 16), torch.randn(64, 64)
    assert not takes_onednn(torch.randn(4, 16), small)
    assert not takes_onednn(torch.randn(4, 64).double(), large.double())
    assert not takes_onednn(torch.randn(4, 64, device="meta"), large.to("meta"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not takes_onednn(torch.randn(4, 64), large)
        assert linear(torch.randn(4, 64), large).dtype is torch.bfloat16


@needs_onednn
def test_muon_iterates_alike_with_either_product(onednn, monkeypatch):
    torch.manual_seed(0)
    stack = torch.randn(3, 96, 128)
    ours = orthogonalise(stack)
    monkeypatch.setattr(linear_module, "matmul_library", lambda: "default")
    torch.testing.assert_close(ours, orthogonalise(stack), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("vendor", "wanted"), [("GenuineIntel", "default"), ("unknown", "default")])
def test_intel_and_unknown_processors_keep_the_default(monkeypatch, vendor, wanted):
    monkeypatch.setattr(linear_module, "_vendor", lambda: vendor)
    matmul_library.cache_clear()
    assert matmul_library() == wanted
    matmul_library.cache_clear()
