"""Memory of a training run: weights, gradients, optimizer and activations, and the devices that hold them.

Model state: 16 bytes a parameter in mixed-precision Adam (ZeRO, 1910.02054, section 3.1). Activations: 34 s b h bytes
a layer with fused attention, 2 s b h when every layer is recomputed (Korthikanti et al. 2022, 2205.05198, equations
1, 2 and table 2), for one sequence a device. Width and depth are those of a GPT-3 model of that size (2005.14165,
table 2.1), since only the size is asked for.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

from scaling.cost.request import Request

_STATE_BYTES = {"weights": 2.0, "gradients": 2.0, "optimizer": 12.0}
_ACTIVATION_BYTES, _RECOMPUTED_BYTES = 34.0, 2.0
USABLE = 0.90  # of a device's memory; the rest goes to the driver, buffers and fragments
_GPT3 = (
    (125e6, 768, 12), (350e6, 1024, 24), (760e6, 1536, 24), (1.3e9, 2048, 24), (2.7e9, 2560, 32), (6.7e9, 4096, 32),
    (13e9, 5140, 40), (175e9, 12288, 96),
)  # fmt: skip  # parameters, width, layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What training keeps in memory, in bytes.

    Attributes:
        weights, gradients, optimizer: of the whole model, shared among the devices when it is sharded.
        activations: of one sequence on one device.
        activations_recomputed: the same when every layer is computed again in the backward pass.
        devices: fewest devices that hold it, sharded evenly; ``None`` without a card, or when one sequence does not
            fit on it at all.
        recompute: whether that many devices need recomputation.
        per_device: bytes on each of ``count`` devices; ``None`` without a count.
        device_bytes: usable memory of one device; ``None`` without a card.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    activations_recomputed: float
    devices: int | None
    recompute: bool
    per_device: float | None
    device_bytes: float | None

    @property
    def state(self) -> float:
        """Weights, gradients and optimizer together."""
        return self.weights + self.gradients + self.optimizer

    @property
    def total(self) -> float:
        """State and the activations of one sequence."""
        return self.state + self.activations

    @property
    def fits(self) -> bool | None:
        """Whether the asked number of devices holds it, with recomputation if need be."""
        if self.per_device is None or self.device_bytes is None:
            return None
        return self.per_device <= self.device_bytes

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        return {
            **{name: getattr(self, name) for name in (*_STATE_BYTES, "activations", "activations_recomputed")},
            "state": self.state,
            "total": self.total,
            "per_device": self.per_device,
            "device_usable": self.device_bytes,
            "fits": self.fits,
        }


def memory(request: Request) -> Memory | None:
    """Return the memory of a request; ``None`` where no size is given."""
    params = request.stored_params
    if params is None:
        return None
    state = {name: each * params for name, each in _STATE_BYTES.items()}
    width, layers = _shape(request.params or params)
    per_byte = request.context * width * layers
    full, least = _ACTIVATION_BYTES * per_byte, _RECOMPUTED_BYTES * per_byte
    room = None if request.card is None else USABLE * request.card.memory_bytes
    devices, recompute = _devices(sum(state.values()), full, least, room)
    return Memory(
        **state,
        activations=full,
        activations_recomputed=least,
        devices=devices,
        recompute=recompute,
        per_device=None
        if request.count is None
        else _per_device(sum(state.values()), full, least, room, request.count),
        device_bytes=room,
    )


def _shape(params: float) -> tuple[float, float]:
    """Return width and layers: log-log between the rows of the table, along its ends outside."""
    at = min(max(bisect_left([row[0] for row in _GPT3], params), 1), len(_GPT3) - 1)
    (n0, w0, l0), (n1, w1, l1) = _GPT3[at - 1], _GPT3[at]
    share = math.log(params / n0) / math.log(n1 / n0)
    return w0 * (w1 / w0) ** share, max(l0 * (l1 / l0) ** share, 1.0)


def _devices(state: float, full: float, least: float, room: float | None) -> tuple[int | None, bool]:
    if room is None or least >= room:
        return None, False
    if full < 0.5 * room:
        return math.ceil(state / (room - full)), False
    return math.ceil(state / (room - least)), True


def _per_device(state: float, full: float, least: float, room: float | None, count: int) -> float:
    plain = state / count + full
    return plain if room is None or plain <= room else state / count + least
