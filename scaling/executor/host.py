"""Energy of the whole machine while a sweep runs: one meter, in the runner, never booked to a single trial.

Two meters side by side would each book the whole machine.
"""

import dataclasses
import os
from datetime import UTC, datetime
from typing import Protocol

from scaling.meters.host import HostEnergy, HostMeter
from scaling.store.files import publish
from scaling.store.layout import StoreFolder


class Meter(Protocol):
    """What is used of the host meter."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> HostEnergy:
        """End and return the joules."""
        ...


class HostWatch:
    """Meters the machine from construction to ``finish``.

    Args:
        store: where the record goes.
        meter: the meter; it starts in the background and does not delay the first trial.
    """

    def __init__(self, store: StoreFolder, meter: Meter | None = None) -> None:
        self._store = store
        self._meter = meter or HostMeter()
        self._began = datetime.now(UTC)
        self._meter.start()

    def finish(self, trials: int, slots: int) -> HostEnergy:
        """Stop and store the record. Raises ``MachineError`` when the store cannot be written.

        Args:
            trials: trials that ended meanwhile.
            slots: trials that could run side by side.
        """
        energy = self._meter.stop()
        plain = dataclasses.asdict(energy)
        plain["energy_cpu_j"] = energy.energy_cpu_j.to_json()
        plain["energy_ram_j"] = energy.energy_ram_j.to_json()
        name = f"{self._began:%Y%m%dT%H%M%SZ}-{os.getpid()}.json"
        began = self._began.isoformat(timespec="seconds")
        publish(self._store.host_dir / name, {**plain, "began": began, "trials": trials, "slots": slots})
        return energy
