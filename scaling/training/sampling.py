"""Text from a trained model: the same prompts, seed and temperature whatever the size."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_FILL = 0  # stands behind a shorter text, where a causal model does not look


@torch.no_grad()
def generate(
    model: nn.Module,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    temperature: float,
    seeds: Sequence[int],
    context: int,
) -> list[list[int]]:
    """Continue each prompt by so many tokens, which are returned; all in one batch, each with its own seed.

    Args:
        model: a causal one.
        prompts: token ids; of any lengths above zero.
        tokens: how many to write.
        temperature: 0 is greedy.
        seeds: one for each prompt.
        context: tokens that the model sees at most.

    Raises:
        ValueError: an empty prompt.
    """
    if not all(prompts):
        raise ValueError("the prompt is empty")
    device = next(model.parameters()).device
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    texts = [list(prompt) for prompt in prompts]
    model.eval()
    for _ in range(tokens if texts else 0):
        windows = [text[-context:] for text in texts]
        longest = max(map(len, windows))
        batch = torch.tensor([w + [_FILL] * (longest - len(w)) for w in windows], dtype=torch.int, device=device)
        logits = model(batch).float().cpu()
        for i, (text, generator) in enumerate(zip(texts, generators, strict=True)):
            text.append(_pick(logits[i, len(windows[i]) - 1], temperature, generator))
    model.train()
    return [text[len(prompt) :] for text, prompt in zip(texts, prompts, strict=True)]


def _pick(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator))
