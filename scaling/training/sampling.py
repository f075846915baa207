"""Text from a trained model: the same prompts, seed and temperature whatever the size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def generate(
    model: nn.Module, prompt: Sequence[int], tokens: int, temperature: float, seed: int, context: int
) -> list[int]:
    """Continue ``prompt``, tokens, by ``tokens`` more, which are returned; temperature 0 is greedy.

    Raises:
        ValueError: an empty prompt.
    """
    if not prompt:
        raise ValueError("the prompt is empty")
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    text = torch.tensor(list(prompt), dtype=torch.int, device=device)
    model.eval()
    for _ in range(tokens):
        logits = model(text[None, -context:])[0, -1].float().cpu()
        text = torch.cat([text, _pick(logits, temperature, generator).to(text)])
    model.train()
    return [int(token) for token in text[len(prompt) :].tolist()]


def _pick(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(keepdim=True)
    return torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)
