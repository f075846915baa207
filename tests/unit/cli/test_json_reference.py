"""The documents on stdout and the reference of them say the same."""

import json
import re
from pathlib import Path

import pytest
from support.synthetic_sweep import sweep_points

pytestmark = pytest.mark.slow

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "json.md"
# Keys that are data, not names: law, parameter, part, key of the set-up, field. Numbers of a finding are its own.
OPEN = {"fits", "params", "profile", "missing", "setup", "differing", "mapping"}


def names(value, found):
    """Collect every key of a document except those that are data."""
    if isinstance(value, list):
        for item in value:
            names(item, found)
    elif isinstance(value, dict):
        for key, inner in value.items():
            found.add(key)
            if key == "numbers":
                continue
            is_open = key in OPEN and isinstance(inner, dict)
            for item in inner.values() if is_open else [inner]:
                names(item, found)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "a.csv"),
        ("fit", "a.csv", "--form", "joint"),
        ("predict", "a.csv", "--flops", "1e12"),
        ("compare", "a.csv", "a.csv", "--same-validation"),
        ("import", "a.csv", "--out", "runs/a"),
    ],
    ids=lambda arguments: arguments[0] + arguments[-1].replace("a.csv", ""),
)
def test_every_key_of_a_document_is_in_the_reference(scaling, arguments):
    points = sweep_points(horizons=(2.5e5, 5e5, 1e6, 2e6), seeds=lambda n: 1)
    points[["trial", "params_total", "tokens", "loss_nats"]].to_csv("a.csv", index=False)
    sparing = () if arguments[0] == "import" else ("--resamples", "40")
    result = scaling(*arguments, *sparing, "--json")
    assert result.code == 0, result.err
    told = set(re.findall(r"`([a-zA-Z_0-9]+)`", REFERENCE.read_text()))
    told |= {"value", "low", "high"}
    conventions = {"params_total", "flops", "loss_unit", "points"}
    assert names(json.loads(result.out), set()) - told - conventions == set()
