"""The JSON document of ``scaling estimate``."""

from scaling.cost.estimate import Estimate
from scaling.cost.factors import COVERAGE, METHOD, Range

SCHEMA = 2  # version of the JSON document


def to_json(answer: Estimate) -> dict[str, object]:
    """Return the document: figures in kWh, tonnes, hours and bytes, what is missing with its reason."""
    card, held = answer.request.card, answer.memory
    return {
        "schema": SCHEMA,
        "interval": {"coverage": COVERAGE, "method": METHOD},
        "accelerator": None if card is None else card.name,
        "count": answer.request.count,
        "calibrated_on": _calibrated_json(answer),
        "gpu_hours": _or_null(answer.gpu_hours),
        "days": _or_null(answer.days),
        "energy_gpu_kwh": answer.energy_gpu_kwh.to_json(),
        "energy_site_kwh": answer.energy_site_kwh.to_json(),
        "carbon": _carbon_json(answer),
        "cost": {"electricity": _or_null(answer.electricity_cost), "rental": _or_null(answer.rental_cost)},
        "memory_bytes": None if held is None else held.to_json(),
        "devices_at_least": None if held is None else held.devices,
        "stages": [stage.to_json() for stage in answer.stages],
        "tornado": [swing.to_json() for swing in answer.tornado],
        "assumptions": [factor.to_json() for factor in answer.assumptions],
        "warnings": list(answer.warnings),
        "missing": dict(answer.missing),
    }


def _or_null(value: Range | None) -> dict[str, float] | None:
    return None if value is None else value.to_json()


def _calibrated_json(answer: Estimate) -> dict[str, object] | None:
    own = answer.request.calibrated
    if own is None:
        return None
    sizes = [
        {
            "params": row.params,
            "j_per_flop": row.j_per_flop,
            "flops_per_s": row.flops_per_s,
            "tokens_per_s": row.tokens_per_s,
            "saturated": row.saturated,
        }
        for row in own.sizes
    ]
    return {"name": own.name, "device": own.device, "plateau_in_sight": own.plateau, "sizes": sizes}


def _carbon_json(answer: Estimate) -> dict[str, object]:
    grid = answer.request.intensity
    embodied = _or_null(answer.embodied_t)
    if answer.carbon_t is None or grid is None:
        return {"tco2e": None, "reason": answer.missing["carbon"], "embodied_tco2e": embodied}
    return {
        "tco2e": answer.carbon_t.to_json(),
        "intensity_g_per_kwh": grid.g_per_kwh,
        "place": grid.place,
        "year": grid.year,
        "source": grid.source,
        "basis": f"location-based average; {grid.basis}",
        "embodied_tco2e": embodied,
    }
