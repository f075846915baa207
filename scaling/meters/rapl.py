"""Reads the processor packages' own energy counters (RAPL), for a trial that runs alone on its machine.

Covers the packages only: no memory, board or power supply. AMD processors appear under the same kernel
interface.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scaling.meters.window import CpuWindow
from scaling.provenance import Provenance, Reading

POWERCAP = Path("/sys/class/powercap")
FIX = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
# A counter wraps after range/power: 262 kJ at 400 W is 11 minutes. Two wraps unseen would be lost.
_LOOK_S = 60.0
_PACKAGE = re.compile(r"^intel-rapl:\d+$")


@dataclass(frozen=True, slots=True)
class Domain:
    """One package's counter: its file, and the value at which it wraps (microjoules)."""

    path: Path
    range_uj: int

    def read_uj(self) -> int:
        """Return the counter. Raises ``OSError``/``ValueError`` when it cannot be read."""
        return int(self.path.read_text())


def package_domains(root: Path = POWERCAP) -> tuple[Domain, ...]:
    """Return the readable package counters. Raises ``OSError``/``ValueError`` when one cannot be read."""
    folders = sorted(p for p in root.iterdir() if _PACKAGE.match(p.name)) if root.is_dir() else []
    found = []
    for folder in folders:
        if (folder / "name").read_text().strip().startswith("package"):
            domain = Domain(folder / "energy_uj", int((folder / "max_energy_range_uj").read_text()))
            domain.read_uj()
            found.append(domain)
    return tuple(found)


def why_no_rapl(root: Path = POWERCAP) -> str | None:
    """Return why the counters cannot be read, with the line that fixes it; ``None`` when they can."""
    try:
        domains = package_domains(root)
    except PermissionError:
        return f"RAPL is not readable by this user: {FIX}"
    except (OSError, ValueError) as error:
        return f"RAPL cannot be read: {error}"
    return None if domains else "no RAPL package counter: a virtual machine, a container, or no Intel/AMD kernel driver"


class CpuMeter:
    """Opens and closes windows on the packages' counters; missing readings name their reason."""

    def __init__(
        self,
        domains: tuple[Domain, ...],
        reason: str | None = None,
        clock: Callable[[], float] = time.perf_counter,
        look_s: float = _LOOK_S,
    ) -> None:
        self._domains = domains
        self._reason = reason
        self._clock = clock
        self._look_s = look_s
        self._total_uj = 0
        self._last_uj: dict[Domain, int] = {}
        self._open: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, name: str) -> None:
        """Open a window. Raises ``ValueError`` if it is open already."""
        if name in self._open:
            raise ValueError(f"window {name!r} is open already")
        self._look()
        self._watch()
        self._open[name] = (self._clock(), self._total_uj)

    def end(self, name: str, *, alone: bool = True) -> CpuWindow:
        """Close a window; joules of work that had company are missing. Raises ``KeyError`` if it is not open."""
        begun_s, begun_uj = self._open.pop(name)
        self._look()
        return CpuWindow(energy_j=self._energy_j(self._total_uj - begun_uj, alone), seconds=self._clock() - begun_s)

    def close(self) -> None:
        """Stop watching for wrap-around. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _energy_j(self, delta_uj: int, alone: bool) -> Reading:
        if self._reason is not None:
            return Reading.missing(self._reason)
        if not alone:
            return Reading.missing("the processor's counter covers every trial that ran beside this one")
        if delta_uj == 0:
            return Reading.missing("window too short: the RAPL counter did not move")
        return Reading(
            value=delta_uj / 1e6, provenance=Provenance.MEASURED_RAPL, reason="processor packages; no memory"
        )

    def _look(self) -> None:
        """Add what each counter gained since the last look; one below its last value has wrapped once."""
        with self._lock:
            if self._reason is not None:
                return
            try:
                for domain in self._domains:
                    now_uj = domain.read_uj()
                    self._total_uj += (now_uj - self._last_uj.get(domain, now_uj)) % (domain.range_uj + 1)
                    self._last_uj[domain] = now_uj
            except (OSError, ValueError) as error:
                self._reason = f"RAPL cannot be read any more: {error}"

    def _watch(self) -> None:
        if self._thread is None and self._reason is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._loop, name="rapl", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while not self._stop.wait(self._look_s):
            self._look()


def open_cpu_meter(root: Path = POWERCAP) -> CpuMeter:
    """Open the meter of this machine's processor packages; where there is none, its readings are missing."""
    reason = why_no_rapl(root)
    return CpuMeter(package_domains(root) if reason is None else (), reason)
