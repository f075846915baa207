"""Torch modules, one file per family, loaded by name inside the trial only.

Each file gives ``build(config) -> nn.Module``. The module maps tokens ``(B, T)`` to logits ``(B, T, V)``, and says with
``hidden_matrices()`` which parameters are matrices between activations.
"""

import importlib
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from scaling.families import Config, Family


@runtime_checkable
class LanguageModel(Protocol):
    """What the training loop asks of a next-token model, beside being an ``nn.Module``."""

    def __call__(self, tokens: Tensor) -> Tensor:
        """Return logits of shape ``(B, T, V)`` for tokens of shape ``(B, T)``."""
        ...

    def hidden_matrices(self) -> list[tuple[torch.nn.Parameter, tuple[int, ...]]]:
        """Return the matrices between activations (Muon's), with the rows of each matrix in a parameter."""
        ...


def build(family: Family, config: Config) -> torch.nn.Module:
    """Build the torch module of a config on the current default device, randomly initialised."""
    module = importlib.import_module(family.module)
    return cast(torch.nn.Module, module.build(config))
