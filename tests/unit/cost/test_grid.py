"""Carbon intensity: known places, and none silently taken for another."""

import pytest

from scaling.cost.grid import find_intensity, given_intensity
from scaling.errors import UsageError


@pytest.mark.parametrize(
    ("region", "g_per_kwh", "place"),
    [
        ("FRA", 56.0, "France"),
        ("germany", 381, "Germany"),
        ("USA/virginia", 244.8, "Virginia, USA"),
        ("usa-virginia", 244.8, "Virginia, USA"),
        ("virginia", 244.8, "Virginia, USA"),
        ("CAN/quebec", 3.94, "Quebec, CAN"),
        ("guizhou", 568.3, "Guizhou, CHN"),
        ("gcp/us-central1", 430, "Google Cloud us-central1, United States"),
    ],
)
def test_known_places(region, g_per_kwh, place):
    got = find_intensity(region)
    assert got.g_per_kwh == pytest.approx(g_per_kwh, rel=0.02)
    assert got.place.split(",")[0] == place.split(",")[0]
    assert "codecarbon 3." in got.source
    assert got.basis


def test_year_is_given_where_the_data_has_it():
    assert find_intensity("FRA").year in {2022, 2023, 2024, 2025}
    assert find_intensity("SWE/SE3").year == 2025
    assert find_intensity("us-central1").year is None


@pytest.mark.parametrize("region", ["Atlantis", "aws/us-east-1", "USA/bavaria", "", "world"])
def test_unknown_place_is_an_error_never_an_average(region):
    with pytest.raises(UsageError) as caught:
        find_intensity(region)
    assert caught.value.code == "grid.unknown_place"
    assert "--intensity" in caught.value.hint


def test_nearest_names():
    with pytest.raises(UsageError, match="DEU"):
        find_intensity("Grmany")


def test_ambiguous_name_lists_the_choices():
    with pytest.raises(UsageError) as caught:
        find_intensity("georgia")
    assert "GEO" in caught.value.hint
    assert "USA/georgia" in caught.value.hint


def test_given_intensity():
    assert given_intensity(0).g_per_kwh == 0
    with pytest.raises(UsageError):
        given_intensity(-1)
