"""The kinds of value that a sweep file holds, and the base of its parts."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from scaling.units import Horizon, parse_count, parse_duration_s, parse_energy_j, parse_horizon


def _count(value: object) -> object:
    if not isinstance(value, str) or _is_number(value):
        return value  # "4" in quotes is text and stays wrong; 4k and 2e18 are counts
    return parse_count(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(value: object) -> object:
    number = _count(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number


def _duration(value: object) -> object:
    return parse_duration_s(value) if isinstance(value, str) else value


def _energy(value: object) -> object:
    return parse_energy_j(value) if isinstance(value, str) else value


def _horizon(value: object) -> object:
    return parse_horizon(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


Count = Annotated[float, BeforeValidator(_count, json_schema_input_type=float | str), Field(gt=0)]
Whole = Annotated[int, BeforeValidator(_whole, json_schema_input_type=int | str), Field(gt=0)]
Seconds = Annotated[float, BeforeValidator(_duration, json_schema_input_type=float | str), Field(gt=0)]
Joules = Annotated[float, BeforeValidator(_energy, json_schema_input_type=float | str), Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
HorizonText = Annotated[
    Horizon,
    BeforeValidator(_horizon, json_schema_input_type=float | str),
    PlainSerializer(str, return_type=str),
]


class Part(BaseModel):
    """Frozen, strict, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
