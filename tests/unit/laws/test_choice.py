"""Forms told apart by worlds of known form; held-out error and AICc by hand."""

import dataclasses

import numpy as np
import pytest
from support.synthetic_sweep import sweep_points

from scaling.errors import NotEnoughData
from scaling.laws import analyse, merit
from scaling.laws.analysis import FormRow
from scaling.laws.choice import INTERACTING, JOINT, _verdict, choose_form, interaction_warning
from scaling.laws.forms import SURFACE
from scaling.laws.interaction import interacting_loss
from scaling.laws.joint import joint_loss
from scaling.laws.selection import Cuts, select
from scaling.laws.surface import surface_sample


def chosen(**world):
    return choose_form(select(sweep_points(**world), Cuts()).used)


def test_a_joint_world_is_told_from_sums_of_terms():
    def kaplan(n, d):
        return float(joint_loss(0.3, 0.25, 2e6, 4e8, np.array(n), np.array(d)))

    found = chosen(noise=0.0005, seeds=lambda n: 3, loss=kaplan)
    assert (found.favours, found.decided) == (JOINT, True)
    row = next(r for r in found.rows if r.name == JOINT)
    assert row.params["alpha_N"] == pytest.approx(0.3, rel=0.05)


def test_a_world_of_two_exponents_and_a_floor_beats_every_simpler_form():
    found = chosen(noise=0.0005, seeds=lambda n: 3, loss=lambda n, d: 1.5 + 30 / n**0.3 + 9000 / d**0.7)
    assert (found.favours, found.decided) == ("L(N,D)", True)
    assert "held-out error" in found.why


def test_noise_leaves_the_forms_undecided():
    found = chosen(noise=0.05)
    assert not found.decided


def test_held_out_are_the_trials_of_the_largest_compute():
    used = select(sweep_points(), Cuts()).used
    sample, compute = surface_sample(used), used["flops_train"].to_numpy(dtype=float)
    held = merit.largest(sample, compute)
    assert set(used["params"][held]) == {68_000, 115_000, 246_000}
    assert used["trial"][held].nunique() == round(0.2 * used["trial"].nunique())


def test_on_a_single_trial_its_last_points_are_held_out():
    used = select(sweep_points(sizes=(1e4,), seeds=lambda n: 1), Cuts()).used
    sample = surface_sample(used)
    held = merit.largest(sample, used["tokens"].to_numpy(dtype=float))
    assert np.flatnonzero(held).tolist() == [len(used) - 1]


def test_aicc_is_that_of_the_textbook():
    used = select(sweep_points(), Cuts()).used
    sample = surface_sample(used)
    n, k = used["trial"].nunique(), SURFACE.freedom + 1
    found = merit.aicc(SURFACE, sample)
    variance = np.exp((found - 2 * k - 2 * k * (k + 1) / (n - k - 1)) / n)
    assert np.sqrt(variance) == pytest.approx(0.006, rel=0.35)  # the noise of the made-up sweep
    assert merit.corrected(1e-4, trials=6, free=5) is None
    assert merit.corrected(0.0, trials=50, free=5) is None


@pytest.mark.parametrize(
    ("one", "other", "beats"),
    [((0.01, 0.0), (0.016, -99.0), True), ((0.01, 0.0), (0.012, 5.0), True), ((0.01, 0.0), (0.012, 3.0), False),
     ((None, 0.0), (0.1, 9.0), True), ((None, None), (None, 9.0), False)],
)  # fmt: skip
def test_held_out_error_comes_first_and_aicc_where_it_does_not_decide(one, other, beats):
    assert merit.Merit(*one).beats(merit.Merit(*other)) is beats


def test_too_few_points_have_no_held_out_error():
    used = select(sweep_points(sizes=(1e4, 2e4, 4e4), seeds=lambda n: 1), Cuts()).used
    assert merit.heldout_error(SURFACE, surface_sample(used[used["tokens"] > 2e6]), np.arange(3.0)) is None
    with pytest.raises(NotEnoughData):
        choose_form(used[used["tokens"] > 2e6])


@pytest.mark.slow
def test_an_interaction_of_size_and_data_is_found_and_warned_of():
    def bent(n, d):
        return 1.5 + ((900 / n**0.6) ** 2 + (3e4 / d**0.8) ** 2) ** 0.5

    points = sweep_points(noise=0.0005, seeds=lambda n: 3, loss=bent)
    found = choose_form(select(points, Cuts()).used)
    assert found.favours == INTERACTING
    row = next(r for r in found.rows if r.name == INTERACTING)
    assert row.params["kappa"] == pytest.approx(0.5, rel=0.25)
    assert "interact" in interaction_warning(found)
    assert any("interact" in text for text in analyse(points, resamples=0).fits["L(N,D)"].warnings)


def test_where_they_do_not_interact_nothing_is_warned_of():
    assert interaction_warning(chosen(noise=0.002, seeds=lambda n: 3)) is None


def test_the_larger_law_holds_both_others():
    n, d = np.array([1e4, 1e5]), np.array([1e6, 3e6])
    law = {"E": 0.8, "A": 30.0, "B": 900.0, "alpha": 0.38, "beta": 0.5}
    assert interacting_loss({**law, "kappa": 1.0}, n, d) == pytest.approx(0.8 + 30 / n**0.38 + 900 / d**0.5)
    kaplan = {"E": 0.0, "A": 2e6**0.3, "alpha": 0.3, "B": 4e8**0.25, "beta": 0.25, "kappa": 0.25}
    assert interacting_loss(kaplan, n, d) == pytest.approx(joint_loss(0.3, 0.25, 2e6, 4e8, n, d))


def test_where_each_form_is_beaten_none_is_decided_on():
    row = FormRow(name="L(N,D)", form="", free=5, params={}, heldout_error=0.0634, aicc=-170.0)
    others = (
        ("L(N,D) tied", 0.058, -173.0),
        (INTERACTING, 0.054, -172.0),
        (JOINT, 0.0377, -100.0),
        ("last", 0.05, -160.0),
    )
    rows = [row, *(dataclasses.replace(row, name=n, heldout_error=e, aicc=a) for n, e, a in others)]
    found = _verdict(rows)
    assert not found.decided
    assert found.favours == "L(N,D)"
    assert found.why.startswith("each is beaten by another")
