import pytest
from support.scripted_nvml import ScriptedNvml, lost

from scaling.executor.booking import Booking
from scaling.executor.budget import Budget, Purse, Use, use_of_record

HOUR = 3600.0


def book(environment, **script):
    return Booking(environment, lambda: ScriptedNvml(**script))


def test_an_attempt_books_its_gpus_and_their_counters_joules():
    both = {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}
    booked = book(both, energy=[1000, 2000, 5000, 9000]).close()  # before a, b; after a, b
    assert (booked["gpus"], booked["energy_gpu_j"]["value"]) == (2, 11.0)
    assert booked["energy_gpu_j"]["provenance"] == "measured_counter"


@pytest.mark.parametrize(
    ("environment", "script", "gpus", "reason"),
    [
        ({}, {}, 0, "no GPU was given"),
        ({"CUDA_VISIBLE_DEVICES": ""}, {}, 0, "no GPU was given"),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, {}, 2, "not named by UUID"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a"}, {"energy": [5000, 10]}, 1, "was reset"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a"}, {"energy": [5000, lost()]}, 1, "was lost"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a"}, {"energy": [lost()]}, 1, "no counter"),
    ],
)
def test_joules_that_were_not_measured_are_missing_with_their_reason(environment, script, gpus, reason):
    booked = book(environment, **script).close()
    assert (booked["gpus"], booked["energy_gpu_j"]["value"]) == (gpus, None)
    assert reason in booked["energy_gpu_j"]["reason"]


def test_failed_attempts_and_unmetered_seconds_count():
    measured = {"gpus": 1, "seconds": 100.0, "energy_gpu_j": {"value": 3e4, "provenance": "measured_counter"}}
    unread = {"gpus": 2, "seconds": 50.0, "energy_gpu_j": None}
    purse = Purse(Budget(energy_j=1e5), Use(), grace_s=0)
    purse.book(use_of_record(measured))
    purse.book(use_of_record(unread))
    assert purse.used == Use(gpu_s=200.0, energy_j=3e4, unmetered_gpu_s=100.0, attempts=2)
    assert purse.exceeded([]) is None  # 30 kJ measured and 30 kJ at the same power
    assert "kWh is used up" in purse.exceeded([Use(gpu_s=150.0, energy_j=4.5e4)])


def test_a_budget_stops_what_runs_before_it_is_passed():
    purse = Purse(Budget(gpu_s=HOUR), Use(), grace_s=60.0)
    assert purse.exceeded([Use(gpu_s=HOUR - 200)]) is None
    assert "1 GPU-hours is used up" in purse.exceeded([Use(gpu_s=HOUR - 59)])
    few = Purse(Budget(gpu_s=100.0), Use(), grace_s=60.0)
    assert few.exceeded([Use(gpu_s=90.0)]) is None  # at most a twentieth is held back
    assert few.exceeded([Use(gpu_s=95.0)])


def test_money_has_two_prices():
    budget = Budget(cost=10.0, per_gpu_hour=2.0, per_kwh=1.0, currency="EUR")
    purse = Purse(budget, Use(gpu_s=4 * HOUR, energy_j=1.9 * 3.6e6), grace_s=0)
    assert purse.exceeded([]) is None
    assert "10 EUR is used up" in purse.exceeded([Use(gpu_s=0.1 * HOUR, energy_j=0.0)])
    assert budget.needs_energy
    assert not Budget(cost=10.0, per_gpu_hour=2.0).needs_energy


def test_what_is_running_and_still_to_come_is_paid_before_a_further_start():
    purse = Purse(Budget(gpu_s=100.0), Use(gpu_s=40.0), grace_s=0)
    running = [Use(gpu_s=10.0), purse.expected(20.0)]
    assert purse.affords(1, 30.0, running)
    assert not purse.affords(1, 31.0, running)
    assert not purse.affords(2, 16.0, running)
