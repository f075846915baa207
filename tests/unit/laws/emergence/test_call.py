import numpy as np
import pytest
from support.emergence_worlds import draw_world

from scaling.errors import UsageError
from scaling.laws.emergence import Call, Word, back_test, forecast_score, holm, shape_call, verdict, wilson
from scaling.laws.emergence.call import is_untold
from scaling.laws.emergence.curve import make_curve
from scaling.laws.emergence.facts import facts
from scaling.laws.emergence.smooth import Line
from scaling.laws.emergence.surprise import surprise_of

X8 = 1e6 * 10 ** np.linspace(0, 3, 8)
CURVES = {
    Call.FLAT: [0.25, 0.26, 0.24, 0.25, 0.25, 0.26, 0.25, 0.24],
    Call.SMOOTH: [0.34, 0.43, 0.51, 0.54, 0.62, 0.67, 0.70, 0.78],
    Call.UNPREDICTED_RISE: [0.25, 0.25, 0.26, 0.25, 0.26, 0.25, 0.60, 0.90],
    Call.FALLS: [0.475, 0.44, 0.41, 0.39, 0.38, 0.36, 0.34, 0.33],
    Call.FALLS_THEN_RISES: [0.475, 0.44, 0.41, 0.36, 0.34, 0.38, 0.46, 0.55],
}


@pytest.mark.parametrize("expected", CURVES)
def test_plain_curves_get_their_word(expected):
    assert shape_call(X8, CURVES[expected], floor=0.25, simulations=100).call is expected


@pytest.mark.parametrize("expected", [Call.FLAT, Call.SMOOTH, Call.UNPREDICTED_RISE])
def test_an_unknown_floor_and_percentages_change_no_word(expected):
    percent = 100 * np.array(CURVES[expected])
    assert shape_call(X8, percent, ceiling=100, simulations=100).call is expected


X12 = np.array([2, 16, 53, 125, 244, 422, 1000, 2000, 4000, 8000, 27000, 128000]) * 1e6


def test_a_gradual_rise_that_the_smaller_sizes_begin_is_smooth():
    y = [0.25, 0.25, 0.27, 0.29, 0.30, 0.32, 0.34, 0.36, 0.39, 0.42, 0.47, 0.53]
    assert shape_call(X12, y, floor=0.25, simulations=100).call is Call.SMOOTH


def test_a_rise_after_a_long_level_is_foretold_by_nothing():
    y = [0.25, 0.25, 0.26, 0.24, 0.25, 0.26, 0.28, 0.31, 0.34, 0.38, 0.44, 0.52]
    called = shape_call(X12, y, floor=0.25, simulations=100)
    assert called.call is Call.UNPREDICTED_RISE
    assert called.late
    lifted = shape_call(X12, np.array(y) + 0.03, floor=0.25, simulations=100)  # always the longest answer, say
    assert lifted.call is Call.UNPREDICTED_RISE


def test_a_leap_in_the_smaller_half_foretells_the_larger():
    x = np.geomspace(6e4, 4e6, 12)
    early = [0.0, 0.0, 0.0, 0.02, 0.94, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    called = shape_call(x, early, floor=0.0, n_items=400, simulations=100)
    assert called.call is Call.SMOOTH
    assert "smaller half" in called.why
    late = [0.0, *[0.0] * 4, *early[:7]]
    assert shape_call(x, late, floor=0.0, n_items=400, simulations=100).call is Call.UNPREDICTED_RISE


def test_a_steep_slope_that_the_middle_shows_is_smooth():
    x = np.geomspace(6e4, 4e6, 12)
    y = [0.0, 0.0, 0.028, 0.077, 0.138, 0.422, 0.863, 1.0, 1.0, 1.0, 1.0, 1.0]
    called = shape_call(x, y, floor=0.0, n_items=400, simulations=100)
    assert called.call is Call.SMOOTH
    assert called.begun
    late = [0.0, 0.0, 0.0, 0.0, *y[:8]]
    called = shape_call(x, late, floor=0.0, n_items=400, simulations=100)
    assert called.call is Call.UNPREDICTED_RISE
    assert not called.begun


def test_a_slope_that_is_one_step_is_not_gradual():
    y = [0.0, 0.0, 0.02, 0.02, 0.024, 0.01, 0.01, 0.01, 0.024, 0.029, 0.044, 0.239]  # three sizes at the foot
    assert shape_call(X12, y, floor=0.0, n_items=205, simulations=100).call is Call.UNPREDICTED_RISE


def test_noisy_small_sizes_without_a_slope_are_a_level():
    y = [0.50, 0.46, 0.53, 0.48, 0.51, 0.49, 0.56, 0.62]
    called = shape_call(X8, y, floor=0.5, n_items=280, simulations=100)
    assert called.call is Call.UNPREDICTED_RISE
    assert "one level" in called.why
    sloping = [0.44, 0.47, 0.49, 0.51, 0.53, 0.55, 0.58, 0.62]  # ends as high, and its small sizes say so
    assert shape_call(X8, sloping, floor=0.44, n_items=280, simulations=100).call is Call.SMOOTH


def test_a_leap_between_two_levels_is_a_shape():
    y = np.r_[np.full(10, 0.26), 0.33, 0.40, 0.44, np.full(7, 0.45)]
    called = shape_call(np.geomspace(1, 1e5, 20), y, floor=0.25, n_items=2000, simulations=100)
    assert called.call is Call.UNPREDICTED_RISE
    assert called.shapes[0].name == "sigmoid"


def test_the_gap_is_that_of_the_larger_half():
    curve = make_curve(X8, [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.65, 0.75], floor=0.25)
    found = surprise_of(curve, [Line(curve.t, 1 / curve.variance)], simulations=0)
    assert found is not None
    assert found.held_out == pytest.approx(X8[6:])
    assert found.gap == pytest.approx(0.75 - 0.25, abs=1e-9)


def test_a_rise_that_ends_with_the_second_size_is_no_level():
    y = [0.85, 0.93, 0.95, 0.94, 0.95, 0.95, 0.94, 0.95]
    called = shape_call(X8, y, floor=0.5, n_items=1000, simulations=40)
    assert called.call is Call.SMOOTH
    assert called.shapes[0].name == "saturating"


def test_a_change_within_the_noise_of_few_items_is_no_trend():
    y = [0.28, 0.38, 0.24, 0.30, 0.27, 0.41, 0.29, 0.35]
    assert shape_call(X8, y, floor=0.25, n_items=100, simulations=40).call is Call.FLAT
    assert shape_call(X8, y, floor=0.25, n_items=10, simulations=40).call is Call.NOT_RESOLVED


def test_against_the_loss_a_level_foretells_nothing_of_sizes():
    y = CURVES[Call.UNPREDICTED_RISE]
    assert is_untold(make_curve(X8, y, floor=0.25))
    assert not is_untold(make_curve(4 - np.linspace(0, 1, 8), y, floor=0.25, log_x=False))


def test_a_small_rise_that_its_items_make_certain_is_smooth_and_no_leap():
    y = [0.0, 0.002, 0.004, 0.006, 0.009, 0.011, 0.014, 0.016]
    called = shape_call(X8, y, floor=0.0, n_items=4000, simulations=40)
    assert called.call is Call.SMOOTH
    assert "small" in called.why
    assert shape_call(X8, y, floor=0.0, n_items=100, simulations=40).call is Call.FLAT


def test_three_sizes_resolve_nothing_and_rows_merge_by_size():
    assert shape_call([1, 2, 3], [0.1, 0.2, 0.9]).call is Call.NOT_RESOLVED
    called = shape_call(np.repeat(X8, 2), np.repeat(CURVES[Call.FLAT], 2), seeds=["a", "b"] * 8, simulations=50)
    assert called.facts.sizes == 8
    assert called.facts.seeds == (2, 2)


def test_a_score_at_its_ceiling_is_flat_whatever_its_floor():
    assert shape_call(X8, [1.0] * 8, simulations=40).call is Call.FLAT
    assert shape_call(X8, [1.0] * 8, floor=0.5, simulations=40).call is Call.FLAT


def test_what_rises_and_falls_has_no_word():
    y = [0.3, 0.35, 0.4, 0.45, 0.44, 0.40, 0.36, 0.31]
    assert shape_call(X8, y, simulations=40).call is Call.NOT_RESOLVED


def test_a_u_of_five_sizes_is_seen():
    assert shape_call(X8[:5], [0.5, 0.4, 0.32, 0.41, 0.6], simulations=40).call is Call.FALLS_THEN_RISES


def test_few_items_make_a_jump_unsure():
    y = [0.25, 0.25, 0.27, 0.24, 0.36]
    assert shape_call(X8[:5], y, floor=0.25, n_items=20, simulations=100).call is not Call.UNPREDICTED_RISE
    assert shape_call(X8[:5], y, floor=0.25, n_items=20, simulations=50).facts.minimum_jump > 0.25


@pytest.mark.parametrize(
    ("x", "y", "options"),
    [
        ([1, 2], [0.1], {}),
        ([1, 2], [0.1, np.nan], {}),
        ([0, 2], [0.1, 0.2], {}),
        ([1, 2], [10, 20], {}),
        ([1, 2], [0.1, 0.2], {"floor": 1.0}),
        ([1, 2], [0.1, 0.2], {"n_items": 0}),
    ],
)
def test_impossible_tables_are_refused(x, y, options):
    with pytest.raises(UsageError):
        shape_call(x, y, **options)


def test_published_measures_of_suddenness():
    curve = make_curve([8e9, 62e9, 540e9], [0.25, 0.26, 0.55], floor=0.25)
    told = 0.26 + 0.01 * np.log(540 / 62) / np.log(62 / 8)
    assert facts(curve).palm == pytest.approx(0.55 - told)
    steps = np.array([0.01, 0.29])
    assert facts(curve).linearity == pytest.approx(0.30 / np.sqrt((steps**2).mean()))
    assert facts(curve).breakthroughness == pytest.approx(0.30 / np.sqrt(np.median(steps**2)))


def test_wilson_and_holm():
    low, high = wilson(0, 100)
    assert low == pytest.approx(0, abs=1e-12)
    assert high == pytest.approx(0.0370, abs=1e-4)
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("flat", Word.FLAT),
        ("smooth", Word.SMOOTH),
        ("artefact", Word.THRESHOLD_OF_THE_METRIC),
        ("break strong", Word.UNPREDICTED_RISE),
    ],
)
@pytest.mark.parametrize("seed", [4, 5, 6])
def test_verdicts_on_worlds(kind, word, seed):
    world = draw_world(np.random.default_rng(seed), kind, 10, outside=False)
    found = verdict(
        world.x, world.score, logprob=world.logprob, seeds=world.seeds, n_items=world.n_items,
        floor=world.floor, simulations=100,
    )  # fmt: skip
    assert found.word is word
    assert found.emergent == (word is Word.UNPREDICTED_RISE)
    assert ("emergent" in found.sentence) == found.emergent


def test_a_break_of_the_log_probability_alone_is_told_first():
    x = np.geomspace(6e4, 4e6, 12)
    score = [0.0, 0.0, 0.0, 0.02, 0.94, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    logprob = [-3.0, -3.01, -3.0, -2.99, -2.98, -2.0, -0.4, -0.05, -0.02, -0.01, -0.01, -0.01]
    judged = verdict(x, score, logprob=logprob, n_items=400, floor=0.0, simulations=100)
    assert judged.score.call is Call.SMOOTH
    assert judged.word is Word.UNPREDICTED_RISE
    assert not judged.emergent
    assert judged.sentence.startswith("unpredicted rise, unreplicated: the log-probability breaks (z")


def test_one_seed_is_never_called_emergent():
    world = draw_world(np.random.default_rng(3), "break strong", 10, outside=False)
    one = world.seeds == 0
    found = verdict(world.x[one], world.score[one], logprob=world.logprob[one], n_items=500, floor=0, simulations=100)
    assert found.word is Word.UNPREDICTED_RISE
    assert not found.emergent
    assert "unreplicated" in found.sentence


def test_a_rise_in_one_seed_of_two_is_unreplicated():
    rise, flat = np.array(CURVES[Call.UNPREDICTED_RISE]), np.full(8, 0.25)
    found = verdict(np.r_[X8, X8], np.r_[rise, flat], seeds=[0] * 8 + [1] * 8, n_items=500, floor=0.25, simulations=100)
    assert not found.emergent


def test_a_forecast_in_two_steps_covers_and_says_when_it_is_weak():
    x = 10 ** np.linspace(15, 21, 10)
    loss = 1.7 + 2.0 * (x / 1e15) ** -0.12
    score = 0.25 + 0.75 / (1 + np.exp(4 * (loss - 2.6)))
    told = forecast_score(x[:7], loss[:7], score[:7], x[-1], floor=0.25)
    assert told.score.low < score[-1] < told.score.high
    assert told.loss.value == pytest.approx(loss[-1], rel=0.03)
    assert told.weak is None
    early = forecast_score(x[:4], loss[:4], np.full(4, 0.25), x[-1], floor=0.25)
    assert early.weak is not None
    assert early.score.high - early.score.low > told.score.high - told.score.low
    tests = back_test(x, loss, score, floor=0.25)
    assert len(tests) == 6
    assert np.mean([t.covered for t in tests]) >= 5 / 6
