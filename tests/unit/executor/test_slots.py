import pytest

from scaling.errors import MachineError
from scaling.executor import slots
from scaling.executor.slots import core_slots, gpu_slots, parse_cpu_list


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(slots, "physical_cores", lambda: [(0, 4), (1, 5), (2, 6), (3, 7)])
    monkeypatch.setattr(slots, "quota_cores", lambda: None)


def test_kernel_cpu_lists():
    assert parse_cpu_list("0-2,8\n") == (0, 1, 2, 8)
    assert parse_cpu_list("5") == (5,)


def test_one_slot_per_physical_core_with_one_thread(four_cores):
    found = core_slots()
    assert [s.cpus for s in found] == [(0, 4), (1, 5), (2, 6), (3, 7)]
    assert all(s.environment["OMP_NUM_THREADS"] == "1" for s in found)
    assert all(s.environment["CUDA_VISIBLE_DEVICES"] == "" for s in found)


def test_a_container_quota_limits_the_slots(four_cores, monkeypatch):
    monkeypatch.setattr(slots, "quota_cores", lambda: 2)
    assert len(core_slots()) == 2
    assert len(core_slots(6)) == 6  # asked for: obeyed


def test_gpus_are_named_by_uuid_and_share_the_cores(four_cores):
    found = gpu_slots([("GPU-a", "H100"), ("GPU-b", "H100")])
    assert [s.environment["CUDA_VISIBLE_DEVICES"] for s in found] == ["GPU-a", "GPU-b"]
    assert [s.cpus for s in found] == [(0, 1, 4, 5), (2, 3, 6, 7)]
    assert len({s.name for s in found}) == 2
    with pytest.raises(MachineError):
        gpu_slots([])


def test_trials_that_share_gpus_are_spread_over_them_first(four_cores):
    found = gpu_slots([("GPU-a", "H100"), ("GPU-b", "H100")], sharers=2)
    assert [s.environment["CUDA_VISIBLE_DEVICES"] for s in found] == ["GPU-a", "GPU-b"] * 2
    assert [s.name for s in found] == ["H100 0, 1 of 2", "H100 1, 1 of 2", "H100 0, 2 of 2", "H100 1, 2 of 2"]
    assert [s.cpus for s in found] == [(0, 4), (1, 5), (2, 6), (3, 7)]


def test_this_machine_has_a_slot():
    assert core_slots()[0].cpus
