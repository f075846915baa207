"""The adapter of codecarbon: provenance from its private mode, failures as missing readings."""

import logging
from types import SimpleNamespace

import pytest

from scaling.meters.host import BoardTracker, HostMeter, make_tracker
from scaling.provenance import Provenance


class Tracker:
    """A scripted tracker: what the adapter reads of the real one."""

    def __init__(self, mode="cpu_load", cpu=1e-3, ram=2e-3, broken=None):
        self._hardware = [SimpleNamespace(), SimpleNamespace(_mode=mode, _tdp=65, _is_generic_tdp=False)]
        self.broken = broken
        if broken is None:
            self.final_emissions_data = SimpleNamespace(
                cpu_energy=cpu, ram_energy=ram, duration=9.5, cpu_model="Scripted 1"
            )

    def start(self):
        if self.broken == "start":
            raise OSError("no such device")

    def stop(self):
        if self.broken == "log":  # the real one swallows its own errors and logs them
            try:
                raise ValueError("swallowed")
            except ValueError:
                logging.getLogger("codecarbon").warning("graceful", exc_info=True)


def run(**options):
    meter = HostMeter(lambda: Tracker(**options))
    meter.start()
    return meter.stop()


@pytest.mark.parametrize(
    ("mode", "provenance"),
    [
        ("intel_rapl", Provenance.MEASURED_RAPL),
        ("cpu_load", Provenance.MODELLED_LOAD),
        ("constant", Provenance.MODELLED_CONSTANT),
    ],
)
def test_provenance_follows_the_mode(mode, provenance):
    energy = run(mode=mode)
    assert energy.energy_cpu_j.value == pytest.approx(3600.0)
    assert energy.energy_cpu_j.provenance is provenance
    assert energy.energy_ram_j.value == pytest.approx(7200.0)
    assert energy.energy_ram_j.provenance is Provenance.MODELLED_CONSTANT
    assert (energy.mode, energy.seconds) == (mode, 9.5)


def test_unknown_mode_is_missing():
    assert "windows_emi" in run(mode="windows_emi").energy_cpu_j.reason


def test_zero_is_missing():
    assert "too short" in run(cpu=0.0).energy_cpu_j.reason


@pytest.mark.parametrize(("broken", "said"), [("start", "no such device"), ("log", "swallowed")])
def test_failure_is_missing_with_its_reason(broken, said):
    energy = run(broken=broken)
    assert energy.energy_cpu_j.value is None
    assert said in energy.energy_cpu_j.reason
    assert said in energy.energy_ram_j.reason


def test_stop_without_start_is_a_mistake():
    with pytest.raises(RuntimeError):
        HostMeter(Tracker).stop()


def test_real_tracker_ignores_files_and_variables_and_writes_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CODECARBON_PUE", "7")
    config = "[codecarbon]\ntracking_mode = process\nforce_ram_power = 5000\nsave_to_file = true\n"
    (tmp_path / ".codecarbon.config").write_text(config)
    made = []

    def make():
        made.append(make_tracker())
        return made[0]

    meter = HostMeter(make)
    meter.start()
    energy = meter.stop()
    tracker = made[0]
    assert (tracker._pue, tracker._tracking_mode, tracker._force_ram_power) == (1.0, "machine", None)
    assert energy.energy_ram_j.provenance is Provenance.MODELLED_CONSTANT
    assert energy.energy_cpu_j.provenance in {Provenance.MODELLED_LOAD, Provenance.MEASURED_RAPL}
    assert energy.tool.startswith("codecarbon 3.")
    assert [path.name for path in tmp_path.iterdir()] == [".codecarbon.config"]
    assert capfd.readouterr() == ("", "")


def test_every_option_of_the_tool_is_given():
    """A new option in a later codecarbon would be read from files and variables: it must be set here too."""
    import inspect

    from codecarbon import OfflineEmissionsTracker
    from codecarbon.emissions_tracker import BaseEmissionsTracker

    options = {
        name
        for maker in (OfflineEmissionsTracker, BaseEmissionsTracker)
        for name in inspect.signature(maker.__init__).parameters
    }
    options -= {"self", "args", "kwargs", "co2_signal_api_token"}  # the last is a deprecated alias
    options -= {name for name in options if name.startswith("save_to_")}  # ignored beside output_methods
    given = inspect.getsource(make_tracker)
    assert not {name for name in options if f"{name}=" not in given}


class Board:
    """A scripted tracker of one board."""

    def __init__(self, kwh=1e-3, broken=False):
        self.broken = broken
        self.final_emissions_data = SimpleNamespace(gpu_energy=kwh)

    def start(self):
        if self.broken:
            raise OSError("no such device")

    def stop(self):
        pass


def read_board(**options):
    asked = []
    tracker = BoardTracker("GPU-1", lambda uuids: (asked.append(tuple(uuids)), Board(**options))[1])
    tracker.start()
    reading = tracker.stop()
    assert asked == [("GPU-1",)]
    return reading


def test_a_board_through_codecarbon_is_in_joules():
    assert read_board().value == pytest.approx(3600.0)


def test_a_board_that_codecarbon_does_not_see_is_missing():
    assert read_board(kwh=0.0).value is None
    assert "no such device" in read_board(broken=True).reason
