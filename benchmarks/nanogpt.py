"""Is one model trained as fast as nanoGPT trains it?

Times training steps of the real nanoGPT (a checkout that you give) and of this project on the same shape, batch,
precision (float32), optimizer (AdamW, clipped) and data, on one CPU thread. The two alternate, so that a busy machine
slows both; each round gives one ratio, and the table shows the median and the spread of the rounds.

nanoGPT runs its own ``model.py`` and ``configure_optimizers`` in the steps of its ``train.py``: next batch, forward,
backward, clip, step, zero. Ours runs the trial's loop as it is, once plain and once with what a sweep adds (the
growing weight average).

    git clone https://github.com/karpathy/nanoGPT
    python benchmarks/nanogpt.py --nanogpt nanoGPT [--compile] [--rounds 9]
"""

import argparse
import contextlib
import importlib
import io
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from scaling.executor.slots import ALLOCATOR, THREADS

SHAPES = {  # layers, width, heads, context, windows, steps in a round
    "quickstart's width 64": (2, 64, 4, 128, 8, 40),
    "nanoGPT's CPU example": (4, 128, 4, 64, 12, 15),
    "nanoGPT's baby GPT": (6, 384, 6, 256, 4, 3),
}
VOCABULARY, LR, DECAY, BETAS = 128, 1e-3, 0.1, (0.9, 0.95)


class Silent:
    """An observer of the loop that keeps nothing."""

    def on_curve(self, line):
        pass

    def on_pause(self, state):
        pass

    def on_horizon(self, step, model, train_s):
        pass


def nanogpt(shape, data, compiled):
    """Return a function that trains nanoGPT by ``n`` steps, and its parameters."""
    import torch

    layers, width, heads, context, windows, _ = shape
    theirs = importlib.import_module("model")
    torch.manual_seed(0)
    with contextlib.redirect_stdout(io.StringIO()):
        config = theirs.GPTConfig(
            block_size=context,
            vocab_size=VOCABULARY,
            n_layer=layers,
            n_head=heads,
            n_embd=width,
            dropout=0.0,
            bias=False,
        )
        model = theirs.GPT(config)
        optimizer = model.configure_optimizers(DECAY, LR, BETAS, "cpu")
    parameters = sum(p.numel() for p in model.parameters())
    forward = torch.compile(model) if compiled else model

    def batch():
        starts = torch.randint(len(data) - context, (windows,)).tolist()
        x = torch.stack([torch.from_numpy(data[s : s + context].astype("int64")) for s in starts])
        y = torch.stack([torch.from_numpy(data[s + 1 : s + 1 + context].astype("int64")) for s in starts])
        return x, y

    def run(steps):
        for _ in range(steps):
            _, loss = forward(*batch())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        loss.item()

    return run, parameters


def ours(shape, data, compiled, anneal):
    """Return a function that trains our model of the same shape by ``n`` steps, and its parameters."""
    import torch

    from scaling.data import WindowStream
    from scaling.families import get_family
    from scaling.models import build
    from scaling.models.objective import next_token_losses
    from scaling.spec.schema import LearningRates, TrainSpec
    from scaling.training.loop import Trainer, fresh_state

    layers, width, heads, context, windows, _ = shape
    keys = {"n_layer": layers, "d_model": width, "head_dim": width // heads, "norm": "layernorm", "activation": "gelu"}
    keys |= {"position": "learned", "qk_norm": False, "tied": True, "bias": False}
    family = get_family("gpt")
    recipe = TrainSpec(
        optimizer="adamw",
        lr=LearningRates(hidden=LR, embedding=LR),
        batch_tokens=windows * context,
        anneal=anneal,
        weight_decay=DECAY,
    )
    torch.manual_seed(0)
    model = build(family, family.build_config(keys, VOCABULARY, context))
    state = fresh_state(model, recipe)
    objective = torch.compile(next_token_losses) if compiled else next_token_losses
    stream = WindowStream(data, context, windows, 0)
    trainer = Trainer(state, objective, stream, recipe, torch.device("cpu"), Silent())

    def run(steps):
        trainer._advance(state, state.step + steps, lambda step: 1.0)

    return run, sum(p.numel() for p in model.parameters())


def measure(shape, data, compiled, rounds):
    """Return tokens per second of each contender, a list of rounds for each, and the parameter counts."""
    tokens, steps = shape[3] * shape[4], shape[5]
    contenders = {
        "nanoGPT": nanogpt(shape, data, compiled),
        "ours": ours(shape, data, compiled, "cooldown"),
        "ours, averaged": ours(shape, data, compiled, "average"),
    }
    rates = {name: [] for name in contenders}
    for run, _ in contenders.values():
        run(max(3, steps // 4))
    for _ in range(rounds):
        for name, (run, _) in contenders.items():
            began = time.perf_counter()
            run(steps)
            rates[name].append(steps * tokens / (time.perf_counter() - began))
    return rates, {name: parameters for name, (_, parameters) in contenders.items()}


def spread(ratios):
    """Median, then lowest and highest."""
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


def sha(checkout):
    """Return the commit of a checkout."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "not a checkout"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, required=True, help="a checkout of nanoGPT")
    parser.add_argument("--compile", action="store_true", help="torch.compile for both")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if not (arguments.nanogpt / "model.py").is_file():
        parser.error(f"{arguments.nanogpt} holds no model.py: git clone https://github.com/karpathy/nanoGPT")
    wanted = {**THREADS, **ALLOCATOR}
    if any(os.environ.get(name) != value for name, value in wanted.items()):  # read by the C library at its start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})
    sys.path.insert(0, str(arguments.nanogpt))

    import numpy as np
    import torch

    from scaling.models.linear import matmul_library

    torch.set_num_threads(1)
    data = np.random.default_rng(0).integers(0, VOCABULARY, 2_000_000).astype(np.uint8)
    print(
        f"nanoGPT {sha(arguments.nanogpt)}, torch {torch.__version__}, one thread, float32, {arguments.rounds} rounds,"
    )
    print(f"compile {'on' if arguments.compile else 'off'} for both, our matrix products by {matmul_library()}")
    print(f"{'shape':24} {'parameters':>20} {'nanoGPT tok/s':>14} {'ours / nanoGPT':>20} {'averaged / nanoGPT':>20}")
    for name, shape in SHAPES.items():
        rates, counts = measure(shape, data, arguments.compile, arguments.rounds)
        ratios = {
            k: [a / b for a, b in zip(rates[k], rates["nanoGPT"], strict=True)] for k in ("ours", "ours, averaged")
        }
        print(
            f"{name:24} {counts['nanoGPT']:>9,} {counts['ours']:>10,} {statistics.median(rates['nanoGPT']):14,.0f} "
            f"{spread(ratios['ours']):>20} {spread(ratios['ours, averaged']):>20}",
            flush=True,
        )


if __name__ == "__main__":
    main()
