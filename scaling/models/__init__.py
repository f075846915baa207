"""Torch modules, one file per family, loaded by name inside the trial only.

Each file gives ``build(config) -> nn.Module`` and ``objective(config) -> Objective``: how rows of the data become
losses; a family that stands on another's frozen model takes that too. Of the module the trainer asks only
``hidden_matrices()``: which parameters are matrices between activations. One that predicts the next token maps tokens
``(B, T)`` to logits ``(B, T, V)``.
"""

import importlib
from typing import Protocol, cast, runtime_checkable

import torch

from scaling.families import Config, Family
from scaling.models.objective import Filling, Objective

__all__ = ["Filling", "Follower", "Objective", "Trainable", "build", "objective_of"]


@runtime_checkable
class Trainable(Protocol):
    """What the training loop asks of a model, beside being an ``nn.Module``."""

    def hidden_matrices(self) -> list[tuple[torch.nn.Parameter, tuple[int, ...]]]:
        """Return the matrices between activations (Muon's), with the rows of each matrix in a parameter."""
        ...


@runtime_checkable
class Follower(Protocol):
    """A model of which a part follows the rest after every step; its buffers, which a checkpoint holds."""

    def follow(self) -> None:
        """Move that part by one step."""
        ...


def build(family: Family, config: Config) -> torch.nn.Module:
    """Build the torch module of a config on the current default device, randomly initialised."""
    module = importlib.import_module(family.module)
    return cast(torch.nn.Module, module.build(config))


def objective_of(family: Family, config: Config, base: torch.nn.Module | None = None) -> Objective:
    """Return what models of a config are trained by and measured by; ``base`` is the frozen model they stand on."""
    module = importlib.import_module(family.module)
    return cast(Objective, module.objective(config) if base is None else module.objective(config, base))
