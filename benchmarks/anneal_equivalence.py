"""Is one trunk with a growing weight average as good as separate annealed runs?

For 3 sizes x 3 horizons x 3 seeds of the quickstart's recipe: the point of the trunk at a horizon, against a run to
that horizon alone that anneals its learning rate to zero (``anneal: cooldown``). Same initial weights, same order of
tokens, same validation windows, so the differences are paired. Prints each pair, and the mean relative difference with
its 95 % interval for each cell of size and horizon and for all of them.

    python benchmarks/anneal_equivalence.py [--out results.json] [--workers 2]
"""

import argparse
import itertools
import json
import multiprocessing
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t as student

from scaling.data import WindowStream, prepare
from scaling.families import get_family
from scaling.models import build
from scaling.models.objective import NEXT_TOKEN, next_token_losses
from scaling.spec import load_sweep
from scaling.spec.schema import TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

WIDTHS = (16, 32, 64)
TOKENS = (400_384, 799_744, 1_599_488)
SEEDS = (0, 1, 2)


class Losses:
    """Keeps the validation loss at each horizon."""

    def __init__(self, validation):
        self.validation, self.at = torch.from_numpy(validation).int(), {}

    def on_curve(self, line):
        pass

    def on_pause(self, state):
        pass

    def on_horizon(self, step, model, train_s):
        self.at[step] = evaluate(model, NEXT_TOKEN.measure, self.validation, torch.device("cpu")).loss_nats


def train(job):
    """Train one run; returns its losses by tokens."""
    width, seed, anneal, tokens = job
    torch.set_num_threads(1)
    spec = load_sweep("quickstart").spec
    corpus, family = prepare(spec.data), get_family("gpt")
    recipe = TrainSpec(**{**spec.train.model_dump(), "anneal": anneal})
    model = {k: v for k, v in spec.model.items() if k != "family"} | {"d_model": width}
    torch.manual_seed(seed)
    module = build(family, family.build_config(model, corpus.identity.vocab_size, spec.data.context))
    stream = WindowStream(corpus.train, spec.data.context, recipe.batch_tokens // spec.data.context, seed)
    losses = Losses(corpus.validation)
    cpu = torch.device("cpu")
    Trainer(fresh_state(module, recipe), next_token_losses, stream, recipe, cpu, losses).run(
        [t // recipe.batch_tokens for t in tokens]
    )
    return job, {step * recipe.batch_tokens: loss for step, loss in losses.at.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    cells = list(itertools.product(WIDTHS, SEEDS))
    jobs = [(w, s, "average", TOKENS) for w, s in cells] + [(w, s, "cooldown", (d,)) for w, s in cells for d in TOKENS]
    jobs.sort(key=lambda job: -job[0] * max(job[3]))
    began, trunk, alone = time.time(), {}, {}
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        for done, ((width, seed, anneal, _), losses) in enumerate(pool.imap_unordered(train, jobs), 1):
            target = trunk if anneal == "average" else alone
            target |= {(width, seed, tokens): loss for tokens, loss in losses.items()}
            print(f"{done}/{len(jobs)} runs, {time.time() - began:.0f} s", end="\r", flush=True)
    report(trunk, alone, arguments.out)


def interval(values):
    """Mean and 95 % interval (Student's t)."""
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):+.2%} [{np.mean(values) - half:+.2%}, {np.mean(values) + half:+.2%}]"


def report(trunk, alone, out):
    difference = {key: trunk[key] / alone[key] - 1 for key in sorted(trunk)}
    print(f"{'width':>6} {'tokens':>10}  trunk / alone - 1, by seed, then mean and 95 % interval")
    for width, tokens in itertools.product(WIDTHS, TOKENS):
        row = [difference[width, seed, tokens] for seed in SEEDS]
        print(f"{width:6} {tokens:10,}  " + " ".join(f"{d:+.2%}" for d in row) + f"   {interval(row)}")
    per_seed = [np.mean([d for (_, s, _), d in difference.items() if s == seed]) for seed in SEEDS]
    pairs = list(difference.values())
    print(f"all, seeds as the unit: {interval(per_seed)}; all {len(pairs)} pairs: {interval(pairs)}")
    print(f"largest single difference {max(pairs, key=abs):+.2%}")
    if out:
        rows = [
            {"d_model": w, "seed": s, "tokens": d, "trunk": trunk[w, s, d], "alone": alone[w, s, d]}
            for w, s, d in sorted(trunk)
        ]
        out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
