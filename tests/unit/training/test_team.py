"""Two processes that share every batch train the same model as one, within the rounding of sums."""

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from support.small_team import train, worker

from scaling.errors import UsageError
from scaling.training.team import ALONE, Team


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
