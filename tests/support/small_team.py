"""A small model trained by one process or shared by two; here, so that a spawned process can import it."""

import os

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from scaling.spec.schema import TrainSpec
from scaling.training.loop import Trainer, fresh_state
from scaling.training.team import Team

TRAIN = TrainSpec(optimizer="adamw", batch_tokens=32, warmup_steps=0)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.hidden = nn.Linear(4, 4)
        self.out = nn.Linear(4, 1)

    def hidden_matrices(self):
        return [(self.hidden.weight, (4,))]

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x))).squeeze(-1)


class Stream:
    """Batches of eight rows; ``masked``: only some targets count, and not equally many for each process."""

    def __init__(self, masked):
        self.masked = masked

    def batch(self, step):
        return np.random.default_rng(step).integers(0, 9, (8, 5, 4))

    def loss_mask(self, step):
        return np.arange(8)[:, None] * np.ones(5) < 3 if self.masked else None


class Watcher:
    def __init__(self):
        self.losses = []

    def on_curve(self, line):
        self.losses.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        self.weights = [p.detach().clone() for p in model.parameters()]

    def on_pause(self, state):
        pass


def objective(model, windows):
    return (model(windows.float()) - windows.float().mean(-1)) ** 2


def train(team, masked):
    watcher = Watcher()
    state = fresh_state(Model(), TRAIN)
    Trainer(state, objective, Stream(masked), TRAIN, torch.device("cpu"), watcher, team).run([30])
    return watcher


def worker(rank, address, masked, queue):
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    watcher = train(Team(rank, 2), masked)
    queue.put((rank, watcher.losses, [w.tolist() for w in watcher.weights]))
    dist.barrier()
    os._exit(0)  # gloo's threads abort a process that takes leave in order, now and then, when its peer is gone
