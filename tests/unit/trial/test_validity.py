"""The share of valid texts: of a model that writes a molecule or a tune, one that does not, and one that never ends."""

import torch
from torch import nn

from scaling.data.melodies import MelodiesSource
from scaling.data.smiles import SmilesSource
from scaling.data.tokenizer import MelodyTokenizer
from scaling.data.tokenizer.plain import ByteTokenizer
from scaling.spec.schema import MelodySpec, SmilesSpec
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


TUNE = "K:C | C4 - E4 - G4 - - - | C4 - - - - - - -"


class Plays(nn.Module):
    """Goes on with one tune, whatever the key."""

    def __init__(self) -> None:
        super().__init__()
        self.told = torch.tensor(MelodyTokenizer().prompt(TUNE)[1:])
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        told = self.told[torch.arange(tokens.shape[1]) % len(self.told)]
        return nn.functional.one_hot(told, MelodyTokenizer().vocab_size).float().expand(len(tokens), -1, -1) * 100


def test_tunes_begin_with_every_key_in_turn_and_end_at_their_length():
    checker = MelodiesSource(MelodySpec(bars=2, keys=24), {})
    validity = Validity(checker, MelodyTokenizer(), 128)
    written = validity.write(Plays())
    assert written[0] == f" {TUNE}"
    assert written[1] == f" {TUNE}".replace("K:C", "K:Cm")
    assert validity.judge(Plays())["validity"] == sum(checker.fault(str(w)) is None for w in written) / 96
    assert len(written) == 96  # four in every key
    assert 4 / 96 <= validity.judge(Plays())["validity"] < 0.3  # in C, and where these are the tonic and in the scale
