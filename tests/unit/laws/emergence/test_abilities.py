import numpy as np
import pytest
from support.ability_frames import SIZES, ability_frame

from scaling.errors import UsageError
from scaling.laws.emergence import Word, analyse_abilities, shape_call
from scaling.laws.emergence.abilities import judged_rows, lifted


@pytest.fixture(scope="module")
def results():
    return {r.probe: r for r in analyse_abilities(ability_frame(), simulations=150)}


def test_each_probe_gets_its_word(results):
    assert list(results) == ["program-4", "lookup-4", "hops-3"]  # by ability, then probe
    words = {name: r.verdict.word for name, r in results.items()}
    assert words == {
        "lookup-4": Word.UNPREDICTED_RISE,
        "program-4": Word.THRESHOLD_OF_THE_METRIC,
        "hops-3": Word.FLAT,
    }
    assert [name for name, r in results.items() if r.verdict.emergent] == ["lookup-4"]


def test_scores_are_read_at_the_largest_common_horizon(results):
    result = results["lookup-4"]
    assert result.axis.name == "params_total"
    assert "D = 2M tokens" in result.axis.rule
    assert set(result.rows["tokens"]) == {2_000_000}
    assert [x for x, _, _ in result.solved] == list(SIZES)
    assert result.solved[0] == (SIZES[0], 0, 2)
    assert result.solved[-1] == (SIZES[-1], 2, 2)
    assert result.top > 0.9
    assert result.by_loss is not None


def test_mixed_data_is_read_against_flops_and_a_fixed_ratio_against_size():
    frame = ability_frame(horizons=(1_000_000,))
    mixed = frame.assign(tokens=frame["tokens"] * (1 + frame["params_total"] % 7))
    mixed["flops_train"] = 6.0 * mixed["params_total"] * mixed["tokens"]
    assert judged_rows(mixed)[1].name == "flops_train"
    ratio = frame.assign(tokens=frame["params_total"] * 20)
    rows, axis = judged_rows(ratio)
    assert axis.name == "params_total"
    assert "20 tokens per parameter" in axis.rule
    assert len(rows) == len(frame)


def test_an_unfinished_trial_takes_its_seed_away_and_not_the_horizon():
    frame = ability_frame()
    rows, axis = judged_rows(frame[(frame["trial"] != "t3600s1") | (frame["tokens"] < 2_000_000)])
    assert "D = 2M tokens" in axis.rule
    assert len(rows) == (2 * len(SIZES) - 1) * 3


def test_one_seed_and_many_probes_call_nothing_emergent():
    one = analyse_abilities(ability_frame(seeds=(0,)), simulations=60)
    assert not any(r.verdict.emergent for r in one)
    many = {"lookup-4": "break"} | {f"hops-{i}": "flat" for i in range(9)}
    crowded = {r.probe: r for r in analyse_abilities(ability_frame(many), simulations=60)}
    rise = crowded["lookup-4"]
    assert rise.p_corrected == pytest.approx(10 * rise.verdict.logprob.p)
    assert not rise.verdict.emergent
    assert "not significant among 10 probes" in rise.verdict.sentence


def test_scores_must_be_shares_and_no_probe_is_no_result():
    assert analyse_abilities(ability_frame().iloc[:0]) == ()
    with pytest.raises(UsageError):
        analyse_abilities(ability_frame().assign(score=12.0))


def test_a_climb_up_to_what_guessing_gives_is_no_ability():
    climb = np.array([0.01, 0.03, 0.06, 0.09, 0.115, 0.12])
    items = np.full(6, 400.0)
    assert list(lifted(climb, 0.125, items)) == [0.125, 0.125, 0.125, 0.125, 0.115, 0.12]  # noise stays
    assert list(lifted(climb, None, items)) == list(climb)
    x = np.geomspace(1e3, 1e5, 6)
    raw = shape_call(x, climb, floor=0.125, n_items=items, simulations=40)
    judged = shape_call(x, lifted(climb, 0.125, items), floor=0.125, n_items=items, simulations=40)
    assert (str(raw.call), str(judged.call)) == ("smooth", "flat")
