"""Memory of training: the bytes of ZeRO and Korthikanti et al., and the devices that hold them."""

import pytest

from scaling.cost.memory import memory
from scaling.cost.request import Request
from scaling.hardware import find_accelerator


def held(params, gpu=None, **options):
    match = None if gpu is None else find_accelerator(gpu)
    return memory(Request(params=params, tokens=1e9, match=match, **options))


def test_mixed_precision_adam_takes_16_bytes_a_parameter():
    got = held(7.5e9)
    assert (got.weights, got.gradients, got.optimizer) == (15e9, 15e9, 90e9)
    assert got.state == 120e9  # ZeRO, figure 1: 120 GB for 7.5B


def test_activations_of_gpt3():
    got = held(175e9)
    assert got.activations == pytest.approx(34 * 2048 * 12288 * 96)  # 34 s b h L
    assert got.activations_recomputed == pytest.approx(2 * 2048 * 12288 * 96)


def test_activations_grow_with_context():
    assert held(1e9, context=8192).activations == pytest.approx(4 * held(1e9).activations)


def test_devices_needed():
    assert held(124e6, "A100-SXM4-80GB").devices == 1
    seven = held(7e9, "A100-SXM4-80GB")
    assert seven.devices == 2  # 112 GB of state
    assert not seven.recompute
    gpt3 = held(175e9, "A100-SXM4-80GB")
    assert gpt3.recompute
    assert gpt3.devices == 42
    assert held(1e9).devices is None  # no card


def test_what_fits():
    assert held(7e9, "A100-SXM4-80GB", count=1).fits is False
    assert held(7e9, "A100-SXM4-80GB", count=2).fits is True
    assert held(7e9, "A100-SXM4-80GB").fits is None


def test_a_sequence_that_no_device_holds():
    got = held(175e9, "T4", context=100_000)
    assert got.devices is None


def test_a_sparse_model_fills_memory_with_all_its_parameters():
    assert held(13e9, params_total=47e9).state == 16 * 47e9


def test_without_a_size_there_is_no_memory():
    assert memory(Request(flops=1e20, match=find_accelerator("A100"))) is None
