"""A corpus: the split follows content, the fingerprint follows the text, errors name the place."""

import numpy as np
import pytest

from scaling.data import WindowStream, load, prepare
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_text(path, seed=0, size=400_000, high=False):
    rng = np.random.default_rng(seed)
    letters = rng.integers(97, 123, size, dtype=np.uint8)
    if high:
        letters[::50] = 200
    path.write_bytes(letters.tobytes())
    return path


def spec_of(path, **keys):
    return DataSpec(path=str(path), context=64, validation_tokens=4096, **keys)


def test_training_and_validation_share_no_block(tmp_path):
    corpus = prepare(spec_of(write_text(tmp_path / "a.txt")))
    train = corpus.train.tobytes()
    assert not any(window.tobytes() in train for window in corpus.validation)
    assert corpus.validation.shape == (64, 65)


def test_repeated_documents_count_once(tmp_path):
    block = np.random.default_rng(0).integers(97, 123, 4_096, dtype=np.uint8).tobytes()
    other = write_text(tmp_path / "a.txt").read_bytes()
    (tmp_path / "a.txt").write_bytes(block * 5 + other[: 4_096 * 80])
    corpus = prepare(spec_of(tmp_path / "a.txt"))
    assert corpus.train.tobytes().count(block) <= 1
    assert corpus.identity.train_tokens < len(other)


def test_the_validation_set_does_not_move_when_text_is_added(tmp_path):
    text = write_text(tmp_path / "a.txt")
    first = prepare(spec_of(text))
    text.write_bytes(text.read_bytes()[: 4_096 * 97] + write_text(tmp_path / "b.txt", seed=1).read_bytes())
    second = prepare(spec_of(text))
    held_out = {w.tobytes() for w in second.validation}
    assert first.identity.fingerprint != second.identity.fingerprint
    assert held_out  # blocks held out before are never trained on now
    assert not any(w.tobytes() in second.train.tobytes() for w in first.validation)


def test_a_seven_bit_corpus_has_the_smaller_vocabulary(tmp_path):
    assert prepare(spec_of(write_text(tmp_path / "a.txt"))).identity.vocab_size == 128
    assert prepare(spec_of(write_text(tmp_path / "b.txt", high=True))).identity.vocab_size == 256


def test_load_reads_the_cache_and_notices_a_changed_corpus(tmp_path, cache):
    text = write_text(tmp_path / "a.txt")
    corpus = prepare(spec_of(text))
    again = load(corpus.identity, corpus.location)
    np.testing.assert_array_equal(again.train, corpus.train)
    np.testing.assert_array_equal(again.validation, corpus.validation)
    (cached,) = (cache / "corpora").iterdir()
    damaged = bytearray(cached.read_bytes())
    damaged[100] ^= 1
    cached.write_bytes(damaged)
    np.testing.assert_array_equal(load(corpus.identity, corpus.location).train, corpus.train)
    cached.unlink()
    write_text(text, seed=9)
    with pytest.raises(UsageError, match="not the one"):
        load(corpus.identity, corpus.location)


@pytest.mark.parametrize("content", [None, b"", b"too short"])
def test_no_text_is_an_error_that_says_what_to_do(tmp_path, content):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        prepare(spec_of(path))
    assert caught.value.hint


def test_batches_depend_on_step_and_seed_alone_and_cover_an_epoch(tmp_path):
    train = np.arange(6401, dtype=np.int64).astype(np.uint8)
    stream = WindowStream(train, 64, 5, seed=1)
    order = [stream.batch(step) for step in range(20)]
    np.testing.assert_array_equal(WindowStream(train, 64, 5, seed=1).batch(7), order[7])
    assert not np.array_equal(WindowStream(train, 64, 5, seed=2).batch(7), order[7])
    seen = {stream._window(i) for i in range(stream.windows)}
    assert seen == set(range(100))
    assert stream.tokens_unique(10**9) == 6400


def test_the_standard_library_is_a_corpus_on_every_machine():
    corpus = prepare(DataSpec())
    assert corpus.identity.source.startswith("python-stdlib-3.")
    assert corpus.identity.vocab_size == 128
    assert corpus.identity.train_tokens > 5_000_000
    assert corpus.identity.validation_tokens == 65_536
