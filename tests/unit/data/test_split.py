"""The split: by the hash of a document, whatever else there is; and nothing read twice for nothing."""

import json
import os
import time

import numpy as np
import pytest

from scaling.data import load, prepare
from scaling.data.readers import FileReader
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec


def write_jsonl(path, texts):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def spec_of(path, **keys):
    return DataSpec(path=path, context=32, **{"validation_tokens": 10**7, **keys})  # all that is held out


def parts(corpus):
    """Return the training and the validation text."""
    first, rest = corpus.validation[:, :-1], corpus.validation[-1, -1:]
    return corpus.train.tobytes(), first.tobytes() + rest.tobytes()


@pytest.mark.parametrize("names", [["a.jsonl"], ["b.jsonl", "0.jsonl"], [f"{i}.jsonl" for i in range(60)]])
def test_more_files_move_no_document_across_the_split(tmp_path, sentences, names):
    folder = tmp_path / "texts"
    folder.mkdir()
    write_jsonl(folder / "m.jsonl", sentences[:800])
    before_train, before_held = parts(prepare(spec_of(str(folder))))
    for i, name in enumerate(names):
        write_jsonl(folder / name, sentences[800 + 10 * i : 810 + 10 * i])
    train, held = parts(prepare(spec_of(str(folder))))
    assert set(before_train.split(b"\0")) < set(train.split(b"\0"))
    kept = set(before_held.split(b"\0")[:-1]) - {b""}  # the last one is cut by the last window
    assert kept <= set(held.split(b"\0"))


def test_fifty_text_files_are_cut_like_forty_nine(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(50):
        size = 20_000 if i % 2 else 5_000
        (folder / f"{i:02}.txt").write_bytes(rng.integers(97, 123, size, dtype=np.uint8).tobytes())
    all_of_it = prepare(spec_of(str(folder)))
    (folder / "49.txt").unlink()
    fewer = prepare(spec_of(str(folder)))
    assert set(fewer.train.tobytes().split(b"\0")) < set(all_of_it.train.tobytes().split(b"\0"))


def test_own_validation_text_is_all_of_it_and_never_trained_on(tmp_path, sentences):
    train = write_jsonl(tmp_path / "train.jsonl", sentences[:500])
    own = write_jsonl(tmp_path / "val.jsonl", sentences[400:600])
    corpus = prepare(spec_of(train, validation_path=own))
    text, held = parts(corpus)
    assert text.decode().split("\0") == sentences[:400]
    assert held.decode(errors="replace").split("\0")[:-1] == sentences[400:599]
    again = load(corpus.identity, corpus.location)
    np.testing.assert_array_equal(again.validation, corpus.validation)


def test_max_bytes_takes_the_first_documents(tmp_path, sentences):
    path = write_jsonl(tmp_path / "a.jsonl", sentences)
    size = len(path) and sum(len(s.encode()) for s in sentences)
    half = prepare(spec_of(path, max_bytes=size // 2))
    assert half.identity.train_tokens == pytest.approx(0.45 * size, rel=0.06)


def test_inputs_that_did_not_change_are_not_read_again(tmp_path, sentences, monkeypatch):
    path = tmp_path / "a.jsonl"
    write_jsonl(path, sentences)
    old = time.time() - 3_600
    os.utime(path, (old, old))
    first = prepare(spec_of(str(path))).identity
    monkeypatch.setattr(FileReader, "__call__", lambda self: pytest.fail("read again"))
    assert prepare(spec_of(str(path))).identity == first
    os.utime(path, (old + 1, old + 1))
    with pytest.raises(pytest.fail.Exception, match="read again"):
        prepare(spec_of(str(path)))


def test_a_file_written_just_now_is_read_again(tmp_path, sentences):
    path = tmp_path / "a.jsonl"
    write_jsonl(path, sentences)
    first = prepare(spec_of(str(path))).identity
    state = path.stat()
    write_jsonl(path, [s.replace(".", "!") for s in sentences])
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # as fast a change as a clock can miss
    assert path.stat().st_size == state.st_size
    assert prepare(spec_of(str(path))).identity != first


def test_a_cache_that_cannot_be_written_is_no_loss(tmp_path, sentences, monkeypatch):
    path = write_jsonl(tmp_path / "a.jsonl", sentences)
    kept = prepare(spec_of(path))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "file"))
    corpus = prepare(spec_of(path))
    np.testing.assert_array_equal(load(corpus.identity, corpus.location).train, kept.train)


def test_text_and_tokens_do_not_mix(tmp_path):
    for name in ("a.txt", "b.bin"):
        (tmp_path / name).write_bytes(bytes(100))
    with pytest.raises(UsageError, match="cannot be one corpus"):
        prepare(spec_of(str(tmp_path)))


@pytest.mark.slow
def test_everything_installed_is_a_corpus_larger_than_the_library(monkeypatch):
    from scaling.data import documents

    files = documents.installed_files()
    assert len(files) == len(set(files)) > len(documents.stdlib_files())
    monkeypatch.setattr("scaling.data.sources.installed_files", lambda: files[:300])
    corpus = prepare(DataSpec(source="python-installed"))
    assert corpus.identity.source == "python-installed"
    assert corpus.identity.vocab_size == 128
