import numpy as np
import pytest
import torch
from torch import nn

from scaling.abilities import AbilityProbe


class Told(nn.Module):
    """Knows the test windows by heart, and answers with a set confidence; a share of the answers is spoilt."""

    def __init__(self, probe, confidence, spoilt=()):
        super().__init__()
        self.windows, self.confidence, self.spoilt = probe._batch.long(), confidence, set(spoilt)

    def forward(self, tokens):
        rest = (1 - self.confidence) / 127
        logits = torch.full((*tokens.shape, 128), float(np.log(rest)))
        for i, row in enumerate(tokens.long()):
            (at,) = torch.nonzero((self.windows[:, :-1] == row).all(dim=1))[0]
            targets = self.windows[at, 1:].clone()
            if int(at) in self.spoilt:
                targets = (targets + 1) % 128
            logits[i, torch.arange(len(row)), targets] = float(np.log(self.confidence))
        return logits


def test_scores_of_a_model_that_knows_the_answers():
    probe = AbilityProbe("addition-2", "arithmetic", 50, 64)
    seen = probe.measure(Told(probe, 0.9), torch.device("cpu"))
    assert seen["exact_match"] == seen["token_accuracy"] == 1
    assert seen["logprob"] == pytest.approx(np.log(0.9), abs=1e-5)
    assert seen["brier"] == pytest.approx(0.1**2 + 127 * (0.1 / 127) ** 2, abs=1e-5)
    assert seen["items"] == 50
    assert seen["answer_tokens"] == 3
    assert seen["ability"] == "arithmetic"


def test_one_spoilt_window_costs_its_items():
    probe = AbilityProbe("addition-2", "arithmetic", 50, 64)
    per_window = 65 // 10
    seen = probe.measure(Told(probe, 0.9, spoilt=[0]), torch.device("cpu"))
    assert seen["exact_match"] == pytest.approx(1 - per_window / 50)


def test_measuring_leaves_the_model_in_training_mode():
    probe = AbilityProbe("copy-3", "few-shot learning", 30, 64)
    model = Told(probe, 0.5)
    probe.measure(model, torch.device("cpu"))
    assert model.training
