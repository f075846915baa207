"""What does the quickstart's set of points cost, beside nanoGPT run point by point?

The quickstart has fifteen trunks (eight widths, seeds 0 and 1) with six horizons each: ninety points. nanoGPT, as its
users run it, makes a point by a run of its own: width, seed and horizon, learning rate warmed up and decayed by a
cosine to a tenth over that horizon. Both see the same training bytes and batches of 1,024 tokens, in float32 on one
thread, without compile (which costs more than it saves at these lengths); nanoGPT is evaluated once, at its end, on our
validation windows, and writes no checkpoint.

    speed   processor seconds per step, alternated at every width, to start a process and to evaluate; the time of
            both sets follows as steps x seconds per step + starts + evaluations
    threads what nanoGPT, run by run, gains from all cores in one process (ours gives each core a trial)
    loss    trains the real nanoGPT to every point, at the best of four learning rates for each width (found at 400k
            tokens, not counted), and compares with the points of a quickstart store

    python benchmarks/quickstart_vs_nanogpt.py --nanogpt nanoGPT speed
    python benchmarks/quickstart_vs_nanogpt.py --nanogpt nanoGPT loss --store runs/quickstart [--widths 16 32 64]
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from nanogpt import Silent, sha, spread

from scaling.executor.slots import ALLOCATOR, THREADS

LAYERS, CONTEXT, WINDOWS = 2, 128, 8
STEP_TOKENS = CONTEXT * WINDOWS
WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96)
HORIZONS = (279_552, 400_384, 560_128, 799_744, 1_130_496, 1_599_488)
TRUNKS = {width: 1 if width == 96 else 2 for width in WIDTHS}  # seeds of the quickstart
RATES = (4e-3, 8e-3, 16e-3, 32e-3)  # candidates for nanoGPT; its own example has 1e-3, at larger widths
WARMUP, FLOOR = 50, 0.1
GROUPED_TO = 32  # widths whose two seeds ``executor.group: auto`` trains together on a CPU


def quickstart():
    """The quickstart's spec and its corpus."""
    from scaling.data import prepare
    from scaling.spec import load_sweep

    spec = load_sweep("quickstart").spec
    return spec, prepare(spec.data)


class NanoGPT:
    """One model of the real nanoGPT with its own optimizer, on our corpus."""

    def __init__(self, width, seed, corpus, rate):
        import contextlib
        import io

        import numpy as np
        import torch
        from model import GPT, GPTConfig

        torch.manual_seed(seed)
        self.random = np.random.default_rng(seed)
        self.data, self.rate = corpus.train, rate
        heads = max(1, width // 16)
        with contextlib.redirect_stdout(io.StringIO()):
            self.model = GPT(
                GPTConfig(
                    block_size=CONTEXT,
                    vocab_size=corpus.identity.vocab_size,
                    n_layer=LAYERS,
                    n_head=heads,
                    n_embd=width,
                    dropout=0.0,
                    bias=False,
                )
            )
            self.optimizer = self.model.configure_optimizers(0.1, rate, (0.9, 0.95), "cpu")

    def batch(self):
        import torch

        starts = self.random.integers(0, len(self.data) - CONTEXT, WINDOWS)
        x = torch.stack([torch.from_numpy(self.data[s : s + CONTEXT].astype("int64")) for s in starts])
        y = torch.stack([torch.from_numpy(self.data[s + 1 : s + 1 + CONTEXT].astype("int64")) for s in starts])
        return x, y

    def train(self, steps, last=None):
        """Train ``steps`` steps of a run of ``last``; returns nothing."""
        import torch

        for step in range(1, steps + 1):
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate * self.schedule(step, last or steps)
            _, loss = self.model(*self.batch())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    @staticmethod
    def schedule(step, last):
        if step <= WARMUP:
            return step / WARMUP
        done = (step - WARMUP) / max(1, last - WARMUP)
        return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done))

    def loss(self, windows):
        """Mean loss on validation windows."""
        import torch

        self.model.eval()
        with torch.no_grad():
            losses = [
                self.model(w[:, :-1].contiguous(), w[:, 1:].contiguous())[1].item() * len(w) for w in windows.split(32)
            ]
        self.model.train()
        return sum(losses) / len(windows)


def our_step(width, spec, corpus, **recipe):
    """Return a function that trains our quickstart model by ``n`` steps; ``recipe`` replaces parts of it."""
    import torch

    from scaling.data import WindowStream
    from scaling.families import get_family
    from scaling.models import build
    from scaling.models.objective import next_token_losses
    from scaling.spec.schema import TrainSpec
    from scaling.training.loop import Trainer, fresh_state

    family = get_family("gpt")
    keys = {k: v for k, v in spec.model.items() if k != "family"} | {"d_model": width}
    train = TrainSpec.model_validate({**spec.train.model_dump(), **recipe})
    torch.manual_seed(0)
    model = build(family, family.build_config(keys, corpus.identity.vocab_size, CONTEXT))
    state = fresh_state(model, train)
    stream = WindowStream(corpus.train, CONTEXT, WINDOWS, 0)
    trainer = Trainer(state, next_token_losses, stream, train, torch.device("cpu"), Silent())
    return lambda steps: trainer._advance(state, state.step + steps, lambda step: 1.0), model


def seconds(call, *arguments, **options):
    """Processor seconds of a call and the processes it waits for: on one free core, its wall time."""
    began = processor_s()
    call(*arguments, **options)
    return processor_s() - began


def processor_s():
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def our_group(width, spec, corpus):
    """Return a function that trains the two seeds of a width together by ``n`` steps."""
    import torch
    from group_speed import Many

    from scaling.data import WindowStream
    from scaling.families import get_family
    from scaling.models import build
    from scaling.models.objective import next_token_losses
    from scaling.training.group import GroupTrainer
    from scaling.training.loop import fresh_state
    from scaling.training.stacked import StackedState

    family = get_family("gpt")
    keys = {k: v for k, v in spec.model.items() if k != "family"} | {"d_model": width}
    config, states = family.build_config(keys, corpus.identity.vocab_size, CONTEXT), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(fresh_state(build(family, config), spec.train))
    streams = [WindowStream(corpus.train, CONTEXT, WINDOWS, seed) for seed in (0, 1)]
    state = StackedState(states, [spec.train] * 2)
    trainer = GroupTrainer(state, next_token_losses, streams, spec.train, torch.device("cpu"), Many(2), alive={0, 1})
    return lambda steps: trainer._advance(state, state.step + steps, lambda step: 1.0)


def starts_s(nanogpt):
    """Seconds of each until the first step of the smallest model is done: imports, data, model, optimizer.

    A run of nanoGPT is a process of its own; a trial of ours is a fork of one that has imported what all of them need.
    """
    trials = sum(TRUNKS.values())
    here = [str(Path(__file__).parent), str(nanogpt.resolve()), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(here)}
    found = {}
    for name, call, models in (("nanoGPT", "start_nanogpt()", 1), ("ours", f"start_ours({trials})", trials)):
        command = [sys.executable, "-c", f"import quickstart_vs_nanogpt as here; here.{call}"]
        found[name] = min(seconds(subprocess.run, command, check=True, env=environment) for _ in range(3)) / models
    return found


def start_nanogpt():
    """Take a first step on the bytes of this file: their corpus is a memory map, there at once."""
    from types import SimpleNamespace

    import numpy as np

    text = np.frombuffer(Path(__file__).read_bytes(), np.uint8)
    NanoGPT(WIDTHS[0], 0, SimpleNamespace(train=text, identity=SimpleNamespace(vocab_size=256)), 1e-3).train(1)


def start_ours(trials):
    """Import once, then fork that many processes, each of which takes a first step."""
    from scaling.executor.command import PRELOADED
    from scaling.executor.forge import load

    load(PRELOADED)
    for _ in range(trials):
        pid = os.fork()
        if pid == 0:
            our_step(WIDTHS[0], *quickstart())[0](1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        assert status == 0


def step_times(width, spec, corpus, rounds):
    """Seconds per step and model, a list of rounds for each contender; then seconds of an evaluation of each."""
    import torch

    from scaling.models.objective import NEXT_TOKEN
    from scaling.training.evaluate import evaluate

    nano = NanoGPT(width, 0, corpus, 1e-3)
    plain, _ = our_step(width, spec, corpus, optimizer="adamw", anneal="cooldown")
    full, model = our_step(width, spec, corpus)
    contenders = {"nanoGPT": (nano.train, 1), "AdamW": (plain, 1), "ours": (full, 1)}
    if TRUNKS[width] == 2 and width <= GROUPED_TO:
        contenders["grouped"] = (our_group(width, spec, corpus), 2)
    times = {name: [] for name in contenders}
    steps = max(6, min(40, 800 // width))
    for run, _ in contenders.values():
        run(max(3, steps // 4))
    for _ in range(rounds):
        for name, (run, models) in contenders.items():
            times[name].append(seconds(run, steps) / steps / models)
    windows = torch.from_numpy(corpus.validation).long()
    theirs = min(seconds(nano.loss, windows) for _ in range(2))
    cpu = torch.device("cpu")
    mine = min(seconds(evaluate, model, NEXT_TOKEN.measure, windows.int(), cpu) for _ in range(2))
    return times, theirs, mine


def speed(arguments):
    """Measure seconds per step of both, and add the times up."""
    import torch

    torch.set_num_threads(1)
    spec, corpus = quickstart()
    start_s = starts_s(arguments.nanogpt)
    print(f"seconds to a first step: nanoGPT {start_s['nanoGPT']:.2f}, ours {start_s['ours']:.2f}")
    columns = f"{'kernels':>18} {'optimizer':>18} {'seeds together':>18}"
    print(f"{'width':>5} {'nanoGPT ms':>11} {'AdamW ms':>9} {'ours ms':>8} {columns}")
    points, trunk, runs = sum(HORIZONS) / STEP_TOKENS, max(HORIZONS) / STEP_TOKENS, len(HORIZONS)
    names = ("nanoGPT, a run a point", "nanoGPT, a run a trunk", "ours with AdamW", "ours", "ours, seeds together")
    totals = dict.fromkeys(names, 0.0)
    for width in WIDTHS:
        times, their_eval_s, our_eval_s = step_times(width, spec, corpus, arguments.rounds)
        times.setdefault("grouped", times["ours"])
        step_s = {name: statistics.median(values) for name, values in times.items()}
        trials = TRUNKS[width]
        theirs, mine = start_s["nanoGPT"], start_s["ours"]
        parts = (
            points * step_s["nanoGPT"] + runs * (theirs + their_eval_s),
            trunk * step_s["nanoGPT"] + theirs + runs * their_eval_s,
            *(trunk * step_s[name] + mine + runs * our_eval_s for name in ("AdamW", "ours")),
            trunk * step_s["grouped"] + mine / (1 if times["grouped"] is times["ours"] else 2) + runs * our_eval_s,
        )
        for name, part in zip(names, parts, strict=True):
            totals[name] += trials * part
        pairs = (("nanoGPT", "AdamW"), ("AdamW", "ours"), ("ours", "grouped"))
        ratios = [[a / b for a, b in zip(times[x], times[y], strict=True)] for x, y in pairs]
        print(
            f"{width:5} {1e3 * step_s['nanoGPT']:11.2f} {1e3 * step_s['AdamW']:9.2f} {1e3 * step_s['ours']:8.2f} "
            + " ".join(f"{spread(r):>18}" for r in ratios),
            flush=True,
        )
    for name, total in totals.items():
        print(f"{name:24} {total:8.0f} core-seconds")
    a, b, c, d, e = totals.values()
    split = f"trunk reuse {a / b:.2f} x kernels and shape {b / c:.2f} x optimizer and average {c / d:.2f}"
    print(f"gain {a / d:.2f} = {split}; with the seeds of a width together {a / e:.2f}")


def threads(arguments):
    """What nanoGPT gains from all cores in one process, which is how it runs alone: alternated wall times."""
    import torch

    _, corpus = quickstart()
    print(f"{'width':>5}  wall time of a step on one thread over that on {arguments.threads}: median [lowest, highest]")
    for width in arguments.widths:
        nano, steps, ratios = NanoGPT(width, 0, corpus, 1e-3), max(6, min(40, 800 // width)), []
        for _ in range(arguments.rounds + 1):
            walls = []
            for count in (1, arguments.threads):
                torch.set_num_threads(count)
                began = time.perf_counter()
                nano.train(steps)
                walls.append(time.perf_counter() - began)
            ratios.append(walls[0] / walls[1])
        print(f"{width:5}  {spread(ratios[1:])}", flush=True)


def best_rate(width, corpus, windows):
    """Return nanoGPT's best learning rate of the candidates at the second horizon, and the losses."""
    losses = {}
    for rate in RATES:
        run = NanoGPT(width, 0, corpus, rate)
        run.train(HORIZONS[1] // STEP_TOKENS)
        losses[rate] = run.loss(windows)
    return min(losses, key=losses.get), losses


def loss(arguments):
    """Train nanoGPT to every point and compare with a store."""
    import torch

    from scaling.store import load

    torch.set_num_threads(1)
    _, corpus = quickstart()
    windows = torch.from_numpy(corpus.validation).long()
    points = load(arguments.store).points()
    if set(points["validation_fingerprint"]) != {corpus.identity.validation_fingerprint}:
        sys.exit(f"{arguments.store} was evaluated on another corpus than this machine's standard library")
    rows = []
    print(f"{'width':>5} {'seed':>4} {'tokens':>10} {'rate':>6} {'nanoGPT':>8} {'ours':>8} {'difference':>10}")
    for width in arguments.widths:
        rate, tried = best_rate(width, corpus, windows)
        print(f"{width:5} at 400k tokens: " + ", ".join(f"{r:.0e} {v:.4f}" for r, v in tried.items()), flush=True)
        for seed in range(min(arguments.seeds, TRUNKS[width])):
            for tokens in HORIZONS:
                run = NanoGPT(width, seed, corpus, rate)
                run.train(tokens // STEP_TOKENS)
                theirs = run.loss(windows)
                mine = points[(points["label"] == f"d{width} s{seed}") & (points["tokens"] == tokens)]
                ours = float(mine["loss_nats"].iloc[0])
                rows.append({"d_model": width, "seed": seed, "tokens": tokens, "nanogpt": theirs, "ours": ours})
                print(
                    f"{width:5} {seed:4} {tokens:10,} {rate:6.0e} {theirs:8.4f} {ours:8.4f} {ours / theirs - 1:+10.2%}",
                    flush=True,
                )
    differences = [r["ours"] / r["nanogpt"] - 1 for r in rows]
    print(
        f"{len(rows)} points: ours lower at {sum(d <= 0 for d in differences)}, "
        f"mean {statistics.mean(differences):+.2%}, worst {max(differences):+.2%}"
    )
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, required=True, help="a checkout of nanoGPT")
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("speed")
    part.add_argument("--rounds", type=int, default=7)
    part = parts.add_parser("threads")
    part.add_argument("--rounds", type=int, default=7)
    part.add_argument("--threads", type=int, default=2)
    part.add_argument("--widths", type=int, nargs="+", default=[16, 64, 96])
    part = parts.add_parser("loss")
    part.add_argument("--store", type=Path, required=True, help="a finished quickstart store")
    part.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    part.add_argument("--seeds", type=int, default=2, help="seeds of each width, at most as many as the quickstart has")
    part.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not (arguments.nanogpt / "model.py").is_file():
        parser.error(f"{arguments.nanogpt} holds no model.py: git clone https://github.com/karpathy/nanoGPT")
    wanted = ALLOCATOR if arguments.part == "threads" else {**THREADS, **ALLOCATOR}
    if any(os.environ.get(name) != value for name, value in wanted.items()):  # read by the C library at its start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})
    sys.path.insert(0, str(arguments.nanogpt.resolve()))
    print(f"nanoGPT {sha(arguments.nanogpt)}")
    {"speed": speed, "threads": threads, "loss": loss}[arguments.part](arguments)


if __name__ == "__main__":
    main()
