"""A scripted NVML: says what a test tells it to say. Nothing here was recorded from a real board."""

from dataclasses import dataclass, field

from scaling.hardware.nvml import NvmlError, NvmlFault


def not_supported() -> NvmlError:
    return NvmlError(NvmlFault.NOT_SUPPORTED, "Not Supported")


def lost() -> NvmlError:
    return NvmlError(NvmlFault.GONE, "GPU is lost")


def follow(script, position):
    """The value at a position of a script; its last value holds on. Errors are raised."""
    value = script[min(position, len(script) - 1)]
    if isinstance(value, NvmlError):
        raise value
    return value


@dataclass
class ScriptedNvml:
    """One kind of board, any number of them; each list is read one entry a call, the last one for ever."""

    boards: tuple[str, ...] = ("GPU-aaaa-1",)
    names: dict[str, str] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    energy: list = field(default_factory=lambda: [1_000_000, 1_500_000])
    power: list = field(default_factory=lambda: [100.0])
    pids: list = field(default_factory=lambda: [frozenset()])
    mig: list = field(default_factory=lambda: [False])
    throttles: list = field(default_factory=lambda: [()])
    closed: int = 0
    calls: dict[str, int] = field(default_factory=dict)

    def _next(self, what, script):
        position = self.calls.get(what, 0)
        self.calls[what] = position + 1
        return follow(script, position)

    def driver(self):
        return "570.00"

    def uuids(self):
        return self.boards

    def name(self, uuid):
        return self.names.get(uuid, "NVIDIA H200")

    def memory_bytes(self, uuid):
        return 141 * 10**9

    def memory_used_bytes(self, uuid):
        return self.used.get(uuid, 500 * 2**20)

    def power_limit_w(self, uuid):
        return 700.0

    def power_w(self, uuid):
        return self._next("power", self.power)

    def energy_mj(self, uuid):
        return self._next("energy", self.energy)

    def compute_pids(self, uuid):
        return self._next("pids", self.pids)

    def mig_enabled(self, uuid):
        return self._next("mig", self.mig)

    def throttle_reasons(self, uuid):
        return self._next("throttles", self.throttles)

    def close(self):
        self.closed += 1
