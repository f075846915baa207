"""What of a training recipe decides its memory, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained, as far as memory goes.

    Attributes:
        batch_tokens: tokens in one forward and backward pass (a micro-batch, where a step has several).
        precision: ``float32`` or ``bfloat16`` (autocast: weights stay in float32).
        optimizer: ``muon`` or ``adamw``.
        anneal: ``average`` or ``cooldown``.
        fused_norm: RMSNorm is one kernel, as on GPUs; on the CPU it keeps one more copy of its input.
    """

    batch_tokens: int
    precision: str = "float32"
    optimizer: str = "muon"
    anneal: str = "average"
    fused_norm: bool = True

    @property
    def value_bytes(self) -> int:
        """Bytes of an activation."""
        return 2 if self.precision == "bfloat16" else 4
