import json

import pytest
from ruamel.yaml import YAML

pytestmark = pytest.mark.slow


def test_the_design_prints_a_block_to_paste(scaling):
    done = scaling("plan", "--design", "--budget", "1e17", "--target", "1e19")
    assert done.code == 0
    block = YAML(typ="safe").load(done.out)  # the figures above the block are comments
    assert block["trials"][0]["ladder"]["seeds"] == [0]
    assert "a uniform grid of the same cost" in done.out


def test_the_design_as_json_keeps_to_the_budget(scaling):
    done = scaling("plan", "--design", "--budget", "1e17", "--target", "1e19", "--json")
    plan = json.loads(done.out)
    assert sum(cell["flops_6nd"] for cell in plan["cells"]) == pytest.approx(1e17)
    assert plan["precision"]["a_width"] < plan["uniform_grid"]["precision"]["a_width"]
    assert plan["flops_convention"] == "6ND"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--budget", "1e17"), "--target"),
        (("--budget", "x", "--target", "1e19"), "not a count"),
        (("--budget", "1e19", "--target", "1e17"), "no smaller"),
        (("--budget", "1e17", "--target", "1e19", "--noise", "0"), "above zero"),
    ],
)
def test_a_wrong_design_is_refused(scaling, arguments, said):
    done = scaling("plan", "--design", *arguments)
    assert done.code == 2
    assert said in done.err


def test_a_budget_that_buys_nothing_is_too_little_data(scaling):
    assert scaling("plan", "--design", "--budget", "1e6", "--target", "1e19").code == 4
