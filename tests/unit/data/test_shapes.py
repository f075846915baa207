"""Drawn pictures: the best possible classifier that is told is the one that Bayes' rule gives, by enumeration."""

import math
import struct
import zlib

import numpy as np
import pytest

from scaling.data import WindowStream, load, prepare
from scaling.data.drawing import FIGURES, PixelNoise, png, render
from scaling.data.shapes import Shapes, patch_side, rows_of
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec, ShapesSpec

SMALL = {"side": 8, "jitter": 1, "classes": 3, "images": 64}


def prepared(context=16, validation_tokens=512 * 16, **shapes):
    spec = ShapesSpec(**{**SMALL, **shapes})
    return prepare(DataSpec(source="shapes", context=context, validation_tokens=validation_tokens, shapes=spec))


def test_the_probability_of_every_grey_is_what_is_drawn():
    noise = PixelNoise.of(0.5, 0.02)
    np.testing.assert_allclose(np.exp(noise.log_probability).sum(axis=1), 1)
    counts = np.stack([np.bincount(table, minlength=256) for table in noise.tables])
    np.testing.assert_allclose(np.exp(noise.log_probability) * 65536, counts, rtol=1e-9)
    assert counts.min() >= 4  # nothing is impossible: every value has a finite likelihood
    masks = np.arange(200_000) % 2 == 1
    drawn = noise.draw(masks, np.random.default_rng(0)).astype(float)
    assert drawn[~masks].mean() == pytest.approx(96, abs=1)
    assert drawn[masks].mean() == pytest.approx(160, abs=1)


def test_the_posterior_is_that_of_all_views_enumerated():
    world = Shapes.of(ShapesSpec(**SMALL, noise=0.8, wrong_labels=0.1))
    pictures, _ = world.draw(40, np.random.default_rng(1))
    log_p = world.noise.log_probability
    for picture, told in zip(pictures, world.posterior(pictures), strict=True):
        each = np.where(world.templates, log_p[1][picture], log_p[0][picture]).sum(axis=(2, 3))
        likelihood = np.exp(each - each.max()).sum(axis=1)
        shown = likelihood / likelihood.sum()
        confusion = np.where(np.eye(3, dtype=bool), 0.9, 0.05)
        np.testing.assert_allclose(told, shown @ confusion, rtol=2e-3, atol=1e-6)


def test_labels_are_as_uncertain_as_the_posterior_says():
    world = Shapes.of(ShapesSpec(noise=0.8, jitter=1))
    pictures, labels = world.draw(4_000, np.random.default_rng(2))
    posterior = world.posterior(pictures)
    np.testing.assert_allclose(posterior.sum(axis=1), 1)
    right = posterior.argmax(axis=1) == labels
    expected = posterior.max(axis=1)
    assert right.mean() == pytest.approx(expected.mean(), abs=4 * np.sqrt((expected * (1 - expected)).mean() / 4_000))
    surprise = -np.log(posterior[np.arange(4_000), labels])
    entropy = -(posterior * np.log(posterior)).sum(axis=1)
    assert surprise.mean() == pytest.approx(entropy.mean(), abs=4 * (surprise - entropy).std() / math.sqrt(4_000))


def test_without_pixel_noise_only_the_wrong_labels_are_left():
    found = prepared(side=16, noise=0.05, wrong_labels=0.2, validation_tokens=4096 * 16).identity
    exact = -0.8 * math.log(0.8) - 0.2 * math.log(0.1)
    assert found.entropy_nats == pytest.approx(exact, abs=0.002)
    assert found.validation_entropy_nats == pytest.approx(exact, abs=0.05)
    assert found.best_accuracy == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / 4096))


def test_every_figure_differs_from_every_other_at_every_angle():
    drawn = {name: {render(name, 5.0, angle, 16).tobytes() for angle in range(8)} for name in FIGURES}
    names = list(drawn)
    assert not any(drawn[a] & drawn[b] for i, a in enumerate(names) for b in names[i + 1 :])
    assert len(drawn["ell"]) == 8
    assert len(drawn["ring"]) == 1


def test_a_row_holds_the_patches_left_to_right_and_down_and_then_the_label():
    picture = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    (row,) = rows_of(picture, np.array([7], dtype=np.uint8), patch=4)
    assert row[:4].tolist() == [0, 1, 2, 3]
    assert row[4] == 8
    assert row[16:20].tolist() == [4, 5, 6, 7]
    assert row[32] == 32
    assert row[-1] == 7


def test_patches_must_fill_the_picture():
    assert patch_side(16, 16) == 4
    for patches in (15, 9):
        with pytest.raises(UsageError, match="patches") as caught:
            patch_side(16, patches)
        assert "16" in str(caught.value.hint)


def test_a_corpus_of_pictures_is_the_same_again_and_from_the_cache():
    corpus = prepared()
    assert corpus.identity.kind == "images"
    assert corpus.identity.train_tokens == 64 * 16
    assert corpus.train.shape == (64, 65)
    assert corpus.validation.shape == (512, 65)
    for again in (prepared(), load(corpus.identity, corpus.location)):
        assert again.identity == corpus.identity
        assert np.array_equal(again.train, corpus.train)
        assert np.array_equal(again.validation, corpus.validation)
    assert prepared(seed=1).identity.fingerprint != corpus.identity.fingerprint
    assert not {row.tobytes() for row in corpus.train} & {row.tobytes() for row in corpus.validation}


def test_an_epoch_shows_every_picture_once():
    corpus = prepared()
    stream = WindowStream(corpus.train, 16, 8, seed=3)
    seen = np.concatenate([stream.batch(step) for step in range(8)])
    assert sorted(map(bytes, seen)) == sorted(map(bytes, np.asarray(corpus.train)))
    assert not np.array_equal(stream.batch(8), stream.batch(0))
    assert stream.tokens_unique(10**9) == 64 * 16


def test_a_png_file_holds_the_picture_line_by_line():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    data, parts = png(picture), {}
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + body),)
        parts[name] = body
        at += 12 + length
    assert list(parts) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", parts[b"IHDR"]) == (7, 5, 8, 2, 0, 0, 0)
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), dtype=np.uint8).reshape(5, 22)
    assert not lines[:, 0].any()
    np.testing.assert_array_equal(lines[:, 1:].reshape(5, 7, 3), picture)
