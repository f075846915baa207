"""Hugging Face datasets: from a folder, streamed; what cannot be had is said."""

import json
import os
import subprocess
import sys

import datasets
import pytest

from scaling.data import load, prepare
from scaling.errors import UsageError
from scaling.spec.schema import DataSpec


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf")


def spec_of(folder, **keys):
    return DataSpec(source="huggingface", dataset=str(folder), context=32, **{"validation_tokens": 2048, **keys})


def test_a_dataset_gives_the_same_corpus_as_its_text(tmp_path, sentences):
    """A folder of files as on the hub, and one that ``save_to_disk`` wrote."""
    files, saved, text = tmp_path / "files", tmp_path / "saved", tmp_path / "a.jsonl"
    files.mkdir()
    lines = "".join(json.dumps({"text": s}) + "\n" for s in sentences)
    (files / "train.jsonl").write_text(lines)
    (files / "test.jsonl").write_text(json.dumps({"text": "another split"}) + "\n")
    text.write_text(lines)
    datasets.Dataset.from_dict({"text": sentences}).save_to_disk(str(saved))
    plain = prepare(DataSpec(path=str(text), context=32, validation_tokens=2048)).identity
    for folder in (files, saved):
        corpus = prepare(spec_of(folder))
        assert corpus.identity.source == "huggingface"
        assert corpus.identity.fingerprint == plain.fingerprint
        assert corpus.identity.validation_fingerprint == plain.validation_fingerprint
        assert load(corpus.identity, corpus.location).identity == corpus.identity


def test_another_column_and_a_limit(tmp_path, sentences):
    datasets.Dataset.from_dict({"body": sentences}).save_to_disk(str(tmp_path / "saved"))
    size = sum(len(s.encode()) for s in sentences)
    corpus = prepare(spec_of(tmp_path / "saved", field="body", max_bytes=size // 4))
    assert corpus.identity.train_tokens == pytest.approx(0.225 * size, rel=0.1)
    with pytest.raises(UsageError, match="no column 'text'") as caught:
        prepare(spec_of(tmp_path / "saved"))
    assert "it has body" in caught.value.hint


def test_a_name_needs_a_limit_and_a_source_needs_a_name():
    with pytest.raises(UsageError, match=r"needs data\.max_bytes"):
        prepare(spec_of("someone/something"))
    with pytest.raises(UsageError, match=r"needs data\.dataset"):
        prepare(DataSpec(source="huggingface"))


def test_a_split_that_is_not_there_is_refused(tmp_path, sentences):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "train.jsonl").write_text(json.dumps({"text": sentences[0]}) + "\n")
    with pytest.raises(UsageError, match="cannot open the dataset"):
        prepare(spec_of(tmp_path / "files", split="nowhere"))


@pytest.mark.slow
def test_without_a_network_the_hub_is_an_error_that_says_what_to_do(tmp_path):
    code = (
        "from scaling.data import prepare; from scaling.spec.schema import DataSpec\n"
        "from scaling.errors import ScalingError\n"
        "try: prepare(DataSpec(source='huggingface', dataset='someone/something', max_bytes=1000))\n"
        "except ScalingError as error: print(error.render())"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "SCALING_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert "someone/something" in done.stdout, done.stderr
    assert "hint" in done.stdout.lower() or "data.path" in done.stdout
