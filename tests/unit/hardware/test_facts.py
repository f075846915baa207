"""What is recorded of the machine and the code."""

import json
import socket
import subprocess
import sys

import pytest

from scaling.hardware import cpu_facts, environment, git_state, package_version


def test_processor():
    cpu = cpu_facts()
    assert 1 <= cpu.usable_cores <= cpu.logical_cores
    assert cpu.memory_bytes > 1e8


def test_environment_is_json_and_hides_the_host(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    facts = environment()
    text = json.dumps(facts)
    assert facts["variables"]["OMP_NUM_THREADS"] == "3"
    assert facts["versions"]["numpy"]
    assert f'"{socket.gethostname()}"' not in text


def test_environment_imports_no_torch():
    code = "import sys; from scaling.hardware import environment; environment(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_missing_package():
    assert package_version("no-such-distribution") is None


@pytest.fixture
def checkout(tmp_path):
    def git(*args):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *args], check=True, capture_output=True)

    git("init")
    (tmp_path / "a.txt").write_text("1")
    git("add", "a.txt")
    git("commit", "-m", "first")
    return tmp_path


def test_git_state(checkout):
    state = git_state(checkout)
    assert len(state["sha"]) == 40
    assert state["dirty"] is False
    (checkout / "new.txt").write_text("untracked")
    assert git_state(checkout)["dirty"] is False
    (checkout / "a.txt").write_text("2")
    assert git_state(checkout / "a.txt")["dirty"] is True


def test_no_checkout(tmp_path):
    assert git_state(tmp_path) is None


def test_no_git(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_state(checkout) is None
