"""compare, as a user calls it."""

import json
from pathlib import Path

import pytest
from support.synthetic_sweep import sweep_points

from scaling.cli.compare import distinct_names

pytestmark = pytest.mark.slow


@pytest.fixture
def table(scaling):
    """Return a writer of studies as tables."""

    def write(name, shift=0.0, data="corpus"):
        points = sweep_points(noise=0.002, rng_seed=len(data), horizons=(2.5e5, 5e5, 1e6, 2e6))
        frame = points[["trial", "params_total", "tokens", "loss_nats"]]
        frame.assign(dataset=data, loss_nats=frame["loss_nats"] + shift).to_csv(name, index=False)
        return name

    return write


def test_people_read_both_columns_the_exponents_and_the_verdict(scaling, table):
    studies = table("a.csv"), table("b.csv", 0.5, "other")
    result = scaling("compare", *studies, "--resamples", "60", "--same-validation")
    assert result.code == 0, result.err
    for text in ("a: [", "b: [", "L(N,D) = ", "training data", "corpus", "other", "alpha", "a is ahead"):
        assert text in result.out


def test_json_is_one_document_without_draws(scaling, table):
    result = scaling("compare", table("a.csv"), "a.csv", "--resamples", "40", "--json")
    document = json.loads(result.out)
    assert [side["name"] for side in document["sides"]] == ["a (1)", "a (2)"]
    assert document["differing"] == {}
    assert [side["finding"]["id"] for side in document["sides"]] == ["power_law", "power_law"]
    assert document["pairs"][0]["spans"] == []
    assert "--same-validation" in document["pairs"][0]["verdict"]
    assert "draws" not in document["sides"][0]["fits"]["L(N,D)"]


def test_one_study_alone_is_a_usage_error(scaling, table):
    result = scaling("compare", table("a.csv"))
    assert result.code == 2
    assert "nothing to be compared with" in result.err


def test_names_are_the_shortest_ends_that_tell_paths_apart(tmp_path):
    assert distinct_names([Path("x/runs/a"), Path("x/runs/b")]) == ["a", "b"]
    assert distinct_names([Path("x/a"), Path("y/a")]) == ["x/a", "y/a"]
    assert distinct_names([Path("x/a"), Path("x/a")]) == ["a (1)", "a (2)"]
