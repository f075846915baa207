"""What an attempt used, booked by its supervisor: devices and their joules, whether or not the attempt succeeds.

The figures of record are the trial's own. These exist for every attempt, so that budgets count what failed.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scaling.provenance import Provenance, Reading

if TYPE_CHECKING:
    from scaling.hardware.nvml import Nvml, OpenNvml


def visible_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the GPUs that an environment gives, as it names them."""
    names = (name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(","))
    return tuple(name for name in names if name and not name.startswith("-"))


class Booking:
    """Counts from construction to ``close``.

    Args:
        environment: of the attempt.
        open_library: how to reach NVML; tests give a scripted one.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ, open_library: "OpenNvml | None" = None) -> None:
        self._gpus = visible_gpus(environment)
        self._counters: _Counters | None = None
        self._reason = "no GPU was given to this attempt"
        if self._gpus and all(name.startswith("GPU-") for name in self._gpus):
            self._open(open_library)
        elif self._gpus:
            self._reason = "the attempt's GPUs are not named by UUID: their counters cannot be told apart"

    def _open(self, open_library: "OpenNvml | None") -> None:
        from scaling.hardware.nvml import NvmlError, open_nvml  # loaded only where there is a GPU: the start is short

        try:
            self._counters = _Counters((open_library or open_nvml)(), self._gpus)
        except NvmlError as error:
            self._reason = f"no counter: {error}"

    @property
    def gpus(self) -> int:
        """How many GPUs the attempt holds."""
        return len(self._gpus)

    def energy_so_far(self) -> Reading:
        """Return the joules since construction."""
        return Reading.missing(self._reason) if self._counters is None else self._counters.spent()

    def close(self) -> dict[str, Any]:
        """Release the counters. Returns ``gpus`` and ``energy_gpu_j`` (JSON form of a ``Reading``)."""
        energy = self.energy_so_far()
        if self._counters is not None:
            self._counters.close()
        return {"gpus": self.gpus, "energy_gpu_j": energy.to_json()}


class _Counters:
    """The energy counters of some boards. Raises ``NvmlError`` when one does not answer."""

    def __init__(self, nvml: "Nvml", uuids: Sequence[str]) -> None:
        self._nvml, self._uuids = nvml, uuids
        self._before = self._read()

    def _read(self) -> list[int]:
        return [self._nvml.energy_mj(uuid) for uuid in self._uuids]

    def close(self) -> None:
        """Release the library."""
        self._nvml.close()

    def spent(self) -> Reading:
        """Return the joules since construction."""
        from scaling.hardware.nvml import NvmlError

        try:
            spent = [after - before for before, after in zip(self._before, self._read(), strict=True)]
        except NvmlError as error:
            return Reading.missing(f"the counter was lost: {error}")
        if min(spent) < 0:
            return Reading.missing("the counter was reset meanwhile")
        return Reading(value=sum(spent) / 1000, provenance=Provenance.MEASURED_COUNTER)
