"""The how-to on corpora: every example is a corpus, in a folder that has the files it names."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from ruamel.yaml import YAML

from scaling.data import prepare
from scaling.data.documents import stdlib_files
from scaling.spec import load_sweep
from scaling.spec.schema import DataSpec

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "own-corpus.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
HEAD = "schema: 1\nname: example\ntrials: [{ladder: {sizes: [10k], horizons: [20k]}}]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the examples name."""
    import gzip

    import datasets
    from tokenizers import Tokenizer, models, trainers

    root = tmp_path_factory.mktemp("own")
    words = random.Random(0)
    texts = [" ".join("".join(words.choices("abcdefgh", k=5)) for _ in range(40)) for _ in range(1_500)]
    for name in ("my.txt", "more.txt"):
        (root / name).write_text("\n".join(texts))
    (root / "texts" / "a").mkdir(parents=True)
    (root / "texts" / "a" / "b.txt.gz").write_bytes(gzip.compress("\n".join(texts).encode()))
    (root / "stories").mkdir()
    lines = "".join(json.dumps({"story": text}) + "\n" for text in texts).encode()
    (root / "stories" / "1.jsonl.zst").write_bytes(zstandard.compress(lines))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), root / "pages.parquet")
    datasets.Dataset.from_dict({"body": texts}).save_to_disk(str(root / "my-dataset"))
    tokens = np.random.default_rng(0).integers(0, 50_257, 400_000).astype("<u2")
    for name in ("train.bin", "val.bin"):
        tokens.tofile(root / name)
    header = np.zeros(256, dtype="<i4")
    header[:3] = 20240520, 1, len(tokens)
    (root / "fineweb_train_000001.bin").write_bytes(header.tobytes() + tokens.tobytes())
    library = Tokenizer(models.BPE())
    library.train_from_iterator(texts[:100], trainers.BpeTrainer(vocab_size=300, special_tokens=["</s>"]))
    library.save(str(root / "tokenizer.json"))
    return root


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.strip()[7:60])
def test_every_example_is_a_corpus(example, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))
    if "needs the network" in example:
        DataSpec.model_validate(YAML(typ="safe").load(example)["data"])
        return
    if "python-installed" in example:  # here this Python has hundreds of MB
        monkeypatch.setattr("scaling.data.sources.installed_files", stdlib_files)
    sweep = folder / "example.yaml"
    sweep.write_text(HEAD + example)
    identity = prepare(load_sweep(sweep).spec.data).identity
    assert identity.train_tokens > 20_000
    assert identity.validation_tokens >= 16 * identity.context


def test_the_page_has_an_example_of_every_kind():
    everything = "\n".join(EXAMPLES)
    kinds = ("my.txt", ".gz", ".zst", ".parquet", "train.bin", "fineweb", "huggingface", "python-installed", "markov")
    for kind in (*kinds, "grammar", "shapes", "bpe", "hf:", "tiktoken:", "validation_path"):
        assert kind in everything
