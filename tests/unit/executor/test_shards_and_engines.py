"""Shards, devices, batch scripts: what engines decide before anything runs."""

import random
from dataclasses import dataclass

import pytest
from support.scripted_nvml import ScriptedNvml

from scaling.errors import MachineError, UsageError
from scaling.executor.belief import Witness
from scaling.executor.devices import choose, local_slots
from scaling.executor.protocol import Phase, Status
from scaling.executor.shards import Shard, ShardLock
from scaling.executor.slurm import read_state
from scaling.executor.slurm_plan import batch_script, count_gpus
from scaling.hardware import scan_gpus
from scaling.spec.schema import ExecutorSpec, SlurmSpec
from scaling.store.claims import StoreLock
from scaling.store.files import publish
from scaling.store.layout import StoreFolder


@dataclass(frozen=True)
class Cost:
    flops_total: float


def test_shards_cover_every_trial_once_and_are_balanced():
    rolls = random.Random(5)
    trials = [Cost(10 ** rolls.uniform(0, 2)) for _ in range(200)]
    for count in (1, 3, 16):
        parts = [Shard(i, count).part(trials) for i in range(1, count + 1)]
        assert sorted(id(trial) for part in parts for trial in part) == sorted(map(id, trials))
        loads = [sum(t.flops_total for t in part) for part in parts]
        assert max(loads) - min(loads) <= max(t.flops_total for t in trials)
        for part in parts:
            assert part == [t for t in trials if any(t is mine for mine in part)]  # the plan's order is kept


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b", "-1/3", "1/3/5"])
def test_a_shard_that_makes_no_sense_is_refused(text):
    with pytest.raises(UsageError, match="--shard I/N"):
        Shard.parse(text)


def test_shards_of_one_split_run_side_by_side_and_with_nothing_else(tmp_path):
    store = StoreFolder(tmp_path)
    first, second = ShardLock(store, Shard(1, 2)), ShardLock(store, Shard(2, 2))
    assert first.acquire()
    assert second.acquire()
    assert not ShardLock(store, Shard(1, 2)).acquire()
    assert not StoreLock(store.lock_path).acquire()
    with pytest.raises(UsageError, match="2 shards, not 3"):
        ShardLock(store, Shard(1, 3)).acquire()
    first.release()
    second.release()
    whole = StoreLock(store.lock_path)
    assert whole.acquire()
    assert not ShardLock(store, Shard(1, 2)).acquire()
    whole.release()


def boards(monkeypatch, visible=None, **script):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml = ScriptedNvml(boards=("GPU-a", "GPU-b", "GPU-c", "GPU-d"), **script)
    return scan_gpus(lambda: nvml)


def devices(slots):
    return [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots]


def test_busy_gpus_are_left_alone_and_named(monkeypatch):
    scan = boards(monkeypatch, pids=[frozenset(), frozenset({4711}), frozenset()], used={"GPU-d": 9 * 2**30})
    found = choose(scan)
    assert devices(local_slots(ExecutorSpec(), found)) == ["GPU-a", "GPU-c"]
    busy, hidden = found.lines()
    assert "GPU 1" in busy
    assert "process 4711" in busy
    assert "9 GiB" in hidden
    assert len(choose(scan, use_busy=True).free) == 4


def test_all_busy_is_an_error_that_says_who_uses_them(monkeypatch):
    found = choose(boards(monkeypatch, pids=[frozenset({1234})]))
    with pytest.raises(MachineError, match="0 free here, 4 busy") as caught:
        local_slots(ExecutorSpec(), found)
    assert "process 1234" in caught.value.where
    assert "CUDA_VISIBLE_DEVICES" in caught.value.hint
    assert local_slots(ExecutorSpec(gpus_per_trial=0), found)[0].environment["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(("visible", "expected"), [("2,0", ["GPU-c", "GPU-a"]), ("GPU-d", ["GPU-d"])])
def test_what_the_user_hid_is_not_used(monkeypatch, visible, expected):
    assert devices(local_slots(ExecutorSpec(), choose(boards(monkeypatch, visible)))) == expected


def test_several_gpus_make_one_slot(monkeypatch):
    found = choose(boards(monkeypatch))
    assert devices(local_slots(ExecutorSpec(gpus_per_trial=2), found)) == ["GPU-a,GPU-b", "GPU-c,GPU-d"]
    assert devices(local_slots(ExecutorSpec(gpus_per_trial=3), found)) == ["GPU-a,GPU-b,GPU-c"]
    with pytest.raises(MachineError, match="asks for 5 GPUs, this machine has 4"):
        local_slots(ExecutorSpec(gpus_per_trial=5), found)


def test_trials_share_gpus_only_where_nothing_but_the_loss_is_measured(monkeypatch):
    slots = local_slots(ExecutorSpec(measure="loss", trials_per_gpu=2), choose(boards(monkeypatch, "0,1")))
    assert devices(slots) == ["GPU-a", "GPU-b", "GPU-a", "GPU-b"]
    assert {slot.environment["SCALING_MEASURE"] for slot in slots} == {"loss"}
    for wrong, why in (
        ({"trials_per_gpu": 2}, "trials_per_gpu needs measure: loss"),
        ({"trials_per_gpu": 2, "measure": "loss", "gpus_per_trial": 2}, "needs gpus_per_trial: 1"),
        ({"measure": "loss", "kind": "slurm"}, "measure: loss is for kind: local"),
    ):
        with pytest.raises(ValueError, match=why):
            ExecutorSpec(**wrong)


def test_a_batch_script_asks_for_what_the_sweep_says(tmp_path):
    pytest.importorskip("submitit")
    slurm = SlurmSpec(partition="gpu", account="lab", time=5400, grace=60, at_once=8)
    text = batch_script(ExecutorSpec(kind="slurm", gpus_per_trial=2, slurm=slurm), "demo", tmp_path / "a b", 20)
    lines = text.splitlines()
    for option in ("array=0-19%8", "gres=gpu:2", "time=90", "signal=USR2@60", "partition=gpu", "account=lab"):
        assert f"#SBATCH --{option}" in lines
    assert "#SBATCH --requeue" in lines
    assert "#SBATCH --job-name=scaling-demo" in lines
    assert f"'{tmp_path}/a b'" in text
    cpu = batch_script(ExecutorSpec(kind="slurm", gpus_per_trial=0), "demo", tmp_path, 1)
    assert "gres" not in cpu
    assert "array" not in cpu


@pytest.mark.parametrize(
    ("text", "gpus"),
    [("(null)", 0), ("gpu:4", 4), ("gpu:h100:8(S:0-1)", 8), ("gpu:a100:2(S:0,1),gpu:v100:1,lustre:1", 3)],
)
def test_gpus_of_a_node_are_read_from_sinfo(text, gpus):
    assert count_gpus(text) == gpus


def test_words_of_squeue():
    assert read_state("PENDING", "", "Resources") == Status(Phase.WAITING, message="pending: Resources")
    assert read_state("RUNNING", "n1", "None").place == "n1"
    assert read_state("NODE_FAIL", "n1", "None").phase is Phase.ENDED


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def attempt(tmp_path):
    return StoreFolder(tmp_path).trial("t").new_attempt()


def test_an_end_that_no_file_shows_is_doubted_while_anything_is_written(attempt):
    clock, lost = Clock(), Status(Phase.ENDED, message="NODE_FAIL")
    witness = Witness(10.0, clock)
    assert witness.weigh(lost, attempt).phase is Phase.RUNNING
    clock.now = 9.0
    attempt.log_path.write_text("alive")
    assert witness.weigh(lost, attempt).phase is Phase.RUNNING
    clock.now = 18.0
    assert witness.weigh(lost, attempt).phase is Phase.RUNNING
    clock.now = 19.0
    assert witness.weigh(lost, attempt) == lost


def test_what_the_supervisor_wrote_stands_against_any_word(attempt):
    publish(attempt.exit_path, {"exit_code": 0})
    for word in Phase:
        assert Witness(10.0).weigh(Status(word), attempt) == Status(Phase.ENDED, 0)


def test_a_saved_trial_that_is_queued_again_goes_on(attempt):
    publish(attempt.exit_path, {"exit_code": 75})
    clock = Clock()
    witness = Witness(10.0, clock)
    for clock.now in (0.0, 100.0):
        assert witness.weigh(Status(Phase.WAITING), attempt).phase is Phase.WAITING
    assert witness.weigh(Status(Phase.RUNNING), attempt).phase is Phase.RUNNING
    clock.now = 111.0  # no further attempt appeared
    assert witness.weigh(Status(Phase.RUNNING), attempt) == Status(Phase.ENDED, 75)
    assert witness.weigh(Status(Phase.WAITING), attempt, asked=True) == Status(Phase.ENDED, 75)
