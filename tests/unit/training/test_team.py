"""Two processes that share every batch train the same model as one, within the rounding of sums."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from scaling.errors import UsageError
from scaling.spec.schema import TrainSpec
from scaling.training.loop import Trainer, fresh_state
from scaling.training.team import ALONE, Team

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
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_two_processes_give_the_curve_of_one(tmp_path, masked):
    queue = mp.get_context("spawn").SimpleQueue()
    address = f"file://{tmp_path}/meet"
    mp.spawn(worker, (address, masked, queue), nprocs=2)
    results = {rank: (losses, weights) for rank, losses, weights in (queue.get(), queue.get())}
    alone = train(ALONE, masked)
    assert results[0] == results[1]  # to the last bit: they must not drift apart
    losses, weights = results[0]
    assert losses == pytest.approx(alone.losses, rel=1e-5)
    for mine, theirs in zip(alone.weights, weights, strict=True):
        torch.testing.assert_close(mine, torch.tensor(theirs), rtol=1e-4, atol=1e-5)


def test_shares_are_disjoint_and_whole():
    batch = np.arange(12).reshape(6, 2)
    parts = [Team(rank, 3).share(batch) for rank in range(3)]
    assert np.array_equal(np.concatenate(parts), batch)
    assert ALONE.share(batch) is not None
    with pytest.raises(UsageError, match="6 windows cannot be shared evenly by 4"):
        Team(0, 4).share(batch)


def test_alone_costs_nothing():
    value = torch.tensor(3.0)
    assert ALONE.mean(value) is value
    assert ALONE.any(True, torch.device("cpu"))
    ALONE.wait()
