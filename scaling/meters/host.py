"""Meters the processor and memory of the whole machine through codecarbon's offline tracker.

The only module that knows codecarbon's tracker. Nothing public in it says what was measured and what
modelled, so the mode of its processor object (private) decides the provenance here; memory is always a model:
a constant per guessed module. One such meter per machine: two side by side would each book all of it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from scaling.provenance import Provenance, Reading

_J_PER_KWH = 3.6e6
_CPU_PROVENANCE = {
    "intel_rapl": Provenance.MEASURED_RAPL,
    "cpu_load": Provenance.MODELLED_LOAD,
    "constant": Provenance.MODELLED_CONSTANT,
}
_CPU_WORDS = {
    "intel_rapl": "RAPL counters of the processor packages",
    "cpu_load": "modelled: TDP x (0.1 + 0.9 x load^3), whole machine",
    "constant": "modelled: a constant share of the TDP",
}
_RAM_WORDS = "modelled: a constant per guessed memory module"
MakeTracker = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEnergy:
    """Joules of the machine's processors and memory.

    Attributes:
        energy_cpu_j: processors; RAPL or a model.
        energy_ram_j: memory; always a model.
        seconds: seconds covered: from when the tracker was ready, 1 to 3 s after ``start`` at first.
        tool: name and version of the tool.
        mode: how it metered the processors (``intel_rapl``, ``cpu_load``, ``constant``), or ``None``.
        detail: processor as the tool sees it, and whether its TDP is a guess.
    """

    energy_cpu_j: Reading
    energy_ram_j: Reading
    seconds: float
    tool: str
    mode: str | None
    detail: str


class _Messages(logging.Filter):
    """Keeps the tool's warnings for our reasons and lets none of its lines through."""

    def __init__(self) -> None:
        super().__init__()
        self.last: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            self.last = repr(record.exc_info[1])
        return False


def make_tracker(gpu_ids: Sequence[str] = ()) -> Any:  # noqa: ANN401  # codecarbon's classes are untyped
    """Build codecarbon's offline tracker with every option given, so that no file or variable changes it.

    The intensity is zero on purpose: carbon is worked out elsewhere, from the place that the user names.

    Args:
        gpu_ids: UUIDs of the boards that it reads too; none by default.
    """
    from codecarbon import OfflineEmissionsTracker

    return OfflineEmissionsTracker(
        country_iso_code=None,
        region=None,
        cloud_provider=None,
        cloud_region=None,
        country_2letter_iso_code=None,
        project_name="scaling",
        experiment_name="scaling",
        experiment_id="",
        measure_power_secs=1.0,
        api_call_interval=-1,
        api_endpoint="",
        api_key="",
        emissions_endpoint=False,
        electricitymaps_api_token="",
        output_methods=[],
        output_handlers=[],
        output_dir=".",
        output_file="",
        logging_logger=None,
        prometheus_url="",
        metadata=None,
        gpu_ids=list(gpu_ids),
        tracking_mode="machine",
        log_level="warning",
        logger_preamble="",
        on_csv_write="append",
        force_cpu_power=None,
        force_ram_power=None,
        force_mode_cpu_load=False,
        pue=1.0,
        wue=0.0,
        force_carbon_intensity_g_co2e_kwh=0.0,
        allow_multiple_runs=True,
        rapl_include_dram=False,
        rapl_prefer_psys=False,
    )


class HostMeter:
    """Meters from ``start`` to ``stop``; neither raises for want of a figure.

    Args:
        make: builds the tracker; tests give a scripted one.
    """

    def __init__(self, make: MakeTracker = make_tracker) -> None:
        self._make = make
        self._tracker: Any = None
        self._error: str | None = None
        self._messages = _Messages()
        self._thread: threading.Thread | None = None
        self._begun_s = 0.0

    def start(self) -> None:
        """Start the tracker in the background: its first start probes the hardware for one to two seconds."""
        self._begun_s = time.perf_counter()
        self._thread = threading.Thread(target=self._start, name="host-meter", daemon=True)
        self._thread.start()

    def wait_until_ready(self) -> None:
        """Wait for the tracker's first probe of the hardware, so that a short stretch of work is covered whole."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> HostEnergy:
        """Stop and return the joules. Raises ``RuntimeError`` when the meter was not started."""
        if self._thread is None:
            raise RuntimeError("the host meter was not started")
        self._thread.join()
        self._thread = None
        data = self._stop()
        if data is None:
            reason = f"codecarbon failed: {self._error or self._messages.last or 'no record'}"
            return self._missing(reason)
        return self._energy(data)

    def _start(self) -> None:
        logger = logging.getLogger("codecarbon")
        logger.setLevel(logging.WARNING)  # its errors are only logged: hear them whatever was set before
        logger.addFilter(self._messages)
        try:
            self._tracker = self._make()
            self._tracker.start()
        except Exception as error:  # noqa: BLE001  # a tool of its own; its failure must not end a sweep
            self._error = repr(error)

    def _stop(self) -> Any:  # noqa: ANN401
        """Return the tool's final record, or ``None`` when it failed; it only logs its own errors."""
        try:
            if self._tracker is not None:
                self._tracker.stop()
        except Exception as error:  # noqa: BLE001
            self._error = repr(error)
        logging.getLogger("codecarbon").removeFilter(self._messages)
        return getattr(self._tracker, "final_emissions_data", None)

    def _energy(self, data: Any) -> HostEnergy:  # noqa: ANN401
        cpu = next((h for h in self._tracker._hardware if hasattr(h, "_mode")), None)
        mode = None if cpu is None else str(cpu._mode)
        generic = bool(getattr(cpu, "_is_generic_tdp", False))
        guess = ", TDP is a generic guess" if generic else ""
        return HostEnergy(
            energy_cpu_j=_cpu_reading(mode, float(data.cpu_energy) * _J_PER_KWH, guess),
            energy_ram_j=_reading(float(data.ram_energy) * _J_PER_KWH, Provenance.MODELLED_CONSTANT, _RAM_WORDS),
            seconds=float(data.duration),
            tool=tool(),
            mode=mode,
            detail=f"{data.cpu_model or 'unknown processor'}, TDP {getattr(cpu, '_tdp', None)} W{guess}",
        )

    def _missing(self, reason: str) -> HostEnergy:
        return HostEnergy(
            energy_cpu_j=Reading.missing(reason),
            energy_ram_j=Reading.missing(reason),
            seconds=time.perf_counter() - self._begun_s,
            tool=tool(),
            mode=None,
            detail=reason,
        )


def gpu_energy_j(tracker: Any) -> Reading:  # noqa: ANN401
    """Return the joules that a stopped tracker booked for its boards: by their counter where they have one."""
    data = getattr(tracker, "final_emissions_data", None)
    if data is None:
        return Reading.missing("codecarbon left no record")
    if not float(data.gpu_energy) > 0:
        return Reading.missing("codecarbon booked no GPU energy")
    return Reading(value=float(data.gpu_energy) * _J_PER_KWH, provenance=Provenance.MEASURED_COUNTER, reason=tool())


class BoardTracker:
    """The same NVIDIA board through codecarbon, to hold against our own reading of its counter.

    Args:
        uuid: the board.
        make: builds the tracker; tests give a scripted one.
    """

    def __init__(self, uuid: str, make: Callable[[Sequence[str]], Any] = make_tracker) -> None:
        self._uuid = uuid
        self._make = make
        self._tracker: Any = None
        self._error: str | None = None
        self._messages = _Messages()

    def start(self) -> None:
        """Start; the counter is read last, so open our own window right after. Takes a second or two at first."""
        logger = logging.getLogger("codecarbon")
        logger.setLevel(logging.WARNING)
        logger.addFilter(self._messages)
        try:
            self._tracker = self._make((self._uuid,))
            self._tracker.start()
        except Exception as error:  # noqa: BLE001  # a tool of its own; its failure must not end a trial
            self._error = repr(error)

    def stop(self) -> Reading:
        """Stop and return the board's joules, or why there are none."""
        try:
            if self._tracker is not None:
                self._tracker.stop()
        except Exception as error:  # noqa: BLE001
            self._error = repr(error)
        logging.getLogger("codecarbon").removeFilter(self._messages)
        reason = self._error or self._messages.last
        return gpu_energy_j(self._tracker) if reason is None else Reading.missing(f"codecarbon failed: {reason}")


def tool() -> str:
    """Return codecarbon's name and version without importing it."""
    return f"codecarbon {version('codecarbon')}"


def _cpu_reading(mode: str | None, joules: float, guess: str) -> Reading:
    if mode not in _CPU_PROVENANCE:
        return Reading.missing(f"codecarbon metered the processors in mode {mode!r}, which is not tested here")
    return _reading(joules, _CPU_PROVENANCE[mode], _CPU_WORDS[mode] + guess)


def _reading(joules: float, provenance: Provenance, reason: str) -> Reading:
    if joules <= 0:
        return Reading.missing("window too short: codecarbon booked no energy")
    return Reading(value=joules, provenance=provenance, reason=reason)
