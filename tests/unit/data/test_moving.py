"""Moving figures: rows hold what was filmed, and the estimate of the state is that of all films enumerated."""

import numpy as np
import pytest

from scaling.data import load, prepare
from scaling.data.moving import FRAMES, OFFSET, UNITS, Moving, frames_of
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec, MovingSpec

SMALL = MovingSpec(figures=2, side=8, speed=1, noise=0.6, clips=512)


def test_a_row_shows_the_figure_where_its_state_says():
    world = Moving.of(MovingSpec(side=16, noise=0.05, specks=0.01))
    rows = world.rows(64, 4, np.random.default_rng(0))
    state = rows[:, -8:-4].astype(float) / UNITS - OFFSET
    frames, sprite = frames_of(rows, 16, 4), world.figures.shape[1]
    assert frames.shape == (64, FRAMES, 16, 16)
    for time in range(FRAMES):
        at = (state[:, :2] + (time - 1) * state[:, 2:]).astype(int)
        assert (at >= 0).all()
        assert (at <= 16 - sprite).all()
        for frame, (x, y) in zip(frames[:, time], at, strict=True):
            inside = frame[y : y + sprite, x : x + sprite] > 127
            assert any(np.abs(inside.astype(int) - figure).sum() <= 3 for figure in world.figures)
    assert np.abs(rows[:, -4:].astype(float) - rows[:, -8:-4]).max() <= 1


def test_the_estimate_is_the_mean_over_all_films_that_could_be():
    world = Moving.of(SMALL)
    rows = world.rows(5, 4, np.random.default_rng(1))
    seen = frames_of(rows, 8, 4)[:, :2]
    n, figures = len(world.states), len(world.figures)
    told = np.repeat(world.states, figures, axis=0)
    films = world.shown(told, np.tile(np.arange(figures), n), range(-1, 1))
    chance = world.noise.log_probability
    for frames, found in zip(seen, world.estimate(seen), strict=True):
        likely = np.where(films, chance[1][frames], chance[0][frames]).sum(axis=(1, 2, 3))
        weights = np.exp(likely - likely.max())
        np.testing.assert_allclose(found, weights @ told / weights.sum(), atol=1e-6)


def test_clips_are_a_corpus_that_says_its_shape():
    spec = DataSpec(source="moving", context=8, validation_tokens=128 * 8, moving=SMALL)
    corpus = prepare(spec)
    identity = corpus.identity
    assert (identity.kind, identity.row_values) == ("clips", 4 * 64 + 8)
    assert identity.shape == {"patch_values": 32, "state": 4}
    assert (identity.train_tokens, identity.validation_tokens) == (512 * 8, 128 * 8)
    np.testing.assert_array_equal(load(identity, corpus.location).train, corpus.train)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"context": 9}, "use 10"),
        ({"context": 10}, "square patches"),
        ({"moving": {"side": 8, "speed": 4}}, "use data.moving.speed 1"),
        ({"moving": {"clips": 3}}, "fewer than 16 windows"),
    ],
)
def test_settings_that_cannot_be_are_refused(data, told):
    with pytest.raises(UsageError) as caught:
        prepare(DataSpec.model_validate({"source": "moving", "context": 8, **data}))
    assert told in caught.value.render()
