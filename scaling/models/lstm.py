"""The recurrent language model: embedding, layers of LSTM, unembedding; the state begins at zero with each window.

A layer runs through the window in one fused kernel; over the window its steps wait for each other.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from scaling.families.lstm import LSTMConfig
from scaling.models.linear import Linear
from scaling.models.objective import NEXT_TOKEN, Objective


class LSTM(nn.Module):
    """Maps tokens to logits of the next, each from those before it."""

    def __init__(self, c: LSTMConfig) -> None:
        super().__init__()
        self.c = c
        self.embedding = nn.Embedding(c.vocab_size, c.d_model)
        self.layers = nn.LSTM(c.d_model, c.d_model, num_layers=c.n_layer, batch_first=True)
        self.unembedding = Linear(c.d_model, c.vocab_size, bias=False)
        if c.tied:
            self.unembedding.weight = self.embedding.weight
        self._initialise()

    def forward(self, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """Return next-token logits."""
        states, _ = self.layers(self.embedding(tokens))
        logits: Tensor = self.unembedding(states)
        return logits

    def hidden_matrices(self) -> list[tuple[nn.Parameter, tuple[int, ...]]]:
        """Return the weights of the layers; those of the four gates share a parameter."""
        rows = (self.c.d_model,) * 4
        return [(p, rows) for name, p in self.layers.named_parameters() if name.startswith("weight")]

    @torch.no_grad()
    def _initialise(self) -> None:
        """Scale by fan-in; the forget gate begins open (Jozefowicz et al. 2015, section 4)."""
        nn.init.normal_(self.embedding.weight, std=0.02 if self.c.tied else 0.1)
        if not self.c.tied:
            nn.init.zeros_(self.unembedding.weight)
        for name, p in self.layers.named_parameters():
            if name.startswith("weight"):
                nn.init.normal_(p, std=self.c.d_model**-0.5)
                continue
            nn.init.zeros_(p)
            if name.startswith("bias_ih"):
                p[self.c.d_model : 2 * self.c.d_model] = 1.0  # input, forget, cell, output


def build(config: LSTMConfig) -> LSTM:
    """Build the module of a config."""
    return LSTM(config)


def objective(config: LSTMConfig) -> Objective:
    """Return the next-token objective."""
    return NEXT_TOKEN
