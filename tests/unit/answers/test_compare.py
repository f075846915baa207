"""Studies with known laws, compared: who is ahead, what differs, and what may not be compared."""

import dataclasses
from functools import cache
from types import SimpleNamespace

import pytest
from support.stored import make_spec
from support.synthetic_sweep import TRUTH, sweep_points, true_loss

from scaling.answers import Side, analyse_store, compare, law_of, setup_of
from scaling.store import Store
from scaling.store.imported import Imported

pytestmark = pytest.mark.slow

LAWS = {"plain": TRUTH, "better": {**TRUTH, "A": 20.0, "B": 600.0}, "steeper": {**TRUTH, "alpha": 0.6, "A": 250.0}}
CONVENTIONS = {"params_total": "as made up", "flops": "as made up", "loss_unit": "nats", "points": "all"}


@cache
def side(name, law, seed=0, validation="v1", data="corpus", flops="as made up"):
    truth = LAWS[law]
    points = sweep_points(noise=0.002, rng_seed=seed, loss=lambda n, d: true_loss(n, d, truth))
    points = points.assign(validation_fingerprint=validation, data_fingerprint=data)
    origin = {
        "name": name,
        "source": {"file": name},
        "mapping": {},
        "conventions": {**CONVENTIONS, "flops": flops},
        "notes": [],
        "problems": [],
    }
    store = Store.of_imported(name, Imported.of(points, origin), ())
    analysis = analyse_store(store, resamples=80, seed=seed)
    return Side(name=name, setup=setup_of(store, analysis), analysis=analysis, law=law_of(store, analysis))


def pair(*sides, **options):
    (found,) = compare(sides, **options).pairs
    return found


def exponents(found, law="L(N,D)"):
    return {d.parameter: d for d in found.differences if d.law == law}


def test_the_lower_law_is_ahead_at_every_compute():
    found = pair(side("a", "plain"), side("b", "better", 1))
    assert [span.ahead for span in found.spans] == ["b"]
    assert found.spans[0].to_flops == pytest.approx(100 * found.fitted_to)
    assert found.verdict.startswith("b is ahead from")
    assert "beyond it this is extrapolated" in found.verdict


def test_of_two_like_studies_none_is_ahead_and_no_exponent_differs():
    found = pair(side("a", "plain"), side("b", "plain", 1))
    assert [span.ahead for span in found.spans] == [None]
    assert "none is ahead up to" in found.verdict
    assert set(exponents(found)) == {"alpha", "beta", "a"}
    assert not any(d.differ for d in exponents(found).values())


def test_laws_that_cross_change_places_and_their_exponents_differ():
    found = pair(side("a", "plain"), side("b", "steeper", 1))
    leaders = [span.ahead for span in found.spans]
    assert (leaders[0], leaders[-1]) == ("a", "b")
    alpha = exponents(found)["alpha"]
    assert alpha.differ
    assert alpha.difference.low < 0.38 - 0.6 < alpha.difference.high


def test_neither_losses_nor_exponents_on_different_text_are_compared():
    found = pair(side("a", "plain"), side("b", "better", 1, "v2"), same_validation=True)
    assert (found.spans, found.differences) == ((), ())
    assert "different validation sets" in found.verdict
    assert found.why_no_differences == found.verdict


@pytest.mark.parametrize(
    ("what", "said"), [({"unit": "nats per image"}, "nats per image"), ({"params": "active"}, "active")]
)
def test_exponents_of_another_unit_or_count_of_parameters_are_never_compared(what, said):
    found = pair(side("a", "plain"), dataclasses.replace(side("b", "better", 1), **what))
    assert found.differences == ()
    assert said in found.why_no_differences
    assert found.spans


def test_where_the_text_is_unknown_the_user_may_give_their_word():
    sides = side("a", "plain", validation=None), side("b", "better", 1, validation=None)
    assert pair(*sides).spans == ()
    assert "--same-validation" in pair(*sides).verdict
    assert [span.ahead for span in pair(*sides, same_validation=True).spans] == ["b"]


def test_studies_that_count_flops_differently_are_compared_by_6nd():
    same = pair(side("a", "plain"), side("b", "better", 1))
    found = pair(side("a", "plain"), side("b", "better", 1, flops="another way"))
    assert same.flops_convention == "as made up"
    assert found.flops_convention.startswith("6ND")
    assert found.fitted_to != same.fitted_to


def test_what_differs_in_the_set_up_is_told_apart_from_what_is_the_same():
    found = compare([side("a", "plain"), side("b", "plain", 1, data="other")])
    assert dict(found.differing) == {"training data": ("corpus", "other")}
    assert {"validation set", "range of N", "trials", "annealing"} <= set(found.same)


def test_a_study_does_not_differ_from_itself():
    found = pair(side("a", "plain"), side("a", "plain"))
    assert [span.ahead for span in found.spans] == [None]
    assert all(d.difference.value == 0 and not d.differ for d in found.differences)


def test_every_two_of_three_are_compared():
    found = compare([side("a", "plain"), side("b", "plain", 1), side("b", "plain", 1)])
    assert [(p.left, p.right) for p in found.pairs] == [("a", "b"), ("a", "b"), ("b", "b")]


def test_the_recipe_of_a_sweep_is_part_of_its_set_up():
    records = [SimpleNamespace(spec=make_spec(seed=seed), orphaned=seed == 2) for seed in range(3)]
    slow = make_spec().model_copy(update={"train": make_spec().train.model_copy(update={"batch_tokens": 64})})
    other = [SimpleNamespace(spec=slow, orphaned=False)]
    points, analysis = sweep_points().assign(objective="next token"), side("a", "plain").analysis
    studies = [
        Side(
            name=name,
            setup=setup_of(SimpleNamespace(points=lambda: points, records=tuple(rows)), analysis),
            analysis=analysis,
            law=None,
        )
        for name, rows in (("a", records), ("b", other))
    ]
    found = compare(studies)
    assert dict(found.differing) == {"batch_tokens": ("100", "64")}
    assert {"optimizer", "lr hidden", "context", "tokenizer", "trainer version"} <= set(found.same)
    assert "no L(N,D)" in found.pairs[0].verdict


def test_what_no_side_tells_is_not_called_the_same():
    sides = [
        dataclasses.replace(side(name, "plain"), setup={"training data": (), "annealing": ("average",)})
        for name in "ab"
    ]
    found = compare(sides)
    assert (found.same, found.untold, dict(found.differing)) == (("annealing",), ("training data",), {})
