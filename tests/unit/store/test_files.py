import json
import multiprocessing
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import MachineError
from scaling.store import files
from scaling.store.files import BadRecord, append_line, publish, read_json, read_jsonl, read_last_line, write_atomic


def test_write_replaces_and_leaves_no_temporary_file(tmp_path):
    path = tmp_path / "new folder" / "ü.json"
    write_atomic(path, "one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["ü.json"]


def test_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomic(path, "old")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(MachineError) as caught:
        write_atomic(path, "new")
    assert "No space left" in caught.value.what
    assert str(path) == caught.value.where
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_publish_first_wins_and_nothing_changes_it(tmp_path):
    path = tmp_path / "points" / "10.json"
    assert publish(path, {"a": 1})
    assert not publish(path, {"a": 2})
    assert read_json(path) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["10.json"]


def _compete(path, start, won, number):
    start.wait()
    if publish(path, {"winner": number, "filler": "x" * 100_000}):
        won.put(number)


def test_publish_among_processes_has_one_winner_and_a_whole_file(tmp_path):
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        path = tmp_path / f"{attempt}.json"
        start, won = context.Event(), context.SimpleQueue()
        racers = [context.Process(target=_compete, args=(path, start, won, n)) for n in range(4)]
        for racer in racers:
            racer.start()
        start.set()
        for racer in racers:
            racer.join()
            assert racer.exitcode == 0
        winner = won.get()
        assert won.empty()
        assert read_json(path)["winner"] == winner


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_a_number_is_never_written(tmp_path, bad):
    for write in (publish, append_line):
        with pytest.raises(ValueError, match="JSON"):
            write(tmp_path / "x", {"loss": bad})
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25, deadline=None)
@given(
    documents=st.lists(
        st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.integers(), max_size=2), max_size=3
    ),
    share=st.floats(0, 1),
)
def test_lines_cut_anywhere_lose_at_most_the_last(tmp_path_factory, documents, share):
    path = tmp_path_factory.getbasetemp() / "curve.jsonl"
    path.write_bytes(b"")
    for document in documents:
        append_line(path, document)
    whole = path.read_bytes()
    assert read_jsonl(path) == (documents, False)
    kept = whole[: int(share * len(whole))]
    path.write_bytes(kept)
    lines, torn = read_jsonl(path)
    assert lines == documents[: kept.count(b"\n")]
    assert torn == (kept != b"" and not kept.endswith(b"\n"))


def test_damage_before_the_end_is_an_error_with_file_and_line(tmp_path):
    path = tmp_path / "curve.jsonl"
    path.write_text('{"step": 1}\n{"step": \n{"step": 3}\n')
    with pytest.raises(BadRecord) as caught:
        read_jsonl(path)
    assert caught.value.where == f"{path}:2"
    assert "mv" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b'{"a": 1', b"[1]", b'{"a": NaN}', b'{"a": "\xff"}', b"[" * 100_000, b"\0" * 64]
)
def test_what_is_no_record_is_refused_by_name(tmp_path, content):
    path = tmp_path / "end.json"
    path.write_bytes(content)
    with pytest.raises(BadRecord) as caught:
        read_json(path)
    assert "end.json" in caught.value.render()


def test_every_truncation_of_a_record_is_refused(tmp_path):
    path = tmp_path / "p.json"
    whole = files.dump_json({"tokens": 10, "text": "ü"})
    for cut in range(len(whole) - 1):  # without its final newline a record is whole
        path.write_bytes(whole[:cut])
        if cut < len(whole.rstrip()):
            with pytest.raises(BadRecord):
                read_json(path)


def test_links_pipes_and_huge_files_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"password": 1}))
    link = tmp_path / "link.json"
    link.symlink_to(secret)
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    huge = tmp_path / "huge.json"
    huge.touch()
    os.truncate(huge, files.MAX_RECORD_BYTES + 1)
    for path, word in ((link, "link"), (pipe, "regular"), (huge, "bytes")):
        with pytest.raises(BadRecord, match=word):
            read_json(path)


def test_append_to_a_full_device_says_so():
    with pytest.raises(MachineError, match="No space left"):
        append_line(files.Path("/dev/full"), {"a": 1})


def test_last_line_is_the_last_whole_one(tmp_path):
    path = tmp_path / "curve.jsonl"
    assert read_last_line(path) is None
    for step in range(500):
        append_line(path, {"step": step, "filler": "x" * 50})
    with path.open("ab") as file:
        file.write(b'{"step": 9')
    assert read_last_line(path)["step"] == 499
