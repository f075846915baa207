"""Two encoders that meet in one space: of a batch, every picture is to find its caption and every caption its picture.

Radford et al. 2021 (2103.00020): cosines of both embeddings times a learned temperature, and the cross-entropy in both
directions. Where captions of a batch are equal, all of them are right: the target is spread over them, and what it
leaves open is taken off, so that the loss of a perfect model is zero.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from scaling.families.clip import CLIPConfig
from scaling.models.gpt import Block, Matrices, initialise_blocks, norm_of
from scaling.models.linear import Linear
from scaling.models.objective import Extras, Objective
from scaling.models.vit import ViT

_START = math.log(1 / 0.07)  # of the temperature's logarithm, and its limit: Radford et al., section 2.5
_LIMIT = math.log(100)


class TextEncoder(nn.Module):
    """Word embedding, learned positions, blocks that see all words, and the mean over them projected."""

    def __init__(self, c: CLIPConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c.vocab_size, c.d_model)
        self.position = nn.Parameter(torch.empty(c.words, c.d_model))
        self.blocks = nn.ModuleList(Block(c.text, causal=False) for _ in range(c.n_layer))
        self.norm = norm_of(c.text)
        self.head = Linear(c.d_model, c.d_embed, bias=c.bias)
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.normal_(self.position, std=0.02)
        initialise_blocks(self.blocks)

    def forward(self, words: Int[Tensor, "B W"]) -> Float[Tensor, "B E"]:
        """Return the embedding of captions, of any length."""
        x = self.embedding(words) + self.position
        for block in self.blocks:
            x = block(x, None)
        y: Tensor = self.head(self.norm(x).mean(dim=1))
        return y


class CLIP(nn.Module):
    """Encoder of pictures, encoder of captions, temperature."""

    def __init__(self, c: CLIPConfig) -> None:
        super().__init__()
        self.c = c
        self.image = ViT(c.image)
        self.text = TextEncoder(c)
        self.temperature = nn.Parameter(torch.tensor(_START))
        for head in (self.image.head, self.text.head):  # not at zero: a vector without length has no direction
            nn.init.normal_(head.weight, std=c.d_model**-0.5)
            if head.bias is not None:
                nn.init.zeros_(head.bias)

    def forward(self, pixels: Int[Tensor, "B P"], words: Int[Tensor, "B W"]) -> Float[Tensor, "B B"]:
        """Return the score of every picture with every caption."""
        image, text = (F.normalize(x.float(), dim=1) for x in (self.image(pixels), self.text(words)))
        scores: Tensor = self.temperature.clamp(max=_LIMIT).exp() * (image @ text.t())
        return scores

    def hidden_matrices(self) -> Matrices:
        """Return the matrices inside the blocks of both, with the rows of each matrix that a parameter holds."""
        blocks = [*self.image.blocks, *self.text.blocks]
        return [found for block in blocks for found in block.matrices()]


def _compared(model: nn.Module, rows: Int[Tensor, "B R"], words: int) -> tuple[Tensor, Bool[Tensor, "B B"]]:
    """Return all scores, and which captions are right for which picture."""
    pixels, captions = rows.split([rows.shape[1] - words, words], dim=1)
    return model(pixels, captions), (captions[:, None] == captions[None]).all(dim=2)


def excess(scores: Float[Tensor, "B B"], right: Bool[Tensor, "B B"]) -> Float[Tensor, " B"]:
    """Return, row by row in nats, the cross-entropy to the even spread over what is right, above its own entropy."""
    count = right.sum(dim=1)
    told = scores.float().log_softmax(dim=1).masked_fill(~right, 0.0).sum(dim=1)
    return -told / count - count.log()


def pair_losses(model: nn.Module, rows: Int[Tensor, "B R"], words: int) -> Float[Tensor, "B 2"]:
    """Nats of finding each picture's caption, and each caption's picture, among those of the batch."""
    scores, right = _compared(model, rows, words)
    return torch.stack([excess(scores, right), excess(scores.t(), right)], dim=1)


def objective(config: CLIPConfig) -> Objective:
    """Return the symmetric contrastive objective, with how often the best scored is right in either direction."""

    def losses(model: nn.Module, rows: Tensor) -> Tensor:
        return pair_losses(model, rows, config.words)

    def measure(model: nn.Module, rows: Tensor) -> tuple[Tensor, Extras]:
        scores, right = _compared(model, rows, config.words)
        both = torch.stack([excess(scores, right), excess(scores.t(), right)], dim=1)
        return both, {
            "recall_caption": _recall(scores, right),
            "recall_picture": _recall(scores.t(), right),
            "recall_chance": right.float().mean(dim=1),
        }

    return Objective(losses=losses, measure=measure)


def _recall(scores: Tensor, right: Tensor) -> Tensor:
    return right.gather(1, scores.argmax(dim=1, keepdim=True))[:, 0].float()


def build(config: CLIPConfig) -> CLIP:
    """Build the module of a config."""
    return CLIP(config)
