"""The decoder that writes a picture after its caption: words, then the codes of patches, from a frozen discrete VAE.

Ramesh et al. 2021 (2102.12092, section 2.2). Every place is unembedded over the one vocabulary of words, codes and
start, and every token counts alike (theirs weighs the picture seven times the text).
"""

from functools import partial

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from scaling.families.dalle import DALLEConfig
from scaling.models.dvae import DVAE
from scaling.models.gpt import GPT
from scaling.models.objective import Extras, Objective, Rows, next_token_losses

_TOGETHER = 1024  # pictures coded in one pass


def build(config: DALLEConfig) -> GPT:
    """Build the module of stage two."""
    return GPT(config.trunk)


def coded(rows: Rows, base: DVAE, c: DALLEConfig) -> Rows:
    """Return start, words and codes ``(n, 1 + context)`` of pictures with captions, by the codes of stage one."""
    pixels, captions = np.split(np.asarray(rows), [-c.words], axis=1)
    parts = [base.codes(torch.from_numpy(part.astype(np.int32))) for part in _split(pixels)]
    codes = torch.cat(parts).numpy() + c.vocab_size
    start = np.full((len(captions), 1), c.vocab_size + c.codes)
    return np.concatenate([start, captions, codes], axis=1).astype(np.uint16)


def _split(pixels: Rows) -> list[Rows]:
    return np.array_split(pixels, max(1, -(-len(pixels) // _TOGETHER)))


@torch.no_grad()
def written(model: nn.Module, rows: Int[Tensor, "B T"], seed: int, base: DVAE, c: DALLEConfig) -> Rows:
    """Return rows of the corpus: pictures that the model draws after the captions of ``rows``, and these.

    Codes are drawn from the model's own distribution, restricted to codes; the numbers that pick them depend on the
    seed alone, the same for every size.
    """
    generator = torch.Generator().manual_seed(seed)
    text = rows[:, : 1 + c.words].int()
    for _ in range(c.context - c.words):
        logits = model(text)[:, -1, c.vocab_size : c.vocab_size + c.codes].float()
        sums = logits.softmax(dim=1).cumsum(dim=1)
        pick = torch.rand(len(text), 1, generator=generator).to(sums) * sums[:, -1:]
        code = torch.searchsorted(sums, pick, right=True).clamp(max=c.codes - 1)
        text = torch.cat([text, (code + c.vocab_size).int()], dim=1)
    return _rows(text, base, c)


def rebuilt(rows: Int[Tensor, "B T"], base: DVAE, c: DALLEConfig) -> Rows:
    """Return rows of the corpus whose pictures are made of the codes in ``rows``: the best that could be drawn."""
    return _rows(rows, base, c)


def _rows(text: Tensor, base: DVAE, c: DALLEConfig) -> Rows:
    words, codes = text[:, 1:].cpu().split([c.words, c.context - c.words], dim=1)
    pixels = base.pictures(codes - c.vocab_size)
    return torch.cat([pixels.int(), words.int()], dim=1).numpy().astype(np.uint8)


def objective(config: DALLEConfig, base: nn.Module) -> Objective:
    """Return the next-token objective over words and codes, the loss of either apart, and how pictures are drawn."""
    assert isinstance(base, DVAE)

    def measure(model: nn.Module, rows: Tensor) -> tuple[Tensor, Extras]:
        losses = next_token_losses(model, rows)
        text, image = losses.split([config.words, config.context - config.words], dim=1)
        return losses, {"loss_text": text.mean(dim=1), "loss_image": image.mean(dim=1)}

    return Objective(
        losses=next_token_losses,
        measure=measure,
        encode=partial(coded, base=base, c=config),
        draw=partial(written, base=base, c=config),
        rebuild=partial(rebuilt, base=base, c=config),
    )
