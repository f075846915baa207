"""What the analysis of a store knows of its points beside size and data."""

from pathlib import Path

import pytest

from scaling.answers.analysed import fitted_points
from scaling.laws import Cuts
from scaling.laws.selection import select
from scaling.store import load

ABLATIONS = Path(__file__).parents[3] / "reports" / "ablations"


@pytest.mark.skipif(not ABLATIONS.exists(), reason="the gallery lies in the repository, not in the package")
def test_trials_that_differ_in_more_than_size_are_told_apart_and_the_most_common_kind_is_fitted():
    points = fitted_points(load(ABLATIONS))
    kinds = points.groupby("variant")["trial"].nunique()
    assert sorted(kinds) == [3, 3, 3, 18]  # three other kinds of position; widths and depths are sizes
    parted = select(points, Cuts())
    assert parted.used["variant"].unique().tolist() == [kinds.idxmax()]
    assert set(parted.left_out["variant"]) == set(kinds.index) - {kinds.idxmax()}
