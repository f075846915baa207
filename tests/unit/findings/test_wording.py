"""A finding names what its family measures: a distance is no loss."""

import pandas as pd
import pytest

from scaling.families import FAMILIES
from scaling.findings import _naming
from scaling.laws.selection import quantity_of


@pytest.mark.parametrize(("family", "word"), [("gpt", "loss"), ("gan", "distance"), ("jepa", "unexplained share")])
def test_the_quantity_of_a_family(family, word):
    assert quantity_of(pd.DataFrame({"family": [family, family]})) == word
    assert FAMILIES[family].quantity == word


def test_what_is_not_known_is_called_a_loss():
    assert quantity_of(pd.DataFrame({"loss_nats": [1.0]})) == "loss"
    assert quantity_of(pd.DataFrame({"family": ["somebody's"]})) == "loss"
    assert quantity_of(pd.DataFrame({"family": ["gan", "jepa"]})) == "loss"


def test_only_the_word_is_replaced():
    text = "The loss falls; losses of a lossless run are glossed over."
    assert _naming("loss", text) == text
    assert _naming("distance", text) == "The distance falls; distances of a lossless run are glossed over."
