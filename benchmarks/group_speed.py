"""What does training models of one shape together gain, and does it change what they learn?

speed   one step of G models in one batched program, against G steps of one model each, alternated; on a GPU too
        (``--device cuda``), where ``--shape 3m`` is the one that the GPU target speaks of; peak memory beside it
loss    the same seeds trained in a group and alone to the quickstart's fourth horizon: paired relative differences
        of the validation loss with their 95 % interval, beside the scatter between seeds; equivalent when the
        interval lies inside one standard deviation of a seed

python benchmarks/group_speed.py speed [--widths 8 16 32 64] [--members 2 4 8 24] [--optimizer muon]
python benchmarks/group_speed.py loss [--widths 16 32] [--seeds 6]
"""

import argparse
import os
import resource
import statistics
import sys
import time

import numpy as np
import torch

from scaling.data import WindowStream, prepare
from scaling.executor.slots import ALLOCATOR, THREADS
from scaling.families import get_family
from scaling.models import build
from scaling.models.objective import NEXT_TOKEN, next_token_losses
from scaling.spec import load_sweep
from scaling.spec.schema import LearningRates, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.group import GroupTrainer
from scaling.training.loop import Trainer, fresh_state
from scaling.training.stacked import StackedState

SHAPES = {"quickstart": {}, "3m": {"n_layer": 4, "head_dim": 64, "d_model": 256}}


class One:
    """Observer of a trial alone."""

    def __init__(self, validation=None):
        self.validation, self.loss = validation, None

    def on_curve(self, line):
        pass

    def on_pause(self, state):
        pass

    def on_horizon(self, step, model, train_s):
        if self.validation is not None:
            self.loss = evaluate(model, NEXT_TOKEN.measure, self.validation, torch.device("cpu")).loss_nats


class Many:
    """Observer of a group."""

    def __init__(self, members, validation=None):
        self.ones = [One(validation) for _ in range(members)]

    def on_curve(self, member, line):
        pass

    def on_evaluation(self, evaluating):
        pass

    def on_pause(self, states):
        pass

    def on_diverged(self, member, error):
        raise error

    def on_horizon(self, member, step, model, train_s):
        self.ones[member].on_horizon(step, model, train_s)


class Bench:
    """The quickstart's recipe at one width, its corpus, and members with seeds and rates of their own."""

    def __init__(self, width, arguments):
        spec = load_sweep("quickstart").spec
        self.corpus, self.family = prepare(spec.data), get_family("gpt")
        keys = {k: v for k, v in spec.model.items() if k != "family"} | SHAPES[arguments.shape]
        keys |= {} if "d_model" in SHAPES[arguments.shape] else {"d_model": width}
        self.config = self.family.build_config(keys, self.corpus.identity.vocab_size, spec.data.context)
        self.train = TrainSpec(
            **{**dict(spec.train), "optimizer": arguments.optimizer, "precision": arguments.precision}
        )
        self.device, self.context = torch.device(arguments.device), spec.data.context
        self.validation = torch.from_numpy(self.corpus.validation).int()

    def recipe(self, member, rates):
        factor = (0.5, 1.0, 2.0)[member % 3] if rates else 1.0
        lr = LearningRates(hidden=self.train.lr.hidden * factor, embedding=self.train.lr.embedding * factor)
        return self.train.model_copy(update={"lr": lr})

    def member(self, seed, recipe):
        torch.manual_seed(seed)
        windows = recipe.batch_tokens // self.context
        state = fresh_state(build(self.family, self.config).to(self.device), recipe)
        return state, WindowStream(self.corpus.train, self.context, windows, seed)

    def alone(self, seed, recipe, observer):
        state, stream = self.member(seed, recipe)
        return Trainer(state, next_token_losses, stream, recipe, self.device, observer)

    def group(self, members, rates, observer):
        recipes = [self.recipe(i, rates) for i in range(members)]
        states, streams = zip(*(self.member(i, r) for i, r in enumerate(recipes)), strict=True)
        trainer = GroupTrainer(
            StackedState(states, recipes), next_token_losses, streams, recipes[0], self.device, observer
        )
        trainer.alive = set(range(members))
        return trainer


def advance(trainer, steps):
    """Seconds for ``steps`` further steps: of the one thread's processor, or of the wall where a GPU works."""
    cuda = trainer.device.type == "cuda"
    clock = time.perf_counter if cuda else time.process_time
    if cuda:
        torch.cuda.synchronize()
    began = clock()
    trainer._advance(trainer.state, trainer.state.step + steps, lambda step: 1.0)
    if cuda:
        torch.cuda.synchronize()
    return clock() - began


def peak_mib(device):
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed(arguments):
    print(f"{arguments.shape}, {arguments.optimizer}, {arguments.device}, torch {torch.__version__}")
    print(f"{'width':>5} {'members':>7} {'alone ms':>9} {'group ms':>9} {'gain, median [spread]':>24} {'peak MiB':>9}")
    for width in arguments.widths:
        bench = Bench(width, arguments)
        for members in arguments.members:
            single = bench.alone(0, bench.recipe(0, True), One())
            group = bench.group(members, True, Many(members))
            steps = max(4, arguments.steps // members)
            advance(single, 8)
            advance(group, 4)
            ratios, times = [], []
            for _ in range(arguments.rounds):
                alone_s = advance(single, steps * min(members, 4)) / min(members, 4) / steps
                group_s = advance(group, steps) / steps
                ratios.append(members * alone_s / group_s)
                times.append((alone_s, group_s))
            alone_ms, group_ms = (1e3 * statistics.median(t) for t in zip(*times, strict=True))
            spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
            print(
                f"{width:5} {members:7} {alone_ms:9.2f} {group_ms:9.2f} {spread:>24} {peak_mib(bench.device):9.0f}",
                flush=True,
            )


def loss(arguments):
    from scipy.stats import t as student

    print(f"{'width':>5} {'seeds':>5} {'group / alone - 1, mean [95 %]':>34} {'scatter of a seed':>18} {'verdict':>14}")
    for width in arguments.widths:
        bench = Bench(width, arguments)
        steps = arguments.tokens // bench.train.batch_tokens
        many = Many(arguments.seeds, bench.validation)
        bench.group(arguments.seeds, False, many).run([steps])
        alone = []
        for seed in range(arguments.seeds):
            one = One(bench.validation)
            bench.alone(seed, bench.train, one).run([steps])
            alone.append(one.loss)
        differences = [m.loss / a - 1 for m, a in zip(many.ones, alone, strict=True)]
        scatter = np.std(alone, ddof=1) / np.mean(alone)
        half = student.ppf(0.975, len(differences) - 1) * np.std(differences, ddof=1) / len(differences) ** 0.5
        low, high = np.mean(differences) - half, np.mean(differences) + half
        verdict = "equivalent" if max(abs(low), abs(high)) < scatter else "not shown"
        text = f"{np.mean(differences):+.3%} [{low:+.3%}, {high:+.3%}]"
        print(f"{width:5} {arguments.seeds:5} {text:>34} {scatter:18.2%} {verdict:>14}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizer", choices=["muon", "adamw"], default="muon")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="quickstart")
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("speed")
    part.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32, 64])
    part.add_argument("--members", type=int, nargs="+", default=[2, 4, 8, 24])
    part.add_argument("--steps", type=int, default=60)
    part.add_argument("--rounds", type=int, default=5)
    part = parts.add_parser("loss")
    part.add_argument("--widths", type=int, nargs="+", default=[16, 32])
    part.add_argument("--seeds", type=int, default=6)
    part.add_argument("--tokens", type=int, default=799_744)
    arguments = parser.parse_args()
    wanted = {**THREADS, **ALLOCATOR}
    if any(os.environ.get(name) != value for name, value in wanted.items()):  # read by the C library at its start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})
    torch.set_num_threads(1)
    {"speed": speed, "loss": loss}[arguments.part](arguments)


if __name__ == "__main__":
    main()
