"""The catalogue: names, choices, refusals; figures of a few cards that training people know by heart."""

import pytest

from scaling.errors import UsageError
from scaling.hardware import accelerators, find_accelerator, peak_flops_per_s


def test_every_row_is_sane():
    cards = accelerators()
    assert len(cards) > 40
    assert len({card.name for card in cards}) == len(cards)
    for card in cards:
        assert 1e12 < card.peak_16bit_flops_per_s < 1e16
        assert 5e9 < card.memory_bytes < 1e12
        assert card.tdp_w is None or 50 < card.tdp_w < 2000
        assert card.source
        assert card.confidence in {"high", "medium", "low"}


def test_driver_names_are_unique():
    names = [name for card in accelerators() for name in card.device_names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("asked", "card"),
    [
        ("A100-SXM4-40GB", "A100-SXM4-40GB"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM5-80GB"),
        ("h100 pcie", "H100-PCIe-80GB"),
        ("4090", "RTX-4090"),
        ("RTX A6000", "A6000"),
        ("tpu v4", "TPU v4"),
        ("l4", "L4"),
        ("mi300x", "MI300X"),
    ],
)
def test_one_card(asked, card):
    match = find_accelerator(asked)
    assert (match.accelerator.name, match.note) == (card, None)


def test_several_cards_pick_one_and_say_so():
    match = find_accelerator("V100")
    assert match.accelerator.name == "V100-SXM2-32GB"
    assert set(match.others) == {"V100-SXM2-16GB", "V100-PCIe-32GB"}
    assert "fits 3 cards" in match.note


@pytest.mark.parametrize("asked", ["H1000", "banana", "", "100", "NVIDIA GeForce RTX 4090 Laptop GPU"])
def test_unknown_card_is_an_error_with_a_way_out(asked):
    with pytest.raises(UsageError) as caught:
        find_accelerator(asked)
    assert "--peak-flops and --tdp" in caught.value.hint


def test_a_family_without_one_set_of_figures_says_so():
    with pytest.raises(UsageError) as caught:
        find_accelerator("Apple M3 Max")
    assert caught.value.code == "accelerator.no_figures"


def test_nearest_names_are_given():
    with pytest.raises(UsageError, match="H100"):
        find_accelerator("H101")


@pytest.mark.parametrize(
    ("device", "precision", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989),  # dense; 1979 is the sparse figure
        ("NVIDIA GeForce RTX 4090", "bfloat16", 165.2),  # float32 accumulation; 330 is the float16 one
        ("Tesla V100-SXM2-16GB", "float16", 125),
        ("NVIDIA A100-SXM4-80GB", "float32", 19.5),
    ],
)
def test_peaks(device, precision, tflops):
    peak = peak_flops_per_s(device, precision)
    assert peak.value == pytest.approx(tflops * 1e12)
    assert peak.source.startswith("data_sheet:")


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("AMD EPYC", "float32"),
        ("cpu", "bfloat16"),
        ("NVIDIA H300", "bfloat16"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "bfloat16"),  # never the full card's
        ("Tesla V100-SXM2-16GB", "bfloat16"),  # has none
        ("NVIDIA B200", "float32"),  # not in the catalogue
    ],
)
def test_unknown_peak_is_none(device, precision):
    assert peak_flops_per_s(device, precision) is None


def test_unknown_precision_is_a_mistake():
    with pytest.raises(ValueError, match="int8"):
        peak_flops_per_s("NVIDIA H200", "int8")
