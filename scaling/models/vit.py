"""The vision transformer: patches as tokens, learned positions, blocks that see all places, one label a picture.

Dosovitskiy et al. 2021 (2010.11929); the mean over patches instead of a class token: Zhai et al. 2022 (2106.04560).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scaling.families.vit import ViTConfig
from scaling.models.gpt import Block, Matrices, initialise_blocks, norm_of
from scaling.models.linear import Linear
from scaling.models.objective import Extras, Objective, accuracy, cross_entropy

_HALF_GREY = 127.5  # pixels are 0 to 255; the model sees -1 to 1


class ViT(nn.Module):
    """Patch embedding, positions, blocks, norm, head."""

    def __init__(self, c: ViTConfig) -> None:
        super().__init__()
        self.c = c
        self.patches = Linear(c.patch_values, c.d_model, bias=c.bias)
        if c.pool == "class":
            self.class_token = nn.Parameter(torch.empty(c.d_model))
        self.position = nn.Parameter(torch.empty(c.places, c.d_model))
        self.blocks = nn.ModuleList(Block(c.blocks, causal=False) for _ in range(c.n_layer))
        self.norm = norm_of(c.blocks)
        self.head = Linear(c.d_model, c.vocab_size, bias=c.bias)
        self._initialise()

    def forward(self, pixels: Int[Tensor, "B P"]) -> Float[Tensor, "B L"]:
        """Return the logits of the labels of pictures, given patch by patch."""
        c = self.c
        x = self.patches(pixels.unflatten(1, (c.context, c.patch_values)).float() / _HALF_GREY - 1)
        if c.pool == "class":
            x = torch.cat([self.class_token.type_as(x).expand(len(x), 1, -1), x], dim=1)
        x = x + self.position
        for block in self.blocks:
            x = block(x, None)
        x = self.norm(x[:, 0] if c.pool == "class" else x)
        logits: Tensor = self.head(x if c.pool == "class" else x.mean(dim=1))
        return logits

    def hidden_matrices(self) -> Matrices:
        """Return the matrices inside the blocks, with the rows of each matrix that a parameter holds."""
        return [found for block in self.blocks for found in block.matrices()]  # type: ignore[operator]  # all Blocks

    def _initialise(self) -> None:
        """Scale the patches by fan-in; the head starts at zero, so that every label is as likely."""
        nn.init.normal_(self.patches.weight, std=self.c.patch_values**-0.5)
        nn.init.normal_(self.position, std=0.02)
        if self.c.pool == "class":
            nn.init.normal_(self.class_token, std=0.02)
        nn.init.zeros_(self.head.weight)
        for layer in (self.patches, self.head):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        initialise_blocks(self.blocks)


def label_losses(model: nn.Module, rows: Int[Tensor, "B R"]) -> Float[Tensor, "B 1"]:
    """Cross-entropy of the label of each picture, in nats, float32."""
    return cross_entropy(model(rows[:, :-1])[:, None], rows[:, -1:])


def _measure(model: nn.Module, rows: Int[Tensor, "B R"]) -> tuple[Tensor, Extras]:
    logits, labels = model(rows[:, :-1])[:, None], rows[:, -1:]
    return cross_entropy(logits, labels), {"accuracy": accuracy(logits, labels)}


def build(config: ViTConfig) -> ViT:
    """Build the module of a config."""
    return ViT(config)


def objective(config: ViTConfig) -> Objective:
    """Return the label's cross-entropy, and the accuracy beside it."""
    return Objective(losses=label_losses, measure=_measure)
