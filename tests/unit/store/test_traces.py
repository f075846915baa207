"""What an attempt leaves beside its records: the last attempt counts, torn lines are told, links lead nowhere."""

import pytest

from scaling.store.files import BadRecord
from scaling.store.layout import TrialFolder
from scaling.store.traces import log_tail, read_power


@pytest.fixture
def folder(tmp_path):
    found = TrialFolder(tmp_path / "store", "t1")
    for number in (1, 2):
        (found.path / f"a{number}").mkdir(parents=True)
    return found


def test_nothing_kept_is_none(folder):
    assert log_tail(folder) is None
    assert read_power(folder) is None


def test_the_last_attempt_that_has_a_log_is_read_from_its_end(folder):
    folder.attempt(1).log_path.write_text("\n".join(f"line {k}" for k in range(50)) + "\n\n 1%\r 50%\r 100%\nend \n")
    folder.attempt(2).log_path.write_text("")
    assert log_tail(folder, 4) == "line 48\nline 49\n 100%\nend"
    folder.attempt(2).log_path.write_bytes(b"caf\xe9\n")
    assert log_tail(folder) == "caf\ufffd"


def test_power_keeps_its_windows_and_counts_what_is_no_sample(folder):
    lines = ["seconds,power_w,window,throttled", "0.1,300.5,train,", "0.2,301.0,train,power cap", "0.3,30"]
    folder.attempt(1).power_path.write_text("\n".join(lines))
    found = read_power(folder)
    assert found.samples == ((0.1, 300.5, "train", ""), (0.2, 301.0, "train", "power cap"), (0.3, 30.0, "", ""))
    folder.attempt(1).power_path.write_text("\n".join([*lines[:3], "0.3,"]))
    assert read_power(folder).unreadable == 1
    folder.attempt(1).power_path.write_text("seconds,power_w,window\n0.1,300.5,train\n")  # before throttling was told
    assert read_power(folder).samples == ((0.1, 300.5, "train", ""),)


def test_a_link_out_of_the_store_is_not_followed(folder, tmp_path):
    (tmp_path / "secret").write_text("key")
    folder.attempt(2).log_path.symlink_to(tmp_path / "secret")
    with pytest.raises(BadRecord, match="leads out"):
        log_tail(folder)
