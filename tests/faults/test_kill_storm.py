"""Thirty random kills; ``benchmarks/kill_storm.py --kills 1000`` is the same by hand."""

import time

import pytest
from support.storm import Storm


@pytest.mark.slow
@pytest.mark.fault(
    "30 random kills of runners, supervisors and trials",
    "one result per trial, the unbroken table, at most one checkpoint interval repeated",
)
def test_a_storm_of_kills_loses_nothing_and_repeats_only_what_was_not_saved(tmp_path):
    seed = time.time_ns()
    print("seed:", seed)  # shown when the test fails
    tally = Storm(tmp_path / "läufe", seed).run(30)
    assert tally.faults == []
    assert tally.total >= 30
    assert min(tally.kills.values()) > 0
