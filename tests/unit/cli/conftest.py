import random
from typing import NamedTuple

import pytest

from scaling.cli import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def scaling(monkeypatch, capsys, tmp_path):
    """Run the command line in this process, in an empty folder with its own cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*args):
        monkeypatch.setattr("sys.argv", ["scaling", *args])
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        else:
            code = 0
        out, err = capsys.readouterr()
        return Outcome(int(code), out, err)

    return run


@pytest.fixture
def text(tmp_path):
    """A small corpus in the current folder: my.txt."""
    letters = bytes(b"abcdefg "[i % 8] for i in range(256))
    path = tmp_path / "my.txt"
    path.write_bytes(random.Random(0).randbytes(900_000).translate(letters))
    return path
