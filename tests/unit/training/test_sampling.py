"""Texts in one batch."""

import pytest
import torch

from scaling.families import get_family
from scaling.models import build
from scaling.training.sampling import generate

PROMPTS = [[5], [9, 1, 4, 4, 2], [7, 3]]


@pytest.fixture(scope="module")
def model():
    family = get_family("gpt")
    torch.manual_seed(0)
    return build(family, family.build_config({"d_model": 16, "n_layer": 2, "head_dim": 8}, 32, 8))


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_text_is_the_same_in_company_beyond_the_context_too(model, temperature):
    together = generate(model, PROMPTS, 20, temperature, [1, 2, 3], 8)
    alone = [generate(model, [p], 20, temperature, [s], 8)[0] for p, s in zip(PROMPTS, (1, 2, 3), strict=True)]
    assert together == alone
    assert [len(text) for text in together] == [20, 20, 20]


def test_the_seed_makes_the_text_and_greedy_needs_none(model):
    first, again, other = (generate(model, [[5]], 20, 1.0, [seed], 8) for seed in (1, 1, 2))
    assert first == again != other
    assert generate(model, [[5]], 20, 0.0, [1], 8) == generate(model, [[5]], 20, 0.0, [2], 8)


def test_nothing_is_written_for_no_prompt_and_an_empty_one_is_refused(model):
    assert generate(model, [], 20, 1.0, [], 8) == []
    with pytest.raises(ValueError, match="empty"):
        generate(model, [[1], []], 20, 1.0, [1, 2], 8)
