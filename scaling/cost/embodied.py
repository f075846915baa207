"""Carbon of making the devices, as the share that a run uses up. Apart from operation, and never added to it."""

from scaling.cost.factors import Factor, Range, combine

_G_PER_T = 1e6
_HOURS_PER_YEAR = 8766.0


def embodied_factors() -> tuple[Factor, Factor, Factor]:
    """Return carbon per device, years of service, and the share of them in use."""
    made = Factor(
        name="carbon of one device",
        unit="kg CO2e",
        range=Range(low=150, mid=220, high=320),
        provenance="published",
        source="150 kg a GPU in calculators; 318 kg with its share of the server (scope3); BLOOM 11.2 t for 384 GPUs "
        "over 118 days (2211.02001)",
    )
    years = Factor(
        name="years of service",
        unit="years",
        range=Range(low=3, mid=4, high=6),
        provenance="default",
        source="four years; 2211.02001 takes six",
    )
    busy = Factor(
        name="share in use",
        unit="",
        range=Range(low=0.5, mid=0.75, high=0.9),
        provenance="default",
        source="share of those hours with work to do; 0.85 in 2211.02001",
    )
    return made, years, busy


def embodied_t(gpu_hours: Range) -> Range:
    """Return tonnes CO2e of device making that fall to so many device-hours."""
    made, years, busy = embodied_factors()
    hours = Factor(name="device-hours", unit="h", range=gpu_hours, provenance="derived", source="of this estimate")
    return combine([hours, made], [years, busy]).scaled(1000 / _HOURS_PER_YEAR / _G_PER_T)
