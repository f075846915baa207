"""Files as documents: every format, plain and packed; a damaged one is named, with what to do."""

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from scaling.data.readers import FileReader, format_of, resolve_paths
from scaling.errors import UsageError


def documents(path, kind="auto", field="text", whole=True):
    return list(FileReader([path], kind, field, whole)())


def as_jsonl(texts, field="text"):
    return "".join(json.dumps({field: text, "other": 1}) + "\n" for text in texts).encode()


@pytest.mark.parametrize("pack", [None, "gz", "zst"])
@pytest.mark.parametrize("kind", ["jsonl", "txt"])
def test_packed_or_plain_a_file_gives_the_same_documents(tmp_path, sentences, kind, pack):
    content = as_jsonl(sentences) if kind == "jsonl" else "\n".join(sentences).encode()
    squeeze = {None: bytes, "gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}[pack]
    path = tmp_path / f"a.{kind}{f'.{pack}' if pack else ''}"
    path.write_bytes(squeeze(content))
    found = documents(path)
    if kind == "jsonl":
        assert [d.decode() for d in found] == sentences
    else:
        assert b"".join(found) == content
        assert len(found) > 50


def test_parquet_gives_the_rows_of_its_column(tmp_path, sentences):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"body": [*sentences, None, ""], "n": range(2_002)}), path)
    assert [d.decode() for d in documents(path, field="body")] == sentences
    with pytest.raises(UsageError, match="no column 'text'") as caught:
        documents(path)
    assert "body, n" in caught.value.hint


def test_how_a_text_is_cut_depends_on_its_own_length(tmp_path):
    short, long = tmp_path / "short.txt", tmp_path / "long.txt"
    short.write_bytes(b"x" * 16_384)
    long.write_bytes(b"y" * 16_385)
    assert documents(short) == [b"x" * 16_384]
    assert [len(d) for d in documents(long)] == [4_096] * 4 + [1]


def test_text_is_cut_between_characters_unless_the_token_is_the_byte(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x" + "日" * 800_000)
    cut = documents(path)
    assert all(len(d.decode()) > 0 for d in cut)
    assert b"".join(cut) == path.read_bytes()
    raw = documents(path, whole=False)
    assert {len(d) for d in raw[:-1]} == {4_096}
    assert b"".join(raw) == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"text": "good"}\nnot json\n', "a.jsonl:2"),
        ("a.jsonl", b'{"content": "good"}\n', "'content'"),
        ("a.jsonl", b'{"text": 3}\n', "no text in 'text'"),
        ("a.jsonl", b"[1]\n", "no text in 'text'"),
        ("a.txt.gz", b"not packed at all", "cannot be unpacked"),
        ("a.txt.gz", gzip.compress(bytes(50_000))[:-20], "cannot be unpacked"),
        ("a.txt.zst", b"not packed at all", "cannot be unpacked"),
        ("a.parquet", b"PAR1 no PAR1", "cannot read the Parquet file"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        documents(tmp_path / name)
    rendered = caught.value.render()
    assert told in rendered
    assert name in rendered


def test_formats_go_by_name():
    names = ("a.txt", "a.jsonl", "a.jsonl.zst", "a.ndjson.gz", "a.parquet", "a.bin", "README")
    kinds = ["text", "jsonl", "jsonl", "jsonl", "parquet", "tokens", "text"]
    from pathlib import Path

    assert [format_of(Path(name)) for name in names] == kinds


def test_files_folders_and_globs_are_one_sorted_list(tmp_path):
    for name in ("b/1.txt", "a.txt", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = resolve_paths([str(tmp_path / "c*"), str(tmp_path / "b"), str(tmp_path / "a.txt"), str(tmp_path / "c.txt")])
    assert [p.name for p in found] == ["a.txt", "1.txt", "c.txt"]
