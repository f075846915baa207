"""A share of a reading says what it is a share of, and is never better than what was read."""

import pytest

from scaling.provenance import Provenance, Reading


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        (Provenance.MEASURED_COUNTER, Provenance.MEASURED_PRORATED),
        (Provenance.MEASURED_RAPL, Provenance.MEASURED_PRORATED),
        (Provenance.SAMPLED_POWER, Provenance.SAMPLED_POWER),
        (Provenance.MODELLED_LOAD, Provenance.MODELLED_LOAD),
    ],
)
def test_a_share_is_prorated_and_flagged(whole, part):
    shared = Reading(value=120.0, provenance=whole, shared=True).share(0.25, "a group of 4 trials")
    assert (shared.value, shared.provenance, shared.shared) == (30.0, part, True)
    assert shared.reason == "a share of 0.25 of a group of 4 trials"


def test_a_share_of_nothing_stays_missing():
    missing = Reading.missing("no counter")
    assert missing.share(0.5, "a group of 2 trials") is missing
