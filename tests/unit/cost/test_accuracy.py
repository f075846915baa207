"""The estimate scored on published runs; the table lies beside the repository and is not part of it."""

import math
from pathlib import Path

import pytest

from scaling.cost.accuracy import Scored, accuracy, score, score_rows
from scaling.cost.factors import Range

TABLE = Path(__file__).parents[4] / "shared" / "data" / "published_runs.csv"
needs_table = pytest.mark.skipif(not TABLE.is_file(), reason="no table of published runs beside the repository")


def run(published, low, mid, high):
    span = Range(low=low, mid=mid, high=high)
    return Scored(model="x", published_kwh=published, predicted_kwh=span, measured=True)


def test_score_counts():
    got = score([run(10, 5, 10, 20), run(10, 11, 22, 44), run(10, 1, 5, 9)])
    assert got.runs == 3
    assert got.median_log_error == pytest.approx(math.log(2))
    assert got.within_2x == pytest.approx(2 / 3)
    assert got.coverage == pytest.approx(1 / 3)
    assert got.median_width == 4


def test_no_runs_is_a_mistake():
    with pytest.raises(ValueError, match="no runs"):
        score([])


@needs_table
def test_beats_the_naive_rules():
    """MFU .35 x rated power has a median factor of 1.40 on the full table, MFU .40 x 0.8 of it 1.68."""
    scores = accuracy(TABLE)
    for name, got in scores.items():
        print(
            f"{name}: {got.runs} runs, median factor {math.exp(got.median_log_error):.2f}, "
            f"within 2x {got.within_2x:.0%}, in the interval {got.coverage:.0%}, "
            f"median width {got.median_width:.1f}x"
        )
    assert scores["all"].runs >= 20
    assert scores["all"].median_log_error < math.log(1.35)
    assert 0.70 <= scores["all"].coverage <= 0.95
    assert scores["all"].median_width < 5


@needs_table
def test_gpt3_row():
    row = next(r for r in score_rows(TABLE) if r.model == "GPT-3-175B")
    assert row.covered
    assert row.log_error < math.log(1.3)
    assert row.measured
