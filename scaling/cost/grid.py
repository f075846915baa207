"""Carbon intensity of electricity, from codecarbon's offline data. The only module that knows that data.

Location-based averages: what a kilowatt-hour drawn there emits on average over a year; neither marginal nor
market-based. An unknown place is an error here; codecarbon itself would fall back to a country or to a world
average with a log line.
"""

import difflib
import logging
import math
import re
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from scaling.errors import UsageError

_TOOL = "codecarbon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """Grams of CO2 (equivalent) per kilowatt-hour, with where it comes from.

    Attributes:
        g_per_kwh: the figure.
        place: in words, or ``given``.
        year: of the data; ``None`` where the source does not say.
        source: dataset, and the tool that ships it.
        basis: what is counted: life cycle, output CO2e, CO2 only.
    """

    g_per_kwh: float
    place: str
    year: int | None
    source: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    key: str
    names: tuple[str, ...]
    title: str
    country: str
    region: str | None
    cloud: str | None
    year: int | None
    source: str
    basis: str


def given_intensity(g_per_kwh: float) -> Intensity:
    """Return an intensity that the user gave. Raises ``UsageError`` below zero."""
    if not (math.isfinite(g_per_kwh) and g_per_kwh >= 0):
        raise UsageError("grid.bad_intensity", f"--intensity {g_per_kwh:g} is not zero or above")
    return Intensity(g_per_kwh=g_per_kwh, place="given", year=None, source="--intensity", basis="as given")


def find_intensity(region: str) -> Intensity:
    """Return the intensity of a place.

    Args:
        region: a country (``FRA``, ``France``), a part of one (``USA/virginia``, ``CAN/quebec``, ``CHN/guizhou``,
            ``SWE/SE3``) or a Google Cloud region (``gcp/us-central1``). A part alone will do where only one
            place bears the name.

    Raises:
        UsageError: no such place, or several.
    """
    places = _places()
    wanted = _plain(region)
    found = [p for p in places if wanted == _plain(p.key)] or [
        p for p in places if wanted in {_plain(n) for n in p.names}
    ]
    if len(found) == 1:
        return _value(found[0])
    if found:
        keys = " or ".join(f"--region {p.key}" for p in found)
        raise UsageError("grid.ambiguous", f"several places are called {region!r}", hint=f"write {keys}")
    raise _unknown(region, places)


def _unknown(region: str, places: list[_Place]) -> UsageError:
    by_name = {_plain(name): p for p in places for name in (p.key, *p.names)}
    near = difflib.get_close_matches(_plain(region), by_name, n=4, cutoff=0.5)
    keys = list(dict.fromkeys(f"{by_name[n].key} ({by_name[n].title})" for n in near))
    nearest = f"nearest: {', '.join(keys)}; " if keys else ""
    return UsageError(
        "grid.unknown_place",
        f"no carbon intensity is known for {region!r}",
        why="a world average in its place could be off tenfold",
        hint=f"{nearest}write a country code (FRA), USA/virginia, gcp/us-central1, or give --intensity",
    )


def _plain(name: str) -> str:
    """Fold case and punctuation, and read ``USA-virginia`` and ``usa: virginia`` as ``usa/virginia``."""
    folded = re.sub(r"[^a-z0-9/]+", " ", name.lower()).strip()
    return re.sub(r"^([a-z]{3}) ", r"\1/", folded)


def _data() -> Any:  # noqa: ANN401  # codecarbon's classes are untyped
    from codecarbon.input import DataSource

    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    return DataSource()  # type: ignore[no-untyped-call]  # the class has no annotations


def _places() -> list[_Place]:
    data = _data()
    return [*_countries(data), *_states(data), *_provinces(data), *_cloud_regions(data)]


def _countries(data: Any) -> list[_Place]:  # noqa: ANN401
    return [
        _Place(
            key=code,
            names=(str(mix["country_name"]),),
            title=str(mix["country_name"]),
            country=code,
            region=None,
            cloud=None,
            year=int(mix["year"]) if mix.get("year") else None,
            source=f"Our World in Data / Ember, in {_TOOL}",
            basis="life cycle CO2e",
        )
        for code, mix in data.get_global_energy_mix_data().items()
    ]


def _part(country: str, region: str, title: str, year: int, source: str, basis: str) -> _Place:
    return _Place(
        key=f"{country}/{region}",
        names=(region, title),
        title=f"{title.title() if title == region else title}, {country}",
        country=country,
        region=region,
        cloud=None,
        year=year,
        source=f"{source}, in {_TOOL}",
        basis=basis,
    )


def _states(data: Any) -> list[_Place]:  # noqa: ANN401
    usa = data.get_country_emissions_data("usa")
    canada = data.get_country_energy_mix_data("can")
    return [
        *(_part("USA", name, name, 2023, "EPA eGRID", "output CO2e, no upstream") for name in usa if name[0] != "_"),
        *(
            _part("CAN", name, name, 2023, "provincial energy mix", "life cycle CO2e")
            for name in canada
            if name[0] != "_"
        ),
    ]


def _provinces(data: Any) -> list[_Place]:  # noqa: ANN401
    china = data.get_china_provincial_emissions_data()["data"].values()
    nordic = data.get_nordic_country_energy_mix_data()["data"].items()
    country = {"SE": "SWE", "NO": "NOR", "FI": "FIN"}
    return [
        *(
            _part(
                "CHN",
                str(p["names"][0]),
                str(p["description"]),
                int(p["year"]),
                "MEE/NBS provincial factors",
                "CO2 only",
            )
            for p in china
        ),
        *(
            _part(
                country[zone[:2]],
                zone,
                str(z["description"]),
                int(z["year"]),
                "bidding-zone factors",
                "life cycle CO2e",
            )
            for zone, z in nordic
            if zone[:2] in country
        ),
    ]


def _cloud_regions(data: Any) -> list[_Place]:  # noqa: ANN401
    rows = data.get_cloud_emissions_data().to_dict("records")
    return [
        _Place(
            key=f"gcp/{row['region']}",
            names=(str(row["region"]),),
            title=f"Google Cloud {row['region']}, {row['country_name']}",
            country=str(row["countryIsoCode"]),
            region=None,
            cloud=str(row["region"]),
            year=None,
            source=f"Google Cloud region carbon data, in {_TOOL}",
            basis="as Google publishes it",
        )
        for row in rows
        if row["provider"] == "gcp"
    ]


def _value(place: _Place) -> Intensity:
    """Ask codecarbon for one kilowatt-hour's kilograms at a place that is known to be in its data."""
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import CloudMetadata, GeoMetadata

    engine, one = Emissions(_data()), Energy.from_energy(kWh=1)
    geo = GeoMetadata(country_iso_code=place.country, country_name=None, region=place.region)
    if place.cloud is not None:
        kg = engine.get_cloud_emissions(one, CloudMetadata(provider="gcp", region=place.cloud), geo)
    elif place.region is not None:
        kg = engine.get_region_emissions(one, geo)
    else:
        kg = engine.get_country_emissions(one, geo)
    return Intensity(
        g_per_kwh=float(kg) * 1000,
        place=place.title,
        year=place.year,
        source=f"{place.source} {version(_TOOL)}",
        basis=place.basis,
    )
