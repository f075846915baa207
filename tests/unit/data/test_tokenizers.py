"""Tokenizers: text comes back, every byte is counted once, the same text gives the same tokens, errors are clear."""

import base64
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from scaling.data import load, prepare
from scaling.data.tokenizer import ByteTokenizer, SymbolTokenizer, find, fixed_tokenizer, keep
from scaling.data.tokenizer.hugging import train_bpe
from scaling.errors import MachineError, UsageError
from scaling.spec.schema import DataSpec

ODD = ["", " ", "naïve 日本 🦊\n\n", "  two  spaces\t", "\r\n", "e\u0301 \u00a0"]


def write_corpus(path, sentences):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in sentences))
    return str(path)


@pytest.fixture(scope="module")
def bpe(sentences):
    return train_bpe((s.encode() for s in sentences), 600)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """A file of tiktoken ranks: the bytes, and some pairs."""
    path = tmp_path_factory.mktemp("ranks") / "small.tiktoken"
    texts = [bytes([b]) for b in range(256)] + [b"th", b"he", b" a", b" b", b"ab"]
    path.write_bytes(b"".join(base64.b64encode(t) + f" {i}\n".encode() for i, t in enumerate(texts)))
    return path


@pytest.fixture(scope="module")
def unigram(tmp_path_factory, sentences):
    """A tokenizer that lowercases, drops accents and marks spaces: its tokens are no bytes of the text."""
    library = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer(lowercase=True)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]", "[SEP]"], show_progress=False)
    library.train_from_iterator(sentences, trainer)
    path = tmp_path_factory.mktemp("hf") / "tokenizer.json"
    library.save(str(path))
    return path


def every_kind(bpe, ranks, unigram):
    return [ByteTokenizer(), bpe, fixed_tokenizer(f"tiktoken:{ranks}"), fixed_tokenizer(f"hf:{unigram}")]


def test_every_byte_of_text_is_counted_once(bpe, ranks, unigram, sentences):
    documents = [s.encode() for s in [*sentences[:50], *ODD]]
    for tokenizer in every_kind(bpe, ranks, unigram):
        encoded, counted = tokenizer.encode(documents), tokenizer.byte_counts(documents)
        assert [int(c.sum()) for c in counted] == [len(d) + 1 for d in documents], tokenizer.name
        assert [len(c) for c in counted] == [len(e) for e in encoded]
        lengths = tokenizer.token_bytes()
        if lengths is not None:
            assert [int(lengths[e].sum()) for e in encoded] == [len(d) + 1 for d in documents], tokenizer.name
    assert tokenizer.token_bytes() is None  # the last one lowercases: no fixed length


def test_text_comes_back(bpe, ranks, unigram, sentences):
    for tokenizer in every_kind(bpe, ranks, unigram)[:3]:
        for text in [*sentences[:20], *ODD]:
            assert tokenizer.decode(tokenizer.prompt(text)) == text
    for tokenizer in every_kind(bpe, ranks, unigram):
        assert "\N{REPLACEMENT CHARACTER}" in ByteTokenizer().decode([255])
        assert tokenizer.vocab_size > max(max(e, default=0) for e in tokenizer.encode([s.encode() for s in sentences]))


@pytest.mark.slow
def test_bpe_is_the_same_in_another_process_with_other_threads(tmp_path, sentences, bpe):
    (tmp_path / "texts.json").write_text(json.dumps(sentences))
    code = (
        "import json, sys; from scaling.data.tokenizer.hugging import train_bpe;"
        "print(train_bpe((s.encode() for s in json.load(open(sys.argv[1]))), 600).name)"
    )
    for threads in ("1", "4"):
        command = [sys.executable, "-c", code, str(tmp_path / "texts.json")]
        env = {**os.environ, "RAYON_NUM_THREADS": threads}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        assert done.stdout.strip() == bpe.name


def test_a_corpus_of_bpe_tokens_is_exact_to_the_byte(tmp_path, sentences):
    path = write_corpus(tmp_path / "a.jsonl", sentences)
    keys = {"path": path, "context": 32, "validation_tokens": 10**7}
    plain = prepare(DataSpec(**keys))
    corpus = prepare(DataSpec(**keys, tokenizer="bpe", vocab_size=600))
    identity = corpus.identity
    assert identity.tokenizer.startswith("bpe-")
    assert identity.vocab_size == 600
    assert corpus.train.dtype == np.uint16
    assert identity.train_tokens < plain.identity.train_tokens / 2
    tokenizer = find(identity, tmp_path)
    text = tokenizer.decode(corpus.validation[:, 1:].reshape(-1).tolist()).replace("<|endoftext|>", "\0")
    assert identity.validation_bytes == len(text.encode())
    assert identity.validation_bytes == pytest.approx(plain.identity.validation_bytes, rel=0.01)  # the same documents
    held = plain.validation[:, 1:].tobytes().decode(errors="replace")
    documents = text.split("\0")[1:-1]
    assert sum(d in held for d in documents) >= len(documents) - 2
    again = load(identity, corpus.location)
    np.testing.assert_array_equal(again.train, corpus.train)


def test_bpe_is_trained_on_training_text_alone(tmp_path, sentences):
    marked = [s + " qqqqzzzz" * 30 for s in sentences[:150]]
    train = write_corpus(tmp_path / "train.jsonl", sentences)
    held = write_corpus(tmp_path / "val.jsonl", marked)
    keys = {"path": train, "validation_path": held, "context": 32, "validation_tokens": 4096, "tokenizer": "bpe"}
    corpus = prepare(DataSpec(**keys, vocab_size=600))
    library = find(corpus.identity, tmp_path).library
    assert not any("qq" in token for token in library.get_vocab())


def test_any_tokenizer_makes_a_corpus(tmp_path, sentences, ranks, unigram):
    path = write_corpus(tmp_path / "a.jsonl", sentences)
    for name in (f"tiktoken:{ranks}", f"hf:{unigram}"):
        corpus = prepare(DataSpec(path=path, context=32, validation_tokens=2048, tokenizer=name))
        identity = corpus.identity
        assert identity.validation_bytes > 0.9 * identity.validation_tokens
        again = load(identity, {**corpus.location})
        assert again.identity == identity
        assert math.isfinite(identity.validation_bytes / identity.validation_tokens)


def test_the_store_keeps_the_tokenizer_of_its_trials(tmp_path, sentences, ranks):
    path = write_corpus(tmp_path / "a.jsonl", sentences)
    for name in ("bpe", f"tiktoken:{ranks}"):
        identity = prepare(DataSpec(path=path, context=32, validation_tokens=2048, tokenizer=name)).identity
        store = tmp_path / name[:3]
        keep(find(identity, store), store)
        (tmp_path / "cache" / "tokenizers" / f"{identity.tokenizer}.json").unlink()
        found = find(identity, store)
        assert found.name == identity.tokenizer
        assert found.decode(found.prompt("the cab")) == "the cab"
        with pytest.raises(MachineError, match="neither in the store nor in the cache"):
            find(identity, tmp_path / "elsewhere")


def test_a_tokenizer_lost_from_the_cache_is_made_again_before_training(tmp_path, sentences, cache):
    path = write_corpus(tmp_path / "a.jsonl", sentences)
    os.utime(path, (0, 0))  # so that its tokens are not read again
    keys = {"path": path, "context": 32, "validation_tokens": 2048, "tokenizer": "bpe", "vocab_size": 600}
    corpus = prepare(DataSpec(**keys))
    for again in (lambda: load(corpus.identity, corpus.location), lambda: prepare(DataSpec(**keys))):
        (lost,) = (cache / "tokenizers").iterdir()
        lost.unlink()
        assert again().identity == corpus.identity
        assert lost.is_file()


def test_plain_tokenizers_are_named_in_the_identity_alone(tmp_path, sentences):
    identity = prepare(DataSpec(path=write_corpus(tmp_path / "a.jsonl", sentences), context=32)).identity
    assert find(identity, tmp_path) == ByteTokenizer(256)
    made_up = identity.model_copy(update={"tokenizer": "symbols", "vocab_size": 7})
    assert find(made_up, tmp_path).decode([1, 6]) == " 1 6"
    assert SymbolTokenizer(7).prompt("1 6") == [1, 6]
    for prompt in ("1 7", "one"):
        with pytest.raises(UsageError, match="numbers 0 to 6"):
            SymbolTokenizer(7).prompt(prompt)
    with pytest.raises(UsageError, match="7-bit"):
        ByteTokenizer(128).prompt("é")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("words", "no tokenizer called 'words'"),
        ("hf:", "no tokenizer called"),
        ("tiktoken:gpt9", "no encoding called 'gpt9'"),
        ("hf:missing.json", "not a tokenizer file"),
        ("tiktoken:missing.tiktoken", "cannot read the tokenizer"),
    ],
)
def test_a_tokenizer_that_is_none_is_refused(name, told):
    with pytest.raises(UsageError, match=told):
        fixed_tokenizer(name)


def test_a_bad_file_of_ranks_is_refused(tmp_path):
    for content in (b"no ranks", base64.b64encode(b"a") + b" 0\n"):
        (tmp_path / "bad.tiktoken").write_bytes(content)
        with pytest.raises(UsageError, match="not a file of tiktoken ranks"):
            fixed_tokenizer(f"tiktoken:{tmp_path / 'bad.tiktoken'}")


def test_text_that_is_not_utf8_needs_the_byte_tokenizer(tmp_path, bpe):
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        bpe.encode([b"fine", b"\xff\xfe"])
    assert "data.tokenizer=bytes" in caught.value.hint


@pytest.mark.parametrize("name", ["tiktoken:gpt2", "hf:some/model"])
def test_without_a_network_a_name_is_an_error_that_says_what_to_do(name, tmp_path):
    code = (
        "from scaling.data.tokenizer import fixed_tokenizer; from scaling.errors import MachineError\n"
        f"try: fixed_tokenizer({name!r})\nexcept MachineError as error: print(error.render())"
    )
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "TIKTOKEN_CACHE_DIR": str(tmp_path),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9"),
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert "cannot" in done.stdout, done.stderr
    assert "--set data.tokenizer=" in done.stdout
    assert "Traceback" not in done.stderr
