"""Where a figure comes from: a counter, a sensor, a model, or nowhere.

Not measured is ``None`` with a reason, never 0. Modelled joules stand apart: they never enter a sum called
measured, an energy law or a gain per kWh.
"""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum


class Provenance(StrEnum):
    """How a reading was obtained, best first."""

    MEASURED_COUNTER = "measured_counter"
    MEASURED_RAPL = "measured_rapl"
    MEASURED_PRORATED = "measured_prorated"
    SAMPLED_POWER = "sampled_power"
    MODELLED_LOAD = "modelled_load"
    MODELLED_CONSTANT = "modelled_constant"
    UNAVAILABLE = "unavailable"

    @property
    def measured(self) -> bool:
        """Whether the figure comes from a counter or sensor of this device."""
        return self in _MEASURED


_MEASURED = frozenset(
    {
        Provenance.MEASURED_COUNTER,
        Provenance.MEASURED_RAPL,
        Provenance.MEASURED_PRORATED,
        Provenance.SAMPLED_POWER,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One metered figure. ``value`` is ``None`` exactly when ``provenance`` is ``unavailable``.

    Attributes:
        value: the figure in the unit that the field holding the reading names (``_j``, ``_w``).
        provenance: how it was obtained.
        reason: why it is missing, or what it includes; required when missing.
        shared: other processes used the device in the window: an upper bound, kept out of fits.
    """

    value: float | None
    provenance: Provenance
    reason: str | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        missing = self.provenance is Provenance.UNAVAILABLE
        if missing != (self.value is None):
            raise ValueError(f"a reading is None exactly when it is unavailable: {self!r}")
        if missing and not self.reason:
            raise ValueError("an unavailable reading names its reason")

    def __add__(self, other: "Reading") -> "Reading":
        """Add two windows of one device: missing if either is, and only as good as the weaker."""
        if self.value is None or other.value is None:
            return self if self.value is None else other
        weaker = max(self, other, key=lambda r: list(Provenance).index(r.provenance))
        return Reading(
            value=self.value + other.value,
            provenance=weaker.provenance,
            reason=weaker.reason,
            shared=self.shared or other.shared,
        )

    def share(self, part: float, of: str) -> "Reading":
        """Return a part of what a device measured for several users at once, and say of what; missing stays missing."""
        if self.value is None:
            return self
        own = self.provenance in (Provenance.MEASURED_COUNTER, Provenance.MEASURED_RAPL)
        return Reading(
            value=self.value * part,
            provenance=Provenance.MEASURED_PRORATED if own else self.provenance,
            reason=f"a share of {part:.3g} of {of}",
            shared=self.shared,
        )

    def scaled(self, factor: float) -> "Reading":
        """Return the reading times ``factor``; a missing one stays missing."""
        return self if self.value is None else replace(self, value=self.value * factor)

    @classmethod
    def missing(cls, reason: str) -> "Reading":
        """Return a reading that was not taken, with the reason."""
        return cls(value=None, provenance=Provenance.UNAVAILABLE, reason=reason)

    @classmethod
    def from_json(cls, data: dict[str, object]) -> "Reading":
        """Rebuild a reading from its JSON form."""
        value = data["value"]
        return cls(
            value=None if value is None else float(str(value)),
            provenance=Provenance(str(data["provenance"])),
            reason=None if data.get("reason") is None else str(data["reason"]),
            shared=bool(data.get("shared", False)),
        )

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        return {**asdict(self), "provenance": self.provenance.value}
