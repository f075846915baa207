"""The GPU meter against a scripted NVML: every way a reading can be right, doubtful or missing."""

import os
import time

import pytest
from support.scripted_nvml import ScriptedNvml, lost, not_supported

from scaling.hardware.nvml import NvmlError, NvmlFault
from scaling.meters.gpu import open_gpu_meter
from scaling.meters.nvml import NvmlMeter
from scaling.meters.owners import foreign_pids
from scaling.meters.trace import integrate_j
from scaling.provenance import Provenance

UUID = "GPU-aaaa-1"


class Clock:
    """Seconds that move only when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def meter_of(nvml, clock=None, foreign=None, synchronise=None):
    # The trace thread's first sample is taken at once, further ones only after an hour.
    return NvmlMeter(
        nvml,
        UUID,
        synchronise,
        clock=clock or time.perf_counter,
        sample_s=3600,
        foreign=foreign or (lambda pids: (pids, None)),
    )


def window(nvml, seconds=60.0, **options):
    clock = Clock()
    meter = meter_of(nvml, clock, **options)
    meter.begin("train")
    clock.now = seconds
    closed = meter.end("train")
    meter.close()
    return closed


def test_counter_difference_in_joules():
    # The first entry is spent on finding out that there is a counter.
    closed = window(ScriptedNvml(energy=[0, 1_000_000, 1_500_000]))
    assert closed.energy_j.value == 500.0
    assert closed.energy_j.provenance is Provenance.MEASURED_COUNTER
    assert closed.energy_j.reason is None
    assert not closed.energy_j.shared
    assert closed.seconds == 60.0


def test_short_window_says_how_far_off_the_counter_may_be():
    assert "10%" in window(ScriptedNvml(energy=[0, 0, 700]), seconds=2.0).energy_j.reason


def test_counter_that_runs_backwards_is_missing():
    reading = window(ScriptedNvml(energy=[0, 5000, 10])).energy_j
    assert reading.value is None
    assert "backwards" in reading.reason


def test_counter_that_does_not_move_is_missing_not_zero():
    reading = window(ScriptedNvml(energy=[0, 5000, 5000])).energy_j
    assert reading.value is None
    assert "too short" in reading.reason


def test_no_counter_integrates_power_samples():
    closed = window(ScriptedNvml(energy=[not_supported()], power=[200.0]), seconds=10.0)
    assert closed.energy_j.value == pytest.approx(2000.0)
    assert closed.energy_j.provenance is Provenance.SAMPLED_POWER
    assert closed.energy_j.provenance.measured
    assert len(closed.power_samples) >= 2


def test_no_counter_and_too_few_samples_is_missing():
    reading = window(ScriptedNvml(energy=[not_supported()]), seconds=0.3).energy_j
    assert reading.value is None
    assert "too short" in reading.reason


def test_no_counter_and_no_power_reading_is_missing():
    reading = window(ScriptedNvml(energy=[not_supported()], power=[not_supported()])).energy_j
    assert reading.value is None
    assert "power sampling failed" in reading.reason


def test_vanished_board_is_missing_with_the_reason():
    reading = window(ScriptedNvml(energy=[0, 1000, lost()])).energy_j
    assert reading.value is None
    assert "vanished" in reading.reason


def test_board_vanished_before_opening():
    nvml = ScriptedNvml(mig=[lost()])
    closed = window(nvml)
    assert closed.energy_j.value is None
    assert "GPU is lost" in closed.energy_j.reason


@pytest.mark.parametrize("pids", [[frozenset({77}), frozenset()], [frozenset(), frozenset({77})]])
def test_foreign_process_at_either_end_marks_the_window_shared(pids):
    closed = window(ScriptedNvml(energy=[0, 0, 1000], pids=pids))
    assert closed.energy_j.value == 1.0
    assert closed.energy_j.shared
    assert any("upper bound" in note for note in closed.notes)


def test_unreadable_process_list_is_noted():
    closed = window(ScriptedNvml(energy=[0, 0, 1000], pids=[not_supported()]))
    assert not closed.energy_j.shared
    assert any("cannot tell" in note for note in closed.notes)


def test_mig_is_refused():
    reading = window(ScriptedNvml(mig=[True])).energy_j
    assert reading.value is None
    assert "MIG" in reading.reason


def test_mig_slice_uuid_is_refused_without_asking():
    nvml = ScriptedNvml()
    meter = NvmlMeter(nvml, "MIG-1234")
    meter.begin("a")
    assert "MIG" in meter.end("a").energy_j.reason
    meter.close()
    assert "energy" not in nvml.calls


def test_throttling_is_noted():
    nvml = ScriptedNvml(energy=[0, 0, 1000], throttles=[("power cap",)])
    clock = Clock()
    meter = meter_of(nvml, clock)
    meter.begin("train")
    deadline = time.monotonic() + 5
    while "throttles" not in nvml.calls and time.monotonic() < deadline:
        time.sleep(0.002)
    meter._trace.close()  # the thread has written what it saw
    clock.now = 60.0
    assert "throttled: power cap" in meter.end("train").notes
    meter.close()


def test_synchronises_before_each_read_of_the_counter():
    order = []
    nvml = ScriptedNvml(energy=[0, 0, 1000])
    read = nvml.energy_mj
    nvml.energy_mj = lambda uuid: (order.append("read"), read(uuid))[1]
    window(nvml, synchronise=lambda: order.append("synchronise"))
    assert order == ["read", "synchronise", "read", "synchronise", "read"]


def test_windows_nest_and_close_on_their_own():
    clock = Clock()
    meter = meter_of(ScriptedNvml(energy=[0, 0, 1000, 3000, 10_000]), clock)
    meter.begin("trial")
    clock.now = 10.0
    meter.begin("train")
    clock.now = 40.0
    inner = meter.end("train")
    clock.now = 50.0
    outer = meter.end("trial")
    meter.close()
    assert (inner.energy_j.value, inner.seconds) == (2.0, 30.0)
    assert (outer.energy_j.value, outer.seconds) == (10.0, 50.0)
    assert outer.power_samples[0][0] == 0.0


def test_opening_twice_and_closing_unopened_are_mistakes():
    meter = meter_of(ScriptedNvml())
    meter.begin("a")
    with pytest.raises(ValueError, match="open already"):
        meter.begin("a")
    with pytest.raises(KeyError):
        meter.end("b")
    meter.close()


def test_close_twice_releases_once():
    nvml = ScriptedNvml()
    meter = meter_of(nvml)
    meter.close()
    meter.close()
    assert nvml.closed == 1


def test_trace_runs_by_itself():
    meter = NvmlMeter(ScriptedNvml(power=[50.0]), UUID, sample_s=0.005)
    meter.begin("a")
    time.sleep(0.1)
    samples = meter.end("a").power_samples
    meter.close()
    assert len(samples) > 5
    assert {watts for _, watts in samples} == {50.0}
    assert list(samples) == sorted(samples)


def test_idle_power_is_the_mean_of_samples():
    meter = NvmlMeter(ScriptedNvml(power=[60.0]), UUID, sample_s=0.005)
    reading = meter.idle_power_w(0.05)
    meter.close()
    assert reading.value == pytest.approx(60.0)
    assert reading.provenance is Provenance.SAMPLED_POWER


def test_idle_power_missing_when_the_board_has_none():
    meter = NvmlMeter(ScriptedNvml(power=[not_supported()]), UUID, sample_s=0.005)
    assert "no power reading" in meter.idle_power_w(0.02).reason
    meter.close()


def test_no_uuid_meters_nothing_and_says_why():
    meter = open_gpu_meter(None)
    meter.begin("a")
    closed = meter.end("a")
    assert closed.energy_j.value is None
    assert closed.energy_j.reason.startswith("no NVIDIA GPU: ")
    assert closed.seconds >= 0
    assert meter.idle_power_w(100.0).value is None  # returns at once
    meter.close()


def test_no_driver_meters_nothing_and_says_why():
    def refuse():
        raise NvmlError(NvmlFault.NO_LIBRARY, "NVML Shared Library Not Found")

    meter = open_gpu_meter(UUID, open_library=refuse)
    meter.begin("a")
    assert "NVML Shared Library Not Found" in meter.end("a").energy_j.reason


def test_opens_the_real_meter_where_nvml_answers():
    meter = open_gpu_meter(UUID, open_library=lambda: ScriptedNvml(energy=[0, 0, 2000]))
    meter.begin("a")
    assert meter.end("a").energy_j.value == 2.0
    meter.close()


def test_integral_of_a_ramp():
    assert integrate_j(((0.0, 0.0), (10.0, 100.0)), 10.0) == 500.0


def test_integral_holds_the_ends():
    assert integrate_j(((1.0, 10.0), (3.0, 10.0)), 4.0) == 40.0


def test_own_processes_are_not_foreign():
    assert foreign_pids(frozenset({os.getpid(), os.getppid()})) == (frozenset(), None)


def test_one_unknown_process_in_a_container_is_taken_for_ours_and_said_so():
    ghost = 2**22 + 5  # above the kernel's largest process id
    foreign, note = foreign_pids(frozenset({ghost}))
    assert foreign == frozenset()
    assert "container" in note
    assert foreign_pids(frozenset({ghost, os.getpid()}))[0] == {ghost}
    assert foreign_pids(frozenset({ghost, ghost + 1}))[0] == {ghost, ghost + 1}
