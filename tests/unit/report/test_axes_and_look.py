import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.report.axes import energy_axis, log_axis, plain, power_of_ten, span, ticks
from scaling.report.look import Look, legend, luminance


@given(st.floats(1e-12, 1e18), st.floats(1.02, 1e12))
def test_ticks_lie_inside_the_axis_and_rise(low, ratio):
    high = low * ratio
    found = ticks(low, high)
    assert all(low * (1 - 1e-9) <= v <= high * (1 + 1e-9) for v in found)
    assert found == sorted(set(found))
    assert len(found) <= 16
    if ratio > 1.5:
        assert len(found) >= 2


@given(st.floats(1e-9, 1e15), st.floats(1.05, 1e9))
def test_ticks_are_round_numbers(low, ratio):
    for value in ticks(low, low * ratio):
        mantissa = value / 10 ** math.floor(math.log10(value) + 1e-12)
        assert math.isclose(mantissa * 100, round(mantissa * 100), rel_tol=1e-6), value


def test_energy_has_ticks_that_are_round_in_what_they_are_shown_in():
    large = energy_axis("GPU energy", [5.8e8, 2.3e10])
    assert large["ticktext"] == ["200 kWh", "500 kWh", "1 MWh", "2 MWh", "5 MWh"]
    assert large["tickvals"][0] == pytest.approx(200 * 3.6e6)
    assert 10 ** large["range"][0] < 5.8e8 < 2.3e10 < 10 ** large["range"][1]
    assert energy_axis("", [3.0, 40.0])["ticktext"] == ["3 J", "5 J", "7 J", "10 J", "20 J", "30 J"]


def test_log_axis_labels_are_where_they_say():
    axis = log_axis("Parameters", [3600, 246_000])
    assert axis["ticktext"] == ["5k", "10k", "20k", "50k", "100k", "200k"]
    assert axis["tickvals"] == [5e3, 1e4, 2e4, 5e4, 1e5, 2e5]
    assert 10 ** axis["range"][0] < 3600 < 246_000 < 10 ** axis["range"][1]


def test_powers_of_ten_and_plain_numbers():
    assert power_of_ten(1e12) == "10¹²"
    assert power_of_ten(3e-10) == "3×10⁻¹⁰"
    assert [plain(v) for v in (0.05, 1.25, 3000, 2e4)] == ["0.05", "1.25", "3000", "2×10⁴"]


def test_span_of_nothing_is_still_an_axis():
    low, high = span([])
    assert 0 < low < high
    assert span([0, float("nan"), 4.0])[0] < 4.0


def test_a_size_looks_the_same_from_every_frame():
    trials, points = pd.DataFrame({"params_total": [10, 1000, 100]}), pd.DataFrame({"params_total": [100, 1000]})
    look = Look.of(trials, points)
    assert look.sizes == (10, 100, 1000)
    assert look.size(100, "x") == Look.of(trials).size(100.0, "x")
    assert len({look.size(n).colour for n in look.sizes}) == len({look.size(n).symbol for n in look.sizes}) == 3


@pytest.mark.parametrize(("dark", "page"), [(False, 0.95), (True, 0.01)])
def test_every_size_stands_out_from_the_page(dark, page):
    css = Look(tuple(range(1, 13))).css(dark)
    for part in css.split(";")[:-1]:
        colour = part.split("#")[1]
        rgb = tuple(int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4))
        high, low = sorted((luminance(rgb), page), reverse=True)
        assert (high + 0.05) / (low + 0.05) > 2.9


def test_legend_keeps_order_and_drops_repeats():
    look = Look((1, 2))
    assert legend([look.size(2, "b"), look.size(1, "a"), look.size(2, "b")]) == (look.size(2, "b"), look.size(1, "a"))
