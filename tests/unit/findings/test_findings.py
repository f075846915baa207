import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from support.ability_frames import SIZES as SIZES_OF_ABILITIES
from support.ability_frames import ability_frame
from support.synthetic_sweep import HORIZONS, SIZES, sweep_points, trials_of

from scaling.findings import RULE, RULES, Grade, findings, fitted
from scaling.findings.case import Case
from scaling.laws import analyse
from scaling.laws.emergence import analyse_abilities

pytestmark = pytest.mark.slow

SUPPORTED, NOT, TOO_LITTLE = Grade.SUPPORTED, Grade.NOT_SUPPORTED, Grade.NOT_ENOUGH_DATA


@pytest.fixture(scope="module")
def points():
    return sweep_points()


@pytest.fixture(scope="module")
def analysis(points):
    return analyse(points, resamples=150)


@pytest.fixture(scope="module")
def nothing(points):
    return analyse(points.iloc[:3], resamples=0)


def judge(name, analysis, points, trials=None, sweep=None, results=()):
    """Return the finding of that name, with what every finding must hold checked."""
    trials = trials_of(points) if trials is None else trials
    found = {f.id: f for f in findings(analysis, points, trials, sweep or {}, results)}
    assert list(found) == list(RULE)
    finding = found[name]
    assert finding.sentence.endswith(".")
    assert "nan" not in finding.sentence.lower().split()
    assert finding.rule == RULE[name].text
    json.dumps(finding.numbers, allow_nan=False)
    return finding


def with_fit(analysis, **changes):
    fit = dataclasses.replace(analysis.fits["L(N,D)"], **changes)
    return dataclasses.replace(analysis, fits={**analysis.fits, "L(N,D)": fit})


# --- the law ---------------------------------------------------------------------------------------------------------


def test_power_law(analysis, nothing, points):
    assert judge("power_law", analysis, points).grade == SUPPORTED
    assert judge("power_law", with_fit(analysis, residual_rms=0.05), points).grade == NOT
    assert judge("power_law", with_fit(analysis, converged=False), points).grade == NOT
    assert judge("power_law", nothing, points).grade == TOO_LITTLE
    assert judge("power_law", with_fit(analysis, n_trials=4), points).grade == TOO_LITTLE


def test_power_law_fails_in_a_world_that_is_none(points):
    bumpy = sweep_points(noise=0.001, loss=lambda n, d: 2 + np.sin(np.log(n)) * 0.3 + 900 / d**0.5)
    assert judge("power_law", analyse(bumpy, resamples=0), bumpy).grade == NOT


def test_seed_noise_widens_what_the_law_may_miss(analysis, points):
    noisy = with_fit(analysis, residual_rms=0.03)
    noisy = dataclasses.replace(
        noisy, seed_noise=tuple(dataclasses.replace(r, std_log=0.02) for r in analysis.seed_noise)
    )
    assert judge("power_law", noisy, points).grade == SUPPORTED


def test_held_out(analysis, nothing, points):
    assert judge("held_out", analysis, points).grade == SUPPORTED
    held = analysis.heldout
    worse = {
        "wrong": dataclasses.replace(held, mean_abs_error=0.03, naive_mean_abs_error=0.2),
        "no better than naive": dataclasses.replace(held, mean_abs_error=0.01, naive_mean_abs_error=0.015),
    }
    for bad in worse.values():
        assert judge("held_out", dataclasses.replace(analysis, heldout=bad), points).grade == NOT
    few = dataclasses.replace(held, rows=held.rows[:2])
    assert judge("held_out", dataclasses.replace(analysis, heldout=few), points).grade == TOO_LITTLE
    assert judge("held_out", nothing, points).grade == TOO_LITTLE


def test_irreducible_loss(analysis, nothing, points):
    near_floor = sweep_points(noise=0.001, loss=lambda n, d: 2.0 + 30 / n**0.5 + 900 / d**0.6)
    assert judge("irreducible_loss", analyse(near_floor, resamples=150), near_floor).grade == SUPPORTED
    finding = judge("irreducible_loss", analysis, points)  # the floor lies far below every loss seen
    assert finding.grade == NOT
    assert "compatible with E from" in finding.sentence
    assert judge("irreducible_loss", nothing, points).grade == TOO_LITTLE
    assert judge("irreducible_loss", analyse(points, resamples=0), points).grade == TOO_LITTLE


def test_a_known_entropy_lies_in_the_interval_or_the_floor_is_not_identified(analysis):
    near_floor = sweep_points(noise=0.001, loss=lambda n, d: 2.0 + 30 / n**0.5 + 900 / d**0.6)
    found = analyse(near_floor, resamples=150)
    low, high = found.fits["L(N,D)"].params["E"].low, found.fits["L(N,D)"].params["E"].high
    inside = judge("irreducible_loss", found, near_floor, sweep={"data": {"entropy_nats": (low + high) / 2}})
    assert inside.grade == SUPPORTED
    assert "lies inside the interval" in inside.sentence
    for truth in (0.99 * low, 1.01 * high):
        missed = judge("irreducible_loss", found, near_floor, sweep={"data": {"entropy_nats": truth}})
        assert missed.grade == NOT
        assert "not identified" in missed.sentence
        assert f"misses the conditional entropy of this made-up language, {truth:.4g}" in missed.sentence
        assert missed.numbers["entropy_nats"] == truth
    pictures = {"entropy_unit": "nats per image", "entropy_se_nats": 0.01, "entropy_nats": 0.0}
    told = {"data": {**pictures, "validation_entropy_nats": (low + high) / 2}}
    assert judge("irreducible_loss", found, near_floor, sweep=told).numbers["entropy_nats"] is None  # of another loss
    per_image = near_floor.assign(loss_unit="nats per image")
    inside = judge("irreducible_loss", found, per_image, sweep=told)
    assert inside.numbers["entropy_nats"] == (low + high) / 2
    assert "loss of the best classifier there is" in inside.sentence


def test_approaches(analysis, nothing, points):
    three = next(a for a in analysis.approaches if a.name == "3 parametric")
    apart = dataclasses.replace(three, name="1 envelope")
    agreeing = dataclasses.replace(analysis, approaches=(apart, three))
    assert judge("approaches", agreeing, points).grade == SUPPORTED
    biased = dataclasses.replace(three, name="2 IsoFLOP", bias=-0.14)
    finding = judge("approaches", dataclasses.replace(analysis, approaches=(biased, three)), points)
    assert finding.grade == NOT
    assert "too low" in finding.sentence
    other = dataclasses.replace(apart, a=dataclasses.replace(three.a, value=0.9, low=0.88, high=0.92))
    assert judge("approaches", dataclasses.replace(analysis, approaches=(other, three)), points).grade == NOT
    assert judge("approaches", dataclasses.replace(analysis, approaches=(three,)), points).grade == TOO_LITTLE
    vague = dataclasses.replace(apart, a=dataclasses.replace(three.a, low=0.0, high=1.04))
    finding = judge("approaches", dataclasses.replace(analysis, approaches=(vague, three)), points)
    assert finding.grade == TOO_LITTLE
    assert "tells nothing" in finding.sentence
    assert judge("approaches", nothing, points).grade == TOO_LITTLE


def test_form(analysis, nothing, points):
    choice = analysis.choice
    decided = dataclasses.replace(choice, decided=True, favours="L(N,D)")
    assert judge("form", dataclasses.replace(analysis, choice=decided), points).grade == SUPPORTED
    open_one = dataclasses.replace(choice, decided=False)
    assert judge("form", dataclasses.replace(analysis, choice=open_one), points).grade == NOT
    assert judge("form", with_fit(analysis, n_trials=7), points).grade == TOO_LITTLE
    assert judge("form", nothing, points).grade == TOO_LITTLE


def test_compute_optimal(analysis, nothing, points):
    finding = judge("compute_optimal", analysis, points)
    assert finding.grade == SUPPORTED
    assert min(SIZES) <= finding.numbers["params"]["value"] <= max(SIZES)
    assert min(HORIZONS) <= finding.numbers["tokens"]["value"] <= max(HORIZONS)
    few_tokens = sweep_points(loss=lambda n, d: 0.8 + 30 / n**0.38 + 90 / d**0.2, horizons=HORIZONS[:3])
    assert judge("compute_optimal", analyse(few_tokens, resamples=150), few_tokens).grade == NOT
    assert judge("compute_optimal", nothing, points).grade == TOO_LITTLE
    assert judge("compute_optimal", with_fit(analysis, n_trials=7), points).grade == TOO_LITTLE


def test_a_split_beyond_the_fitted_compute_is_no_support(analysis, points):
    largest = points["flops_train"].max()
    inside = judge("compute_optimal", analysis, points)
    assert inside.numbers["flops"] <= largest * (1 + 1e-9)
    beyond = tuple(row for row in analysis.frontier if row.flops > largest)
    finding = judge("compute_optimal", dataclasses.replace(analysis, frontier=beyond), points)
    assert finding.grade == NOT
    assert "every split is an extrapolation" in finding.sentence


def test_a_wide_exponent_is_not_supported(analysis, points):
    fit = analysis.fits["L(N,D)"]
    draws = tuple((e, a, b, alpha * (1 + 3 * (i % 2)), beta) for i, (e, a, b, alpha, beta) in enumerate(fit.draws))
    finding = judge("compute_optimal", with_fit(analysis, draws=draws), points)
    assert finding.grade == NOT
    assert "too wide" in finding.sentence


def test_returns(analysis, nothing, points):
    finding = judge("returns", analysis, points)
    assert finding.grade == SUPPORTED
    assert "no knee" in finding.sentence
    flat = sweep_points(noise=0.002, loss=lambda n, d: 2.0 + 3 / n**0.5 + 9 / d**0.5)
    assert judge("returns", analyse(flat, resamples=150), flat).grade == NOT
    noisy = dataclasses.replace(
        analysis, seed_noise=tuple(dataclasses.replace(r, std_log=0.1) for r in analysis.seed_noise)
    )
    assert judge("returns", noisy, points).grade == NOT
    assert judge("returns", dataclasses.replace(analysis, seed_noise=()), points).grade == TOO_LITTLE
    assert judge("returns", nothing, points).grade == TOO_LITTLE


def test_monotone_says_where_it_is_not(analysis, nothing, points):
    assert judge("monotone", analysis, points).grade == SUPPORTED
    assert judge("monotone", nothing, points).grade == TOO_LITTLE
    worse = points.copy()
    worse.loc[worse["params_total"] == SIZES[4], "loss_nats"] *= 1.4
    found = judge("monotone", analyse(worse, resamples=0), worse)
    assert found.grade == NOT
    assert found.sentence.startswith(f"Not monotone: {len(HORIZONS)} of ")
    assert found.numbers["rises"] == len(HORIZONS)
    assert "noise between seeds is unknown" not in found.sentence
    single = sweep_points(seeds=lambda n: 1)
    assert judge("monotone", analyse(single, resamples=0), single).sentence.endswith(
        "The noise between seeds is unknown, so every rise counts."
    )


# --- what was measured beside it -------------------------------------------------------------------------------------


def test_seed_noise(analysis, nothing, points):
    assert judge("seed_noise", analysis, points).grade == SUPPORTED
    loud = sweep_points(noise=0.05)
    assert judge("seed_noise", analyse(loud, resamples=0), loud).grade == NOT
    assert judge("seed_noise", nothing, points).grade == TOO_LITTLE
    one = sweep_points(seeds=lambda n: 2 if n == SIZES[0] else 1)
    assert judge("seed_noise", analyse(one, resamples=0), one).grade == TOO_LITTLE


def rate_check(points, factors, sizes=(10_000, 68_000), rates=(0.01, 0.04)):
    """Add trials at other rates whose losses are ``factors`` times the sweep's own."""
    extra, trials = [], [trials_of(points)]
    for rate, factor in zip(rates, factors, strict=True):
        for n in sizes:
            own = points[points["trial"] == f"t{n:g}-0"]
            copy = own.assign(trial=f"lr{rate}-{n}", loss_nats=own["loss_nats"] * factor)
            extra.append(copy)
            trials.append(trials_of(copy, lr_hidden=rate))
    return pd.concat([points, *extra], ignore_index=True), pd.concat(trials, ignore_index=True)


def test_learning_rate(analysis, points):
    assert judge("learning_rate", analysis, points).grade == TOO_LITTLE
    assert judge("learning_rate", analysis, *rate_check(points, (1.02, 1.03))).grade == SUPPORTED
    worse = judge("learning_rate", analysis, *rate_check(points, (0.95, 1.03)))
    assert worse.grade == NOT
    assert "0.01, 0.03" in worse.sentence


def test_learning_rate_compares_runs_of_one_seed(analysis, points):
    """Other seeds of the sweep's own rate are no part of the comparison."""
    rows, trials = rate_check(points[points["seed"] == 0], (1.004, 0.995))
    others = points[points["seed"] != 0].assign(loss_nats=lambda p: p["loss_nats"] * 1.2)
    both = pd.concat([rows, others]), pd.concat([trials, trials_of(others)])
    assert judge("learning_rate", analysis, *both).grade == SUPPORTED


def test_a_better_rate_within_the_noise_of_seeds_is_told_as_such(analysis, points):
    loud = analyse(sweep_points(noise=0.02), resamples=0)
    told = "no more than chance makes of two runs"
    assert told in judge("learning_rate", loud, *rate_check(points, (0.98, 1.03))).sentence
    assert told not in judge("learning_rate", loud, *rate_check(points, (0.8, 1.03))).sentence


def test_learning_rate_needs_both_sides_and_two_sizes(analysis, points):
    one_sided = rate_check(points, (1.02, 1.03), rates=(0.04, 0.08))
    assert judge("learning_rate", analysis, *one_sided).grade == TOO_LITTLE
    one_size = rate_check(points, (1.02, 1.03), sizes=(10_000,))
    assert judge("learning_rate", analysis, *one_size).grade == TOO_LITTLE


def test_learning_rate_without_rates_in_the_trials(analysis, points):
    assert judge("learning_rate", analysis, points, trials_of(points)[["trial"]]).grade == TOO_LITTLE


def counted(points, joules, provenance="measured_counter", shared=False):
    return points.assign(energy_gpu_j=joules, energy_gpu_provenance=provenance, energy_gpu_shared=shared)


def test_energy(analysis, points):
    assert judge("energy", analysis, points).grade == TOO_LITTLE
    steady = counted(points, 1e-11 * points["flops_train"] ** 0.9)
    finding = judge("energy", analysis, steady)
    assert finding.grade == SUPPORTED
    assert finding.numbers["exponent"]["value"] == pytest.approx(0.9)
    rng = np.random.default_rng(0)
    erratic = counted(points, 1e-11 * points["flops_train"] * np.exp(rng.normal(size=len(points))))
    assert judge("energy", analysis, erratic).grade == NOT


@pytest.mark.parametrize("how", [{"provenance": "modelled_load"}, {"shared": True}, {"provenance": "sampled_power"}])
def test_joules_that_no_counter_gave_are_no_energy_law(analysis, points, how):
    assert judge("energy", analysis, counted(points, points["flops_train"] * 1e-11, **how)).grade == TOO_LITTLE


def test_energy_of_too_few_trials(analysis, points):
    some = counted(points, points["flops_train"] * 1e-11)
    some.loc[some["params_total"] > SIZES[1], "energy_gpu_j"] = None
    assert judge("energy", analysis, some).grade == TOO_LITTLE


@pytest.fixture(scope="module")
def judged():
    return {seeds: analyse_abilities(ability_frame(seeds=seeds), simulations=100) for seeds in ((0,), (0, 1))}


def test_abilities(analysis, points, judged):
    assert judge("abilities", analysis, points).grade == TOO_LITTLE
    found = judge("abilities", analysis, points, results=judged[0, 1])
    assert found.grade == SUPPORTED
    assert "2 of 3 probes" in found.sentence
    assert found.numbers["probes"]["hops-3"]["verdict"] == "flat"
    flat = analyse_abilities(ability_frame({"hops-3": "flat"}), simulations=50)
    assert judge("abilities", analysis, points, results=flat).grade == NOT
    few = analyse_abilities(ability_frame(sizes=SIZES_OF_ABILITIES[:3]), simulations=50)
    assert judge("abilities", analysis, points, results=few).grade == TOO_LITTLE


def test_only_a_replicated_rise_is_called_emergent(analysis, points, judged):
    found = judge("emergence", analysis, points, results=judged[0, 1])
    assert found.grade == SUPPORTED
    assert found.numbers["emergent"] == ["lookup-4"]
    alone = judge("emergence", analysis, points, results=judged[0,])
    assert alone.grade == TOO_LITTLE
    assert "emergent" not in alone.sentence.lower()
    others = [r for r in judged[0, 1] if r.probe != "lookup-4"]
    assert judge("emergence", analysis, points, results=others).grade == NOT


# --- the table -------------------------------------------------------------------------------------------------------


def test_without_any_points_every_grade_is_not_enough_data(points):
    empty = points.iloc[:0]
    found = findings(analyse(empty), empty, trials_of(empty), {})
    assert {f.grade for f in found} == {TOO_LITTLE}


def test_every_rule_prints_its_numbers():
    assert len(RULES) == len(RULE)
    for row in RULES:
        assert set(row) == {"finding", "question", "supported if", "needs"}
        assert not any("{" in text for text in row.values())


def test_the_table_decides(analysis, points):
    strict = dataclasses.replace(RULE["held_out"], thresholds={"error": 1e-6, "naive_share": 0.5})
    case = Case(analysis=analysis, points=points, trials=trials_of(points), sweep={})
    assert fitted.held_out(case, strict).grade == NOT
    assert fitted.held_out(case, RULE["held_out"]).grade == SUPPORTED
