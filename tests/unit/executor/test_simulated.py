"""The runner on a cluster that is not there."""

import json

import pytest
from typer.testing import CliRunner

from scaling.cli.app import app
from scaling.errors import UsageError
from scaling.executor.simulated import START_S, Cluster, Load, simulate


def _loads(count, seconds=600.0):
    return [Load(id=f"{i:016x}", label=f"t{i}", flops=1e15, seconds=seconds, energy_j=6e5) for i in range(count)]


def test_without_failures_the_makespan_is_whole_rounds_of_trials():
    found = simulate(_loads(12), Cluster(gpus=4, failures_per_gpu_hour=0.0))
    assert (found.states, found.attempts, found.failures) == ({"done": 12}, 12, 0)
    assert found.makespan_s == pytest.approx(3 * (START_S + 600), abs=4 * found.look_every_s)
    assert found.busy_gpu_s == pytest.approx(12 * (START_S + 600))
    assert found.lost_gpu_s == pytest.approx(12 * START_S)
    assert found.utilisation == pytest.approx(12 * 600 / (4 * found.makespan_s))


def test_failures_repeat_work_since_the_last_checkpoint_and_every_trial_ends():
    # Ten failures an hour on each GPU: most attempts of ten minutes die.
    found = simulate(_loads(20), Cluster(gpus=4, failures_per_gpu_hour=3.0, seed=1))
    calm = simulate(_loads(20), Cluster(gpus=4, failures_per_gpu_hour=0.0))
    assert sum(found.states.values()) == 20
    assert found.failures > 3
    assert found.attempts == 20 + found.failures - found.states.get("failed", 0)
    assert found.lost_gpu_s > calm.lost_gpu_s
    assert found.makespan_s > calm.makespan_s
    assert found == simulate(_loads(20), Cluster(gpus=4, failures_per_gpu_hour=3.0, seed=1))


def test_two_gpus_to_a_trial_halve_the_slots():
    found = simulate(_loads(4), Cluster(gpus=4, gpus_per_trial=2, failures_per_gpu_hour=0.0))
    assert found.makespan_s == pytest.approx(2 * (START_S + 600), abs=4 * found.look_every_s)
    assert found.busy_gpu_s == pytest.approx(4 * 2 * (START_S + 600))


def test_plan_tells_what_a_cluster_would_take_and_what_that_rests_on():
    result = CliRunner().invoke(app, ["plan", "quickstart", "--cluster", "4xH100", "--failures", "0", "--json"])
    found = json.loads(result.stdout)["simulated"]
    assert (found["provenance"], found["states"]) == ("modelled", {"done": 15})
    assert found["cluster"]["gpus"] == 4
    assert any("checkpoint" in text for text in found["assumptions"])


@pytest.mark.parametrize("text", ["H100", "0xH100", "64x", "64 H100"])
def test_a_cluster_that_cannot_be_read_says_how_to_write_one(text):
    from scaling.cli.cluster import parse

    with pytest.raises(UsageError, match=r"cluster|accelerator|card"):
        parse(text)
