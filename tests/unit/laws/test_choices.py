"""What a choice is worth, on made-up trials of which the answer is known."""

import math

import pandas as pd
import pytest

from scaling.laws.choices import choices

HORIZONS = (1e5, 2e5, 4e5, 8e5, 1.6e6)
NOISE = {0: 0.004, 1: -0.003, 2: -0.001}  # of each seed, the same for every choice: paired differences hold none of it


def course(change=0.0, cost=1.0, horizons=HORIZONS, own=None):
    for seed, shift in NOISE.items():
        for tokens in horizons:
            loss = 3.0 * (tokens / 1e5) ** -0.1 * math.exp(change + shift + (own or {}).get(seed, 0.0))
            yield {"seed": seed, "tokens": tokens, "loss_nats": loss, "flops_train": cost * tokens}


def study(shapes):
    rows, settings = [], {}
    for name, (told, points) in shapes.items():
        for row in points:
            trial = f"{name}-{row['seed']}"
            settings[trial] = told
            rows.append({"trial": trial, "params_total": 1000, **row})
    return choices(pd.DataFrame(rows), settings)


def told(depth=2, position="rotary"):
    return {"model.n_layer": depth, "model.position": position}


SHORT = (4e5, 8e5)
STAR = {
    "middle": (told(), list(course())),
    "none": (told(position="none"), list(course(0.05, horizons=SHORT))),
    "deep": (told(4), list(course(-0.1 * math.log(1.5), cost=2.5, horizons=SHORT))),
    "shallow": (told(1), list(course(0.07, cost=0.5, horizons=SHORT))),
    "both": (told(8, "none"), list(course(0.3, horizons=SHORT))),
}


def test_each_choice_has_its_change_and_its_worth():
    found = study(STAR)
    assert found.middle == told()
    assert found.tokens == 8e5
    assert found.reach == pytest.approx((1 / 8, 2))
    named = {(w.key, w.value): w for w in found.worths}  # "both" differs in two settings and is left out
    assert set(named) == {("model.n_layer", 4), ("model.n_layer", 1), ("model.position", "none")}
    deep, none = named["model.n_layer", 4], named["model.position", "none"]
    assert none.change.value == pytest.approx(math.expm1(0.05))
    assert none.compute_worth.value == pytest.approx(math.exp(-0.05 / 0.1), rel=1e-2)  # loss falls as C^-0.1
    assert deep.compute_own == pytest.approx(2.5)
    assert deep.compute_worth.value == pytest.approx(1.5, rel=1e-2)
    assert none.told
    assert none.seeds == 3


def test_the_interval_is_that_of_the_differences():
    wild = {0: 0.04, 1: -0.02, 2: -0.02}
    found = study({**STAR, "none": (told(position="none"), list(course(0.01, horizons=SHORT, own=wild)))})
    *depths, none = found.worths
    spread = math.sqrt((0.04**2 + 0.02**2 + 0.02**2) / 6)  # six degrees of freedom: three choices of three seeds
    assert math.log1p(none.change.high) - 0.01 == pytest.approx(2.4469 * spread / math.sqrt(3), rel=1e-3)
    assert not none.told
    assert all(depth.told for depth in depths)


def test_beyond_what_the_middle_measured_no_number_is_made_up():
    deep, none = (list(course(change, horizons=SHORT)) for change in (-0.5, 0.9))
    found = study({**STAR, "deep": (told(4), deep), "none": (told(position="none"), none)})
    assert {w.compute_worth.value for w in found.worths if w.value in (4, "none")} == {math.inf, 0.0}


def test_one_seed_gives_no_interval():
    one = {name: (keys, [row for row in rows if row["seed"] == 0]) for name, (keys, rows) in STAR.items()}
    found = study(one)
    assert all(w.change.low is None and w.compute_worth.low is None and not w.told for w in found.worths)


def test_a_full_grid_or_a_ladder_has_no_middle():
    grid = {f"{d}{p}": (told(d, p), list(course(horizons=SHORT))) for d in (1, 2) for p in ("rotary", "none")}
    assert study(grid) is None
    ladder = {str(d): (told(d), list(course(horizons=SHORT))) for d in (1, 2, 4)}
    assert study(ladder) is None
    assert choices(pd.DataFrame(columns=["trial", "seed", "tokens"]), {}) is None
