"""The deep check against a scripted NVML and a scripted tracker: no board is here, and none is claimed."""

import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from support.scripted_nvml import ScriptedNvml, not_supported

from scaling.errors import MachineError
from scaling.hardware.gpus import scan_gpus
from scaling.hardware.nvml import NvmlError, NvmlFault
from scaling.meters.deep import Bench, counter_step_s, deep_check, torch_load

UUID = "GPU-aaaa-1"
KWH = 3.6e6


class Board(ScriptedNvml):
    """Draws so many watts; its counter follows a clock in steps."""

    def __init__(self, clock, watts=400.0, step_s=0.1, counted=1.0):
        super().__init__(power=[watts])
        self.clock, self.watts, self.step_s, self.counted = clock, watts, step_s, counted

    def energy_mj(self, uuid):
        steps = int(self.clock.now / self.step_s + 1e-9)
        return int(1000 * self.counted * self.watts * steps * self.step_s)


class Clock:
    """Moves when somebody sleeps, and a little whenever it is read."""

    def __init__(self, tick=1e-4):
        self.now, self.tick = 0.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Tracker:
    def __init__(self, joules):
        self.final_emissions_data = SimpleNamespace(gpu_energy=joules / KWH)

    def start(self):
        pass

    def stop(self):
        pass


@contextmanager
def idle_load(gpu, seconds):
    yield


def check(board, clock, joules=12_000.0):
    bench = Bench(
        load=idle_load,
        open_library=lambda: board,
        make=lambda uuid: Tracker(joules),
        sleep=clock.sleep,
        clock=clock,
    )
    return deep_check(scan_gpus(lambda: board).gpus[0], idle_s=0, bench=bench)


def test_three_readings_that_agree():
    clock = Clock()
    got = check(Board(clock), clock)
    assert got.seconds == pytest.approx(30, abs=0.1)
    assert got.counter_j == pytest.approx(12_000, rel=0.01)
    assert got.samples_j == pytest.approx(12_000, rel=0.01)
    assert got.codecarbon_off == pytest.approx(0, abs=0.01)
    assert got.load_w == pytest.approx(400, rel=0.01)
    assert got.warnings == ()
    assert [s.seconds for s in got.short] == [1.0, 2.0, 5.0]
    assert all(abs(s.bias) < 0.2 / s.seconds for s in got.short)


def test_disagreement_is_told_with_its_sign():
    clock = Clock()
    got = check(Board(clock, counted=0.9), clock, joules=0.0)
    assert got.samples_off == pytest.approx(1 / 0.9 - 1, rel=0.05)
    assert any("integrated samples" in w and "+11" in w for w in got.warnings)
    assert "codecarbon" in got.missing


def test_a_board_without_a_counter():
    clock = Clock()
    board = Board(clock)
    board.energy_mj = lambda uuid: (_ for _ in ()).throw(not_supported())
    got = check(board, clock)
    assert got.counter_j is None
    assert "counter" in got.missing
    assert got.samples_j == pytest.approx(12_000, rel=0.01)
    assert got.counter_step_s is None
    assert got.load_w == pytest.approx(400, rel=0.01)


@pytest.mark.parametrize("step_s", [0.02, 0.1])
def test_cadence_of_the_counter(step_s):
    clock = Clock()
    assert counter_step_s(Board(clock, step_s=step_s), UUID, clock) == pytest.approx(step_s, rel=0.05)


def test_a_counter_that_stands_still_has_no_cadence():
    assert counter_step_s(ScriptedNvml(energy=[5]), UUID, Clock()) is None


def test_nvml_that_went_away_is_an_error():
    clock = Clock()
    gpu = scan_gpus(lambda: Board(clock)).gpus[0]

    def gone():
        raise NvmlError(NvmlFault.NO_LIBRARY, "driver not loaded")

    with pytest.raises(MachineError) as caught:
        deep_check(gpu, bench=Bench(load=idle_load, open_library=gone))
    assert caught.value.exit_code == 3


def test_a_load_that_cannot_run_says_why(monkeypatch):
    """The real child, told to fail: no torch or no CUDA looks like this."""
    real = subprocess.Popen

    def failing(command, **options):
        return real([command[0], "-c", "raise SystemExit('no CUDA here')"], **options)

    monkeypatch.setattr(subprocess, "Popen", failing)
    gpu = scan_gpus(lambda: Board(Clock())).gpus[0]
    with pytest.raises(MachineError, match="no CUDA here"), torch_load(gpu, 1):
        pass
