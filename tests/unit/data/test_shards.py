"""Files of tokens: mapped, divided by the hash of their blocks, checked against their vocabulary."""

import base64

import numpy as np
import pytest

from scaling.data import WindowStream, load, prepare
from scaling.data.stream import TokenRuns
from scaling.data.tokenizer import find
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec

BLOCK = 4_096


def tokens_of(seed, number=60 * BLOCK + 100, vocab=50_257):
    return np.random.default_rng(seed).integers(0, vocab, number)


def nanogpt(path, tokens):
    tokens.astype("<u2").tofile(path)
    return path


def llm_c(path, tokens, magic=20240520, version=1, dtype="<u2"):
    header = np.zeros(256, dtype="<i4")
    header[:3] = magic, version, len(tokens)
    path.write_bytes(header.tobytes() + tokens.astype(dtype).tobytes())
    return path


def spec_of(*paths, **keys):
    return DataSpec(path=[str(p) for p in paths], context=64, **{"validation_tokens": 4_096, **keys})


def windows(corpus):
    stream = WindowStream(corpus.train, 64, 1, seed=0)
    return {stream.batch(i).tobytes() for i in range(stream.windows)}


def test_both_layouts_hold_the_same_tokens(tmp_path):
    tokens = tokens_of(0)
    raw = prepare(spec_of(nanogpt(tmp_path / "a.bin", tokens), vocab_size=50_257))
    told = prepare(spec_of(llm_c(tmp_path / "b.bin", tokens)))
    assert raw.identity == told.identity
    assert raw.identity.vocab_size == 50_257
    assert raw.identity.validation_bytes is None  # the text is not known
    assert raw.identity.tokenizer == "symbols"
    assert raw.validation.dtype == np.uint16
    assert windows(raw) == windows(told)


def test_llama_tokens_need_wider_numbers(tmp_path):
    tokens = tokens_of(0, vocab=128_256)
    corpus = prepare(spec_of(llm_c(tmp_path / "a.bin", tokens, 20240801, 7, "<u4")))
    assert corpus.identity.vocab_size == 128_256
    assert corpus.validation.dtype == np.uint32
    assert int(corpus.validation.max()) > 2**16


def test_tokens_are_mapped_not_loaded(tmp_path):
    corpus = prepare(spec_of(nanogpt(tmp_path / "a.bin", tokens_of(0)), vocab_size=50_257))
    assert isinstance(corpus.train, TokenRuns)
    assert all(isinstance(array.base, np.memmap) for array in corpus.train._arrays)


def test_training_and_validation_are_parts_of_the_file_and_share_nothing(tmp_path):
    tokens = tokens_of(0)
    corpus = prepare(spec_of(nanogpt(tmp_path / "a.bin", tokens), vocab_size=50_257, validation_tokens=10**6))
    whole = tokens.astype("<u2").tobytes()
    train, held = windows(corpus), {w.tobytes() for w in corpus.validation}
    assert all(window in whole for window in train | held)
    assert not train & held
    assert 0.75 < len(train) * 64 / len(tokens) < 0.98
    assert len(corpus.train) == corpus.identity.train_tokens


def test_more_shards_move_no_block_across_the_split(tmp_path):
    first = nanogpt(tmp_path / "m.bin", tokens_of(0))
    before = prepare(spec_of(first, vocab_size=50_257, validation_tokens=10**6))
    others = [nanogpt(tmp_path / f"{name}.bin", tokens_of(i + 1)) for i, name in enumerate("az")]
    after = prepare(spec_of(first, *others, vocab_size=50_257, validation_tokens=10**6))
    assert windows(before) < windows(after)
    assert {w.tobytes() for w in before.validation} < {w.tobytes() for w in after.validation}


def test_own_validation_shards_leave_all_others_to_training(tmp_path):
    train, own = nanogpt(tmp_path / "train.bin", tokens_of(0)), nanogpt(tmp_path / "val.bin", tokens_of(1))
    corpus = prepare(spec_of(train, validation_path=str(own), vocab_size=50_257))
    assert corpus.identity.train_tokens == len(tokens_of(0))
    assert all(w.tobytes() in own.read_bytes() for w in corpus.validation)
    again = load(corpus.identity, corpus.location)
    np.testing.assert_array_equal(again.validation, corpus.validation)
    assert again.identity == corpus.identity


def test_with_their_tokenizer_the_text_of_tokens_is_known(tmp_path):
    texts = [bytes([b]) for b in range(256)] + [b"th", b"the ", b"ab"]
    ranks = tmp_path / "small.tiktoken"
    ranks.write_bytes(b"".join(base64.b64encode(t) + f" {i}\n".encode() for i, t in enumerate(texts)))
    path = nanogpt(tmp_path / "a.bin", tokens_of(0, vocab=259))
    corpus = prepare(spec_of(path, tokenizer=f"tiktoken:{ranks}"))
    assert corpus.identity.vocab_size == 260  # with the end of text
    assert corpus.identity.validation_bytes == sum(len(texts[t]) for t in corpus.validation[:, 1:].reshape(-1))
    assert find(corpus.identity, tmp_path).decode([257, 258]) == "the ab"


def test_runs_too_short_for_a_window_are_passed_over():
    array = np.arange(100, dtype=np.uint16)
    starts, lengths = np.array([0, 10, 14, 50]), np.array([9, 3, 13, 5])
    runs = TokenRuns([array], np.zeros(4, dtype=np.int64), starts, lengths, "")
    assert runs.windows(4) == 2 + 0 + 3 + 1
    found = runs.take(np.arange(6), 4)
    assert found[:, 0].tolist() == [0, 4, 14, 18, 22, 50]
    assert (np.diff(found.astype(int), axis=1) == 1).all()


def test_a_changed_file_is_noticed(tmp_path):
    path = nanogpt(tmp_path / "a.bin", tokens_of(0))
    corpus = prepare(spec_of(path, vocab_size=50_257))
    nanogpt(path, tokens_of(5))
    with pytest.raises(UsageError, match="not the one"):
        load(corpus.identity, corpus.location)


@pytest.mark.parametrize(
    ("content", "keys", "told"),
    [
        (bytes(4_096), {}, "does not tell its vocabulary"),
        (tokens_of(0).astype("<u2").tobytes(), {"vocab_size": 1_000}, "outside the vocabulary of 1,000"),
        (bytes(4_097), {"vocab_size": 100}, "not a whole file of tokens"),
        (b"", {"vocab_size": 100}, "not a whole file of tokens"),
        (bytes(4_096), {"vocab_size": 100}, "fewer than 16 windows"),
        (bytes(4_096), {"tokenizer": "bpe"}, "tokenized already"),
    ],
)
def test_a_bad_file_is_an_error_that_says_what_to_do(tmp_path, content, keys, told):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(UsageError, match=told) as caught:
        prepare(spec_of(tmp_path / "a.bin", **keys))
    assert caught.value.hint


def test_a_torn_file_of_llm_c_is_refused(tmp_path):
    path = llm_c(tmp_path / "a.bin", tokens_of(0))
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(UsageError, match="not a whole file"):
        prepare(spec_of(path))


def test_a_step_of_runs_is_its_windows_in_the_seeded_order(tmp_path):
    corpus = prepare(spec_of(nanogpt(tmp_path / "a.bin", tokens_of(0)), vocab_size=50_257))
    stream = WindowStream(corpus.train, 64, 8, seed=3)
    seen = np.concatenate([stream.batch(step) for step in range(stream.windows // 8)])
    assert len({w.tobytes() for w in seen}) == len(seen)
    np.testing.assert_array_equal(WindowStream(corpus.train, 64, 8, seed=3).batch(5), stream.batch(5))
