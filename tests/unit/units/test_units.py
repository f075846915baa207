import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling import units
from scaling.units import Horizon

SUFFIXES = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
positive = st.floats(min_value=1e-12, max_value=1e30)
finite = st.floats(min_value=-1e300, max_value=1e300)


def read_si(text: str) -> float:
    match = re.fullmatch(r"(-?[\d.]+(?:e[+-]?\d+)?)([kMBTPE]?)", text)
    assert match, text
    return float(match.group(1)) * SUFFIXES.get(match.group(2), 1.0)


@pytest.mark.parametrize(
    ("text", "value"),
    [("124M", 124e6), ("1.5B", 1.5e9), ("2e18", 2e18), ("4096", 4096.0), ("1_000k", 1e6), (" 3 T ", 3e12), (7, 7.0)],
)
def test_counts_are_read(text, value):
    assert units.parse_count(text) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("text", ["", "M", "12Q", "1 2", "1e", "--3", "nan", "inf", True, math.nan, 10**400, "1e999"])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(ValueError, match="count"):
        units.parse_count(text)


def test_durations_and_energies_have_units():
    assert units.parse_duration_s("90m") == 5400
    assert units.parse_duration_s("1.5h") == 5400
    assert units.parse_energy_j("1.5kWh") == pytest.approx(5.4e6)
    with pytest.raises(ValueError, match="duration: write a number, optionally with one of s, "):
        units.parse_duration_s("3 weeks")


@pytest.mark.parametrize(
    ("text", "horizon"),
    [
        ("2.26M", Horizon(2.26e6, "tokens")),
        ("3M tokens", Horizon(3e6, "tokens")),
        (1000, Horizon(1000.0, "tokens")),
        ("20x", Horizon(20.0, "tokens_per_param")),
        ("1e15 FLOPs", Horizon(1e15, "flops")),
        ("2P FLOP", Horizon(2e15, "flops")),
    ],
)
def test_horizons_are_read(text, horizon):
    assert units.parse_horizon(text) == horizon


@pytest.mark.parametrize("text", ["x", "max", "0x", "-5", "1e15FLOP/s", "", "tokens"])
def test_what_is_no_horizon_is_refused_whole(text):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        units.parse_horizon(text)


@given(st.builds(Horizon, positive, st.sampled_from(["tokens", "tokens_per_param", "flops"])))
def test_a_horizon_survives_its_text(horizon):
    assert units.parse_horizon(str(horizon)) == horizon


@given(st.text(max_size=12))
def test_a_parser_answers_or_says_value_error(text):
    for parse in (units.parse_count, units.parse_duration_s, units.parse_energy_j, units.parse_horizon):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert math.isfinite(value.amount if isinstance(value, Horizon) else value)


@given(finite.filter(lambda v: abs(v) > 1e-300 or v == 0))
def test_si_text_is_the_number_to_three_digits(value):
    text = units.format_si(value)
    assert read_si(text) == pytest.approx(value, rel=5.001e-3)
    assert len(re.sub(r"e.*|[-.kMBTPE]", "", text).lstrip("0")) <= 3


@given(st.floats(min_value=1e-3, max_value=9.99e20))
def test_si_never_shows_a_thousand_of_a_smaller_unit(value):
    mantissa = re.match(r"[\d.]+", units.format_si(value))
    assert mantissa
    assert float(mantissa.group()) < 1000


@given(positive)
def test_parsed_si_text_formats_the_same_again(value):
    text = units.format_si(value)
    assert units.format_si(units.parse_count(text)) == text


@given(finite)
def test_every_formatter_takes_every_number(value):
    for show in (
        units.format_si,
        units.format_flops,
        units.format_energy,
        units.format_duration,
        units.format_bytes,
    ):
        assert show(value)
        assert show(None) == "missing"


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_shown_as_such(value):
    for show in (
        units.format_si,
        units.format_flops,
        units.format_energy,
        units.format_bytes,
        units.format_duration,
        units.format_mass,
    ):
        assert re.search("inf|nan", show(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.9996e6, "1B"), (0.0, "0"), (1234.0, "1.23k"), (999.4, "999"), (-2.26e6, "-2.26M"), (1e21, "1.00e+21")],
)
def test_si_examples(value, text):
    assert units.format_si(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.2e15, "1.20e15 FLOPs"), (120000.0, "1.20e5 FLOPs"), (0.0, "0 FLOPs"), (0.05, "5.00e-2 FLOPs")],
)
def test_flops_examples(value, text):
    assert units.format_flops(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.99, "1 kJ"), (999.0, "999 J"), (3.6e6, "1 kWh"), (3.5999e6, "1 kWh"), (0.0, "0 J"), (5.4e9, "1.5 MWh")],
)
def test_energy_examples(value, text):
    assert units.format_energy(value) == text


@pytest.mark.parametrize(("grams", "text"), [(0.0, "0 g"), (999.9, "1 kg"), (512, "512 g"), (3.278e6, "3.28 t")])
def test_mass_examples(grams, text):
    assert units.format_mass(grams) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (9.96, "10 s"),
        (59.7, "1 min 00 s"),
        (200.0, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (7500.0, "2 h 05 min"),
        (48 * 3600 - 1.0, "2 days"),
        (4.2 * 86400, "4.2 days"),
    ],
)
def test_duration_examples(seconds, text):
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1023.0, "1023 B"), (2.0**20 - 1, "1 MiB"), (1.5 * 2**30, "1.5 GiB"), (0.0, "0 B")]
)
def test_bytes_examples(value, text):
    assert units.format_bytes(value) == text


def test_an_interval_is_shown_when_there_is_one():
    assert units.format_interval(0.39, 0.36, 0.43) == "0.39 [0.36, 0.43]"
    assert units.format_interval(0.39, None, None) == "0.39"


def test_an_end_that_rounding_keeps_from_zero_reads_zero_and_small_ends_stay():
    assert units.format_interval(0.542, -4.26e-15, 1.04) == "0.542 [0, 1.04]"
    assert units.format_interval(0.5, 2e-9, 1.04) == "0.5 [2.00e-9, 1.04]"
    assert units.format_interval(3e-14, 1e-14, 4e-14) == "3.00e-14 [1.00e-14, 4.00e-14]"
    assert units.format_interval(0.0, 0.0, 0.0) == "0 [0, 0]"
