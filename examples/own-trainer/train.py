"""A small byte-level language model in plain PyTorch: an MLP over the last bytes, on Python's own sources.

It knows of no sweep tool. It trains what its options ask for, prints its losses, and appends them to a log of JSON
lines where --log names one. With --out it saves its state there and goes on from it.
"""

import argparse
import json
import math
import pathlib
import signal
import sysconfig
import time

import torch
from torch import nn


def corpus(limit):
    """The standard library's larger modules as bytes: the last tenth is held out."""
    folder = pathlib.Path(sysconfig.get_path("stdlib"))
    names = sorted(p for p in folder.glob("*.py") if p.stat().st_size > 20_000)
    data = b"\n".join(p.read_bytes() for p in names)[:limit]
    tokens = torch.frombuffer(bytearray(data), dtype=torch.uint8).long() % 128
    cut = len(tokens) * 9 // 10
    return tokens[:cut], tokens[cut:]


class Model(nn.Module):
    def __init__(self, width, depth, context):
        super().__init__()
        self.embed = nn.Embedding(128, 16)
        layers = [nn.Linear(16 * context, width), nn.GELU()]
        for _ in range(depth - 1):
            layers += [nn.Linear(width, width), nn.GELU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 128)

    def forward(self, x):
        return self.head(self.body(self.embed(x).flatten(1)))


def batch(tokens, context, size, generator):
    at = torch.randint(0, len(tokens) - context, (size,), generator=generator)
    windows = tokens[at[:, None] + torch.arange(context + 1)]
    return windows[:, :-1], windows[:, -1]


@torch.no_grad()
def validate(model, held_out, context):
    generator = torch.Generator().manual_seed(1)
    x, y = batch(held_out, context, 8192, generator)
    return nn.functional.cross_entropy(model(x), y).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--context", type=int, default=8)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    train, held_out = corpus(2_000_000)
    model = Model(args.width, args.depth, args.context)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / args.steps)))
    )
    step, saved = 0, args.out and args.out / "state.pt"
    if saved and saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        step = state["step"]
        print(f"resuming at step {step}")

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))

    def log(**numbers):
        print(
            " ".join(
                f"{name} {value:.4f}" if isinstance(value, float) else f"{name} {value}"
                for name, value in numbers.items()
            )
        )
        if args.log:
            with args.log.open("a") as file:
                file.write(json.dumps(numbers) + "\n")

    def save():
        if saved:
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "step": step,
            }
            torch.save(state, saved.with_suffix(".tmp"))
            saved.with_suffix(".tmp").replace(saved)

    log(params=sum(p.numel() for p in model.parameters()))
    began = time.time()
    while step < args.steps:
        generator = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        x, y = batch(train, args.context, args.batch, generator)
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        step += 1
        if step % 20 == 0:
            log(step=step, loss=loss.item())
        if stop or step % 100 == 0:
            save()
        if stop:
            raise SystemExit(143)
    log(step=step, val_loss=validate(model, held_out, args.context))
    print(f"{step} steps in {time.time() - began:.1f} s")


if __name__ == "__main__":
    main()
