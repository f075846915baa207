import dataclasses
import math

import pytest
from pydantic import ValidationError

from scaling.errors import SpecError
from scaling.families import FAMILIES, Recipe
from scaling.spec import TRAINER_VERSION, expand, load_sweep
from scaling.spec.identity import model_keys
from scaling.spec.schema import DataIdentity, SweepSpec

IDENTITY = DataIdentity(
    source="path",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="ascii",
    vocab_size=128,
    train_tokens=9_000_000,
    validation_tokens=65_536,
    validation_bytes=65_536,
    context=128,
)


def sweep(*blocks, **keys):
    keys = {"schema": 1, "name": "a", "model": {"n_layer": 2, "head_dim": 16}, **keys}
    return SweepSpec.model_validate({**keys, "trials": list(blocks)})


def trials(*blocks, **keys):
    return expand(sweep(*blocks, **keys), IDENTITY, {"path": ["x"]})


def refusal(*blocks, **keys):
    with pytest.raises(SpecError) as caught:
        trials(*blocks, **keys)
    return caught.value.render()


def by_width(planned):
    return sorted(planned, key=lambda t: t.params.total)


def test_a_ladder_is_sizes_times_seeds_with_all_horizons():
    block = {"ladder": {"sizes": [{"d_model": 32}, {"d_model": 64}], "horizons": ["20x", "1M"], "seeds": [0, 1]}}
    planned = trials(block)
    assert sorted(t.spec.label for t in planned) == ["d32 s0", "d32 s1", "d64 s0", "d64 s1"]
    small = by_width(planned)[0]
    assert small.params.total == 32_960
    assert small.spec.horizons == (644 * 1024, 977 * 1024)
    assert "20x = 659,200 tokens, rounded to 659,456 (644 steps)" in small.notes


def test_figures_of_a_trial_are_the_family_s_arithmetic():
    (trial,) = trials({"ladder": {"sizes": [{"d_model": 32}], "horizons": ["18.432M"]}})
    family = FAMILIES["gpt"]
    assert trial.tokens == trial.steps * trial.spec.train.batch_tokens == 18_432_000
    assert trial.flops_total == family.flops_per_token(trial.config).train * trial.tokens
    assert trial.params == family.params(trial.config)
    assert trial.epochs == pytest.approx(2.048)
    assert trial.memory_bytes == family.memory_bytes(trial.config, Recipe(batch_tokens=1024))
    assert trial.notes == ()
    assert trial.spec.trainer_version == TRAINER_VERSION


def test_a_size_in_parameters_is_the_nearest_shape_and_says_when_it_is_off():
    (near, far) = by_width(trials({"ladder": {"sizes": ["10k", "45k"], "horizons": ["1M"]}}))
    assert near.spec.model["d_model"] == 16
    assert not any("asked for" in note for note in near.notes)
    assert "asked for 45k parameters, the nearest shape has 33k" in far.notes


def test_flops_horizons_use_the_exact_count():
    (trial,) = trials({"ladder": {"sizes": [{"d_model": 64}], "horizons": ["1e12 FLOPs"]}})
    assert trial.flops_total == pytest.approx(1e12, rel=0.5 * 1024 / trial.tokens)


def test_an_isoflop_cell_trains_to_what_its_budget_buys_and_budgets_of_a_size_share_a_trunk():
    block = {"isoflop": {"budgets": [1e11, 1e12], "sizes": [{"d_model": 32}, {"d_model": 48}]}}
    planned = trials(block)
    assert len(planned) == 2
    for trial in planned:
        for tokens, budget in zip(trial.spec.horizons, (1e11, 1e12), strict=True):
            assert tokens * trial.flops_per_token.train == pytest.approx(budget, rel=0.5 * 1024 / tokens)


def test_a_grid_crosses_and_a_zip_pairs():
    axes = {"size": ["10k", "33k"], "train.lr.hidden": [0.01, 0.02]}
    assert len(trials({"grid": {"axes": axes, "horizons": ["1M"]}})) == 4
    paired = by_width(trials({"zip": {"axes": axes, "horizons": ["1M"]}}))
    assert [(t.params.total, t.spec.train.lr.hidden) for t in paired] == [(10_352, 0.01), (32_960, 0.02)]


def test_a_list_gives_each_trial_its_own_seed_and_horizon():
    items = [
        {"model.d_model": 16, "seed": 7, "horizon": "2M"},
        {"size": "33k", "train.optimizer": "adamw", "train.clip": 2},
    ]
    listed = by_width(trials({"list": {"items": items, "horizons": ["1M"], "seeds": [3]}}))
    assert [t.spec.seed for t in listed] == [7, 3]
    assert [t.tokens // 1024 for t in listed] == [1953, 977]
    assert listed[1].spec.train.optimizer == "adamw"
    assert listed[1].spec.train.clip == 2.0


def test_trials_that_coincide_are_merged_with_their_horizons():
    ladder = {"ladder": {"sizes": [{"d_model": 32}], "horizons": ["1M", "2M"]}}
    grid = {"grid": {"axes": {"size": ["33k"], "train.clip": [1.0, 2.0]}, "horizons": ["4M", "1M"]}}
    merged = {t.spec.train.clip: t for t in trials(ladder, grid)}
    assert [t // 1024 for t in merged[1.0].spec.horizons] == [977, 1953, 3906]
    assert merged[1.0].tokens == merged[1.0].spec.horizons[-1]
    assert merged[1.0].flops_total == merged[1.0].flops_per_token.train * merged[1.0].tokens
    assert len(merged) == 2


def test_horizons_are_ascending_and_unique():
    (trial,) = trials({"ladder": {"sizes": ["10k"], "horizons": ["2M", "1M", 1_000_100, "1M"]}})
    assert [t // 1024 for t in trial.spec.horizons] == [977, 1953]


def test_one_cheap_trial_per_code_path_runs_first_then_the_longest():
    ladder = {"ladder": {"sizes": [{"d_model": d} for d in (16, 32, 64)], "horizons": ["1M"]}}
    other = {"list": {"items": [{"model.d_model": 48, "train.optimizer": "adamw"}], "horizons": ["1M"]}}
    labels = [t.spec.label for t in trials(ladder, other)]
    assert labels == ["d16 s0", "d48 s0", "d64 s0", "d32 s0"]


def test_labels_tell_trials_apart():
    axes = {"model.d_model": [32, 64], "model.n_layer": [1, 2], "train.lr.hidden": [0.01, 0.02]}
    planned = trials({"grid": {"axes": axes, "horizons": ["1M"], "seeds": [0, 1]}})
    labels = {t.spec.label for t in planned}
    assert len(labels) == len(planned) == 16
    assert "d32 L1 lr.hidden=0.01 s0" in labels


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.eats == IDENTITY.kind])
def test_a_resolved_model_rebuilds_its_config(name):
    (trial,) = trials({"ladder": {"sizes": ["300k"], "horizons": ["1M"]}}, model={"family": name})
    assert FAMILIES[name].build_config(model_keys(trial.config), 128, 128) == trial.config


@pytest.mark.parametrize(
    ("block", "place", "says"),
    [
        (
            {"ladder": {"sizes": ["10k"], "horizons": [500]}},
            "trials.0.ladder.horizons.0",
            "500 tokens at 10.4k parameters: less than one step of 1,024",
        ),
        (
            {"isoflop": {"budgets": [1e6], "sizes": ["10k"]}},
            "trials.0.isoflop.budgets.0",
            "less than one step",
        ),
        ({"ladder": {"sizes": ["10k"], "horizons": ["1T"]}}, "trials.0.ladder.horizons.0", "111,111 passes over"),
        ({"ladder": {"sizes": ["10k"]}}, "trials.0.ladder", 'missing key "horizons"'),
        ({"ladder": {"sizes": ["10k"], "horizons": ["1M"], "seeds": []}}, "trials.0.ladder.seeds", "at least one seed"),
        ({"ladder": {"sizes": [1e14], "horizons": ["1M"]}}, "trials.0.ladder.sizes.0", "1e+14 parameters is absurd"),
        (
            {"ladder": {"sizes": [{"d_model": 10**12 + 1}], "horizons": ["1M"]}},
            "trials.0.ladder.sizes.0.d_model",
            "is absurd",
        ),
        (
            {"ladder": {"sizes": [{"d_model": 999_936, "n_layer": 1_000_000}], "horizons": ["1M"]}},
            "trials.0.ladder.sizes.0",
            "parameters are absurd",
        ),
        (
            {"ladder": {"sizes": [{"d_model": 64, "n_head": 3}], "horizons": ["1M"]}},
            "trials.0.ladder.sizes.0.n_head",
            "not a multiple of 3 heads",
        ),
        (
            {"isoflop": {"budgets": [1e12], "sizes": ["10k"], "horizons": ["1M"]}},
            "trials.0.isoflop.horizons",
            "isoflop takes its horizons from budgets",
        ),
        (
            {"zip": {"axes": {"size": [1e4, 2e4], "seed": [1]}, "horizons": ["1M"]}},
            "trials.0.zip.axes",
            "size has 2, seed has 1",
        ),
        ({"grid": {"axes": {"seed": [0.5]}, "horizons": ["1M"]}}, "trials.0.grid.axes.seed.0", "a seed is a whole"),
        ({"grid": {"axes": {"size": ["big"]}, "horizons": ["1M"]}}, "trials.0.grid.axes.size.0", "is not a count"),
        (
            {"grid": {"axes": {"model.d_model": [16], "horizon": ["no"]}}},
            "trials.0.grid.axes.horizon.0",
            "is not a horizon",
        ),
        ({"grid": {"axes": {"model.d_model": [16], "seed": []}}}, "trials.0.grid.axes.seed", "has no values"),
        (
            {"grid": {"axes": {"model.d_model": [16], "train.batch_tokens": [1000]}, "horizons": ["1M"]}},
            "trials.0.grid.axes.train.batch_tokens.0",
            "not a multiple of data.context 128: use 896 or 1,024",
        ),
        (
            {"list": {"items": [{"model.d_model": 16, "train.optimizer": "sgd"}], "horizons": ["1M"]}},
            "trials.0.list.items.0.train.optimizer",
            "is not one of muon, adamw",
        ),
        (
            {"list": {"items": [{"model.d_modl": 16}], "horizons": ["1M"]}},
            "trials.0.list.items.0.model.d_modl",
            'did you mean "model.d_model"?',
        ),
        ({"list": {"items": [{"model.d_model": 16}]}}, "trials.0.list.items.0", 'missing key "horizons"'),
        (
            {"grid": {"axes": {f"model.k{i}": list(range(10)) for i in range(20)}, "horizons": ["1M"]}},
            "trials",
            "lists 100,000,000,000,000,000,000 trials; the limit is 100,000",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_at_its_place(block, place, says):
    text = refusal(block)
    line = next(line for line in text.splitlines() if says in line)
    assert line.split()[0] == place


def test_problems_of_all_cells_come_at_once():
    text = refusal({"ladder": {"sizes": [{"d_model": 64, "n_head": 3}, "10k"], "horizons": ["1T", 5]}})
    assert "3 problems" in text


def test_a_recipe_that_does_not_fit_the_context_is_named_once():
    block = {"ladder": {"sizes": ["10k", "20k"], "horizons": ["1M"]}}
    text = refusal(block, train={"batch_tokens": 100})
    assert "train.batch_tokens  train.batch_tokens 100 is not a multiple of data.context 128: use 128" in text
    assert "1 problem " in text


def test_an_unknown_family_is_refused_without_a_file():
    assert "unknown model family 'gtp'" in refusal(
        {"ladder": {"sizes": ["10k"], "horizons": ["1M"]}}, model={"family": "gtp"}
    )


def test_in_a_file_the_place_is_line_and_column(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "schema: 1\nname: a\nmodel: {head_dim: 16, n_layer: 2}\ntrials:\n"
        "  - ladder:\n      sizes: [10k, {d_model: 65}]\n      horizons: [1M, 3]\n"
    )
    loaded = load_sweep(path, ["train.batch_tokens=1000"])
    with pytest.raises(SpecError) as caught:
        expand(loaded.spec, IDENTITY, {}, report=loaded.raise_problems)
    assert "--set train.batch_tokens=1000" in caught.value.render()
    loaded = load_sweep(path)
    with pytest.raises(SpecError) as caught:
        expand(loaded.spec, IDENTITY, {}, report=loaded.raise_problems)
    assert [p.split()[0].removeprefix(str(path)) for p in caught.value.problems] == [":6:20", ":7:22"]


@pytest.mark.parametrize("key", ["d_model", "n_head"])
def test_a_shape_beside_a_size_in_parameters_is_refused_not_ignored(key):
    text = refusal({"ladder": {"sizes": ["10k"], "horizons": ["1M"]}}, model={"n_layer": 2, "head_dim": 16, key: 2})
    assert f"model.{key}  model.{key}: a size in parameters decides it" in text


def test_a_planned_trial_is_frozen():
    (trial,) = trials({"ladder": {"sizes": ["10k"], "horizons": ["1M"]}})
    with pytest.raises(dataclasses.FrozenInstanceError):
        trial.tokens = 1
    with pytest.raises(ValidationError):
        trial.spec.seed = 1


def test_a_thousand_trials_are_quick_to_plan():
    planned = trials({"ladder": {"sizes": ["10k", "33k"], "horizons": ["1M"], "seeds": list(range(500))}})
    assert len({t.id for t in planned}) == 1000
    assert math.isclose(sum(t.tokens for t in planned), 1000 * 977 * 1024)
