"""What is recorded of the machine and the code."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from scaling.hardware import cpu_facts, environment, git_state, package_version, process_age_s


def test_processor():
    cpu = cpu_facts()
    assert 1 <= cpu.usable_cores <= cpu.logical_cores
    assert cpu.memory_bytes > 1e8


def test_age_is_that_of_a_fork_and_not_of_what_it_was_forked_from():
    read, write = os.pipe()
    began = time.perf_counter()
    if os.fork() == 0:
        time.sleep(0.1)
        os.write(write, repr(process_age_s()).encode())
        os._exit(0)
    os.wait()
    assert 0.08 < float(os.read(read, 99)) < time.perf_counter() - began + 0.02  # the kernel counts hundredths
    assert process_age_s() > 0.1


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
