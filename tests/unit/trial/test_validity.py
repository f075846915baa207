"""The share of valid texts: of a model that writes a molecule, one that does not, and one that never ends."""

import torch
from torch import nn

from scaling.data.smiles import SmilesSource
from scaling.data.tokenizer.plain import ByteTokenizer
from scaling.spec.schema import SmilesSpec
from scaling.trial.validity import Validity


class Writes(nn.Module):
    """Writes one text again and again, a zero byte after each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text.encode() + b"\x00" if text != "endless" else b"C"
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        told = torch.tensor(list(self.text))
        places = torch.arange(tokens.shape[1]) % len(told)
        return nn.functional.one_hot(told[places], 128).float().expand(len(tokens), -1, -1) * 100


def judge(text: str) -> dict[str, float]:
    checker = SmilesSource(SmilesSpec(longest=8), {})
    return dict(Validity(checker, ByteTokenizer(128), 64).judge(Writes(text)))


def test_validity_is_the_share_of_texts_that_hold():
    assert judge("C1CC1") == {"validity": 1.0, "uniqueness": 1 / 256}
    assert judge("C1CC") == {"validity": 0.0}
    assert judge("endless") == {"validity": 0.0}
