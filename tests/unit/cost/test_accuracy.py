"""The estimate scored on the published runs that ship with it; the accuracy promised is held here."""

import math

import pytest

from scaling.cost.accuracy import Scored, score, score_rows, scores
from scaling.cost.factors import Range
from scaling.cost.published import published_runs


def run(published, low, mid, high):
    span = Range(low=low, mid=mid, high=high)
    return Scored(model="x", published_kwh=published, predicted_kwh=span, measured=True)


@pytest.fixture(scope="module")
def rows():
    return score_rows(published_runs())


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


def test_reaches_the_accuracy_it_promises(rows):
    """MFU .35 x rated power has a median factor of 1.40 on a larger table of such runs, .40 x 0.8 of it 1.68."""
    got = scores(rows)
    assert got["all"].runs >= 20
    assert got["all"].median_log_error <= math.log(1.3)
    assert got["all"].within_2x >= 0.85
    assert 0.70 <= got["all"].coverage <= 0.90
    assert got["all"].median_width <= 5
    assert got["measured power"].median_log_error <= math.log(1.3)
    assert got["measured power"].runs + got["rated or assumed power"].runs == got["all"].runs


def test_gpt3_row(rows):
    row = next(r for r in rows if r.model == "GPT-3-175B")
    assert row.covered
    assert row.log_error < math.log(1.3)
    assert row.measured


def test_no_run_that_is_scored_sets_a_rule(rows):
    from scaling.cost.utilisation import evidence

    assert not {row.model for row in rows} & {e.model for e in evidence()}
