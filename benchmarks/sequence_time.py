"""What a network pays that reads one token after the other: FLOP/s by length of the window, beside a transformer.

    python benchmarks/sequence_time.py

A step has the same tokens at every length: longer windows are fewer rows, so a recurrent network has more steps in turn
and less to do in each. Processor time of one thread, so that other programs count little; FLOPs are exact.
"""

import argparse
import time

import torch

from scaling.families import get_family
from scaling.models import build, objective_of

VOCAB = 128
SHAPES = {"gpt": {"d_model": 64, "n_layer": 2, "head_dim": 16}, "lstm": {"d_model": 80, "n_layer": 2}}


def rates(name: str, context: int, tokens: int, steps: int) -> tuple[float, float]:
    """Return training FLOP/s and tokens/s (forward and backward) of one family at one length of the window."""
    family = get_family(name)
    config = family.build_config(SHAPES[name], VOCAB, context)
    model, objective = build(family, config), objective_of(family, config)
    batch = torch.randint(VOCAB, (tokens // context, context + 1), dtype=torch.int32)
    spent = []
    for _ in range(steps + 2):  # two to warm up
        began = time.process_time()
        objective.losses(model, batch).mean().backward()
        spent.append(time.process_time() - began)
    per_s = tokens / sorted(spent[2:])[steps // 2]
    return family.flops_per_token(config).train * per_s, per_s


def main() -> None:
    """Print a row for each length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096, help="in a step")
    parser.add_argument("--steps", type=int, default=7, help="timed; the median counts")
    parser.add_argument("--contexts", type=int, nargs="+", default=[32, 128, 512, 2048, 4096])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| context | rows |", " | ".join(f"{name}, GFLOP/s | tokens/s" for name in SHAPES), "|")
    for context in asked.contexts:
        cells = []
        for name in SHAPES:
            flops_per_s, tokens_per_s = rates(name, context, asked.tokens, asked.steps)
            cells.append(f"{flops_per_s / 1e9:.1f} | {tokens_per_s:,.0f}")
        print(f"| {context} | {asked.tokens // context} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
