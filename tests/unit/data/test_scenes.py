"""Drawn scenes: captions say what was drawn, and the reader's likelihood is that of all drawings enumerated."""

import itertools

import numpy as np
import pytest

from scaling.data import load, prepare, reader_of
from scaling.data.scenes import COLOURS, Scenes, ScenesSource, caption_words, pictures_of, rows_of, vocabulary
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec, ScenesSpec

SMALL = {"pairs": 64, "figures": 3, "colours": 2, "side": 16, "jitter": 0}


def prepared(context=24, validation_tokens=128 * 24, **scenes):
    spec = ScenesSpec(**{**SMALL, **scenes})
    return prepare(DataSpec(source="scenes", context=context, validation_tokens=validation_tokens, scenes=spec))


def spoken(spec, captions):
    words = vocabulary(spec)
    return [" ".join(words[i] for i in caption) for caption in captions]


def test_a_caption_names_colour_figure_and_place_in_the_order_of_places():
    spec = ScenesSpec(**SMALL)
    places, kinds = np.array([[0, 3], [1, 2]]), np.array([[0, 5], [4, 1]])
    captions = Scenes.of(spec).captions(places, kinds)
    assert spoken(spec, captions) == [
        "red disc upper-left and green square lower-right .",
        "green ring upper-right and red ring lower-left .",
    ]
    assert captions.shape[1] == caption_words(spec)
    for found, wanted in zip(Scenes.of(spec).meaning(captions), (places, kinds), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_what_is_drawn_is_bright_in_the_named_colour_at_the_named_place_and_nowhere_else():
    spec = ScenesSpec(**{**SMALL, "noise": 0.05, "specks": 0.01})
    pictures, captions = Scenes.of(spec).draw(200, np.random.default_rng(0))
    quarters = pictures.reshape(200, 2, 8, 2, 8, 3).swapaxes(2, 3).reshape(200, 4, 64, 3)
    bright = (quarters > 128).mean(axis=2) > 0.1  # picture, place, channel
    for shown, caption in zip(bright, spoken(spec, captions), strict=True):
        expected = np.zeros((4, 3), dtype=bool)
        for part in caption.removesuffix(" .").split(" and "):
            colour, _, place = part.split()
            expected[vocabulary(spec).index(place) - 2] = COLOURS[colour]
        np.testing.assert_array_equal(shown, expected)


def test_every_caption_is_as_likely():
    spec = ScenesSpec(**{**SMALL, "objects": 1, "figures": 2, "side": 16})
    _, captions = Scenes.of(spec).draw(8_000, np.random.default_rng(1))
    _, counts = np.unique(captions, axis=0, return_counts=True)
    assert len(counts) == 4 * 2 * 2
    assert ((counts - 500) ** 2 / 500).sum() < 37.7  # chi squared with 15 degrees of freedom, one in a thousand


@pytest.mark.slow
def test_the_likelihood_of_a_caption_is_that_of_all_its_drawings():
    world = Scenes.of(ScenesSpec(**{**SMALL, "figures": 2, "jitter": 1, "noise": 0.8}))
    pictures, captions = world.draw(6, np.random.default_rng(2))
    log_p = world.noise.log_probability
    told = world.likelihood(pictures, captions)
    views = world.views.shape[1]
    places, kinds = world.meaning(captions)
    for i, j in itertools.product(range(6), range(6)):
        choices = np.array(list(itertools.product(range(views), repeat=2)))
        masks = world._masks(np.tile(places[j], (len(choices), 1)), np.tile(kinds[j], (len(choices), 1)), choices)
        each = np.where(masks, log_p[1][pictures[i]], log_p[0][pictures[i]]).sum(axis=(1, 2, 3))
        ground = log_p[0][pictures[i]].sum()
        exact = np.log(np.exp(each - each.max()).mean()) + each.max() - ground
        assert told[i, j] == pytest.approx(exact, abs=2e-3)


def test_the_best_reader_reads_what_was_drawn_and_guesses_where_nothing_can_be_seen():
    spec = ScenesSpec(pairs=64)
    pictures, captions = Scenes.of(spec).draw(500, np.random.default_rng(3))
    assert (Scenes.of(spec).read(pictures) == captions).all(axis=1).mean() > 0.97
    blind = Scenes.of(spec.model_copy(update={"specks": 1.0}))
    unseen, truth = blind.draw(500, np.random.default_rng(4))
    assert (blind.read(unseen) == truth).all(axis=1).mean() < 0.02  # one in 3,456


def test_rows_hold_patches_then_words_and_pictures_come_back():
    pictures = np.arange(2 * 16 * 16 * 3, dtype=np.int64).reshape(2, 16, 16, 3) % 251
    rows = rows_of(pictures, np.array([[7, 8], [9, 9]]), patch=4)
    assert rows.shape == (2, 16 * 48 + 2)
    assert rows[0, :6].tolist() == [0, 1, 2, 3, 4, 5]
    assert rows[0, 12] == 48  # the second line of the first patch
    assert rows[:, -2:].tolist() == [[7, 8], [9, 9]]
    np.testing.assert_array_equal(pictures_of(rows[:, :-2], 4), pictures)


def test_a_corpus_of_pairs_is_the_same_again_and_from_the_cache():
    corpus = prepared()
    identity = corpus.identity
    assert (identity.kind, identity.shape) == ("pairs", {"patch_values": 48, "words": 8})
    assert identity.vocab_size == 2 + 4 + 2 + 3
    assert identity.train_tokens == 64 * 24
    assert corpus.train.shape == (64, 16 * 48 + 8)
    for again in (prepared(), load(identity, corpus.location)):
        assert again.identity == identity
        assert np.array_equal(again.train, corpus.train)
        assert np.array_equal(again.validation, corpus.validation)
    assert prepared(seed=1).identity.fingerprint != identity.fingerprint


def test_what_a_caption_leaves_of_the_context_must_cut_the_picture():
    with pytest.raises(UsageError, match="8 words of a caption leave 12 patches") as caught:
        prepared(context=20)
    assert "24" in caught.value.hint
    with pytest.raises(UsageError, match="fewer than 16"):
        prepared(validation_tokens=240)


def test_a_reader_counts_what_of_a_caption_a_picture_shows():
    spec = ScenesSpec(pairs=64, noise=0.1, jitter=0, angles=1, figures=4, side=24)
    world, reader = Scenes.of(spec), ScenesSource(spec, {}).reader(24)
    pictures, captions = world.draw(64, np.random.default_rng(5))
    rows = rows_of(pictures, captions, 6)
    np.testing.assert_array_equal(reader.pictures(rows), pictures)
    assert reader.captions(rows) == reader.seen(rows)
    assert all(share.mean() == 1 for share in reader.agreement(rows, rows).values())
    places, kinds = world.meaning(captions)
    asked = rows.copy()
    asked[:, -8:] = world.captions(places, (kinds + 4) % 16)  # the same figures at the same places in other colours
    told = reader.agreement(rows, asked)
    assert {name: share.mean() for name, share in told.items()} == {"place": 1, "colour": 0, "figure": 1, "scene": 0}
    asked[:, -8:] = world.captions(places, kinds // 4 * 4 + (kinds + 1) % 4)
    told = reader.agreement(rows, asked)
    assert {name: share.mean() for name, share in told.items()} == {"place": 1, "colour": 1, "figure": 0, "scene": 0}
    empty = np.full((64, 2), [[0, 3]])
    asked[:, -8:] = world.captions(empty, kinds)
    share = reader.agreement(rows, asked)["place"]
    np.testing.assert_allclose(share, (places == 0).any(axis=1) * 0.5 + (places == 3).any(axis=1) * 0.5)


def test_only_a_corpus_that_can_be_judged_has_a_reader():
    corpus = prepared()
    assert reader_of(corpus.identity, corpus.location).captions(corpus.validation[:1])[0].count(" and ") == 1
    shapes = prepare(DataSpec(source="shapes", context=16, validation_tokens=1024, shapes={"images": 64}))
    assert reader_of(shapes.identity, shapes.location) is None
