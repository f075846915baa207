"""Does one learning rate serve every width?

Trains the quickstart's recipe at widths 8 to 96 with its learning rates times ½, 1 and 2 (hidden and embedding rates
together), for Muon and for AdamW, and prints the loss of each, the best multiple by width, and what the single rate
costs against the best one tried. Same seeds, so the differences are paired. AdamW has the quickstart's rates unless
``--adamw-hidden`` says otherwise. Trials of one width are trained as a group.

    python benchmarks/lr_transfer.py [--tokens 800k] [--seeds 0 1] [--widths 8 16 32 64 96] [--out lr_transfer.json]
"""

import argparse
import json
import multiprocessing
from pathlib import Path

import numpy as np
import torch

from scaling.data import WindowStream, prepare
from scaling.families import get_family
from scaling.models import build
from scaling.models.objective import NEXT_TOKEN, next_token_losses
from scaling.spec import load_sweep
from scaling.spec.schema import LearningRates, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.group import GroupTrainer
from scaling.training.loop import fresh_state
from scaling.training.stacked import StackedState
from scaling.units import parse_count

WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96)
MULTIPLES = (0.5, 1.0, 2.0)


class Losses:
    """Keeps the validation loss of each member at its end."""

    def __init__(self, validation):
        self.validation, self.at = torch.from_numpy(validation).int(), {}

    def on_curve(self, member, line):
        pass

    def on_evaluation(self, evaluating):
        pass

    def on_pause(self, states):
        pass

    def on_diverged(self, member, error):
        self.at[member] = float("nan")

    def on_horizon(self, member, step, model, train_s):
        self.at[member] = evaluate(model, NEXT_TOKEN.measure, self.validation, torch.device("cpu")).loss_nats


def train(job):
    """Train every multiple and seed of one width with one optimizer; returns their losses."""
    width, optimizer, seeds, tokens, hidden = job
    torch.set_num_threads(1)
    spec = load_sweep("quickstart").spec
    corpus, family = prepare(spec.data), get_family("gpt")
    model = {k: v for k, v in spec.model.items() if k != "family"} | {"d_model": width}
    config = family.build_config(model, corpus.identity.vocab_size, spec.data.context)
    cells = [(multiple, seed) for multiple in MULTIPLES for seed in seeds]
    base = spec.train.lr if hidden is None else LearningRates(hidden=hidden, embedding=spec.train.lr.embedding)
    states, recipes = [], []
    for multiple, seed in cells:
        rates = LearningRates(hidden=base.hidden * multiple, embedding=base.embedding * multiple)
        recipes.append(TrainSpec(**{**dict(spec.train), "optimizer": optimizer, "lr": rates}))
        torch.manual_seed(seed)
        states.append(fresh_state(build(family, config), recipes[-1]))
    windows = spec.train.batch_tokens // spec.data.context
    streams = [WindowStream(corpus.train, spec.data.context, windows, seed) for _, seed in cells]
    losses = Losses(corpus.validation)
    trainer = GroupTrainer(
        StackedState(states, recipes), next_token_losses, streams, recipes[0], torch.device("cpu"), losses
    )
    trainer.run([tokens // spec.train.batch_tokens])
    return width, optimizer, {cell: losses.at[i] for i, cell in enumerate(cells)}


def row(width, optimizer, losses, seeds):
    """Print one width; returns what the single rate costs against the best of the three."""
    mean = {m: float(np.mean([losses[m, s] for s in seeds])) for m in MULTIPLES}
    best = min(mean, key=lambda m: mean[m] if np.isfinite(mean[m]) else np.inf)
    cost = mean[1.0] / mean[best] - 1
    spread = np.std([losses[1.0, s] for s in seeds], ddof=1) / mean[1.0] if len(seeds) > 1 else float("nan")
    cells = " ".join(f"{mean[m]:8.4f}" for m in MULTIPLES)
    scatter = f"{spread:11.2%}" if len(seeds) > 1 else f"{'one seed':>11}"
    print(f"{optimizer:6} {width:5} {cells} {best:6g} {cost:+9.2%} {scatter}", flush=True)
    return cost


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=lambda text: int(parse_count(text)), default=800_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--optimizers", nargs="+", choices=["muon", "adamw"], default=["muon", "adamw"])
    parser.add_argument("--adamw-hidden", type=float, default=None, help="AdamW's rate for hidden matrices")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    jobs = [
        (w, o, arguments.seeds, arguments.tokens, arguments.adamw_hidden if o == "adamw" else None)
        for o in arguments.optimizers
        for w in sorted(arguments.widths, reverse=True)
    ]
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        found = {(w, o): losses for w, o, losses in pool.imap_unordered(train, jobs)}
    print(f"{arguments.tokens:,} tokens, seeds {arguments.seeds}; loss at the sweep's rates x ½, 1, 2")
    print(f"{'':6} {'width':>5} {'x 0.5':>8} {'x 1':>8} {'x 2':>8} {'best':>6} {'x 1 costs':>9} {'seeds (std)':>11}")
    for optimizer in arguments.optimizers:
        costs = [row(w, optimizer, found[w, optimizer], arguments.seeds) for w in sorted(arguments.widths)]
        print(f"{optimizer}: the single rate costs {np.mean(costs):+.2%} on average, {max(costs):+.2%} at most")
    if arguments.out:
        rows = [
            {"optimizer": o, "d_model": w, "multiple": m, "seed": s, "loss_nats": loss}
            for (w, o), losses in sorted(found.items())
            for (m, s), loss in losses.items()
        ]
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
