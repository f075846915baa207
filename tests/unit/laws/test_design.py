import numpy as np
import pytest

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.design import PRIOR, Cell, expected_precision, log_slope, plan_warnings, simulate
from scaling.laws.forms import SURFACE, loss_at
from scaling.laws.propose import laws_around, propose, uniform_grid
from scaling.spec.schema import TrialBlock


@pytest.fixture(scope="module")
def proposal():
    return propose(1e17, 1e19)


def ladder(sizes, horizons, seeds=1):
    return tuple(Cell(float(n), tuple(float(d) for d in horizons), seeds) for n in sizes)


def test_slopes_agree_with_finite_differences():
    n, d = np.array([1e7, 1e9]), np.array([1e9, 3e10])
    theta = np.array([PRIOR["E"], np.log(PRIOR["A"]), PRIOR["alpha"], np.log(PRIOR["B"]), PRIOR["beta"]])

    def log_loss(t):
        law = {"E": t[0], "A": np.exp(t[1]), "alpha": t[2], "B": np.exp(t[3]), "beta": t[4]}
        return np.log(loss_at(law, SURFACE, N=n, D=d))

    for j, step in enumerate(1e-6 * np.eye(5)):
        numeric = (log_loss(theta + step) - log_loss(theta - step)) / 2e-6
        assert log_slope(PRIOR, n, d)[:, j] == pytest.approx(numeric, rel=1e-5)


def test_expected_widths_are_those_of_made_up_studies():
    cells = ladder(np.geomspace(1e6, 1e9, 8), np.geomspace(1e8, 1e11, 7), seeds=2)
    expected = expected_precision(cells, 1e22, noise=0.001)
    seen = simulate(cells, 1e22, noise=0.001, studies=400)
    assert seen.a_width == pytest.approx(expected.a_width, rel=0.15)
    assert seen.loss_width == pytest.approx(expected.loss_width, rel=0.15)


def test_widths_shrink_with_noise_and_with_seeds():
    sizes, horizons = np.geomspace(1e6, 1e8, 6), np.geomspace(1e8, 1e10, 5)
    one, four = (expected_precision(ladder(sizes, horizons, seeds), 1e20) for seeds in (1, 4))
    quiet = expected_precision(ladder(sizes, horizons), 1e20, noise=0.0015)
    assert four.a_width == pytest.approx(one.a_width / 2)
    assert quiet.loss_width == pytest.approx(one.loss_width / 2)
    assert four.flops == pytest.approx(4 * one.flops)


def test_correlated_horizons_teach_less():
    cells = ladder(np.geomspace(1e6, 1e8, 6), np.geomspace(1e8, 1e10, 5))
    alone, shared = (expected_precision(cells, 1e20, trunk_share=share) for share in (0.0, 0.7))
    assert shared.loss_width > alone.loss_width


def test_a_fixed_ratio_is_warned_of_and_wide():
    sizes = np.geomspace(1e6, 1e9, 8)
    fixed = tuple(Cell(float(n), (20 * float(n),), 2) for n in sizes)
    spread = tuple(Cell(float(n), (5 * float(n), 80 * float(n)), 2) for n in sizes)
    poor, sound = (expected_precision(cells, 1e22) for cells in (fixed, spread))
    assert any("nearly one ratio" in w for w in poor.warnings)
    assert not any("nearly one ratio" in w for w in sound.warnings)
    assert poor.a_width is None or poor.a_width > 10 * sound.a_width


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (ladder([1e6, 1e7, 1e8], [1e8, 1e9, 1e10]), "3 sizes"),
        (ladder(np.linspace(1e6, 2e6, 6), [1e7, 1e8]), "less than 1 decade"),
        (ladder(np.geomspace(1e6, 1e8, 6), [1e12, 1e13]), "too small for its compute"),
        (ladder(np.geomspace(1e9, 1e11, 6), [1e6, 1e8]), "too large for its compute"),
        (ladder(np.geomspace(1e6, 1e8, 6), [1e8, 1e9]), "no size has a second seed"),
    ],
)
def test_weak_plans_are_warned_of(cells, said):
    assert any(said in warning for warning in plan_warnings(cells))


def test_two_points_identify_nothing():
    found = expected_precision(ladder([1e6, 1e7], [1e8]), 1e20)
    assert found.a_width is None
    assert "cannot tell" in found.reason


def test_the_proposal_keeps_to_the_budget_and_is_sound(proposal):
    assert sum(cell.flops for cell in proposal.cells) == pytest.approx(1e17)
    assert sum(cell.flops for cell in proposal.uniform) == pytest.approx(1e17)
    assert proposal.precision.warnings == ()


def test_the_proposal_beats_the_grid_in_simulation_also_under_wrong_priors(proposal):
    for law in laws_around(PRIOR):
        ours, grid = (simulate(cells, 1e19, law, studies=40) for cells in (proposal.cells, uniform_grid(1e17)))
        assert ours.a_width < 0.5 * grid.a_width
        assert ours.loss_width < 0.9 * grid.loss_width


def test_the_yaml_is_a_trials_block_of_the_schema(proposal):
    from ruamel.yaml import YAML

    blocks = [TrialBlock.model_validate(item) for item in YAML(typ="safe").load(proposal.yaml)["trials"]]
    assert blocks[0].ladder.seeds == [0]
    assert len(blocks[0].ladder.sizes) == len(proposal.cells)
    assert blocks[0].ladder.sizes[-1] == pytest.approx(proposal.cells[-1].params, rel=0.01)
    assert len(blocks[0].ladder.horizons) == len(proposal.cells[0].horizons)


def test_absurd_budgets_are_refused():
    with pytest.raises(UsageError):
        propose(1e19, 1e17)
    with pytest.raises(NotEnoughData, match="buy no ladder"):
        propose(1e6, 1e17)
