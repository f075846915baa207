import os
import subprocess
import sys

import pytest
from support.stored import make_end

from scaling.store.claims import Claim, StoreLock, lock_holder, read_claim, this_process, to_json
from scaling.store.files import publish
from scaling.store.records import Failure
from scaling.store.records import to_json as record_json
from scaling.store.state import Attempt, State, derive, may_retry, read_state

CLAIM = Claim(host="h", boot="b", namespace="n", pid=1, started="2")
H = (1000, 2000)


def attempt(number=1, claim=CLAIM, alive=False, exit_code=None, cause=None):
    failure = cause and Failure(cause=cause, message=f"it was {cause}", exit_code=exit_code)
    return Attempt(number=number, claim=claim, alive=alive, exit_code=exit_code, failure=failure)


@pytest.mark.parametrize(
    ("points", "end", "attempts", "state"),
    [
        ([], None, [], State.PENDING),
        ([], None, [attempt(claim=None, alive=None)], State.PENDING),
        ([], None, [attempt(alive=True)], State.RUNNING),
        ([], None, [attempt(alive=None)], State.RUNNING),
        ([], None, [attempt(alive=False)], State.INTERRUPTED),
        ([], None, [attempt(alive=True, exit_code=-9)], State.INTERRUPTED),
        ([1000], None, [attempt(exit_code=1, cause="error")], State.FAILED),
        ([1000], None, [attempt(exit_code=75, cause="interrupted")], State.INTERRUPTED),
        ([1000], None, [attempt(claim=None, alive=None, cause="killed")], State.FAILED),
        ([1000], None, [attempt(exit_code=3)], State.FAILED),
        ([1000, 2000], None, [attempt(exit_code=0)], State.FAILED),
        ([1000, 2000], make_end(), [attempt(exit_code=0)], State.DONE),
        ([1000, 2000, 4000], make_end(tokens=4000), [attempt(exit_code=0)], State.DONE),
        ([1000, 2000], make_end(tokens=1000), [attempt(exit_code=0)], State.PENDING),
        ([2000], make_end(), [attempt(exit_code=0)], State.PENDING),
        ([1000], make_end(tokens=1100, state="diverged", reason="nan"), [attempt(exit_code=0)], State.DIVERGED),
        ([1000], None, [attempt(exit_code=1, cause="error"), attempt(2, alive=True)], State.RUNNING),
    ],
)
def test_state_follows_from_files(points, end, attempts, state):
    assert derive(H, points, end, attempts).state is state


def test_reasons_are_told():
    assert derive(H, [], None, [attempt(exit_code=1, cause="error")]).reason == "it was error"
    diverged = make_end(tokens=1100, state="diverged", reason="step 11: nan")
    assert derive(H, [], diverged, []).reason == "step 11: nan"


def test_one_retry_after_a_kill_and_none_after_an_error():
    killed, error = attempt(exit_code=-9, cause="killed"), attempt(exit_code=1, cause="error")
    assert may_retry([killed])
    assert may_retry([error, killed])
    assert not may_retry([killed, killed])
    assert not may_retry([error])
    assert not may_retry([])
    assert derive(H, [], None, [killed]).retry
    assert not derive(H, H, make_end(), [killed]).retry


def test_a_claim_knows_its_process_and_no_other():
    me = this_process()
    assert me.alive is True
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    fields = to_json(me)
    assert Claim(**{**fields, "started": "1"}).alive is False  # the pid was used again
    assert Claim(**{**fields, "pid": child.pid}).alive is False
    assert Claim(**{**fields, "boot": "an earlier boot"}).alive is False
    assert Claim(**{**fields, "host": "another host"}).alive is None
    assert Claim(**{**fields, "namespace": "another container"}).alive is None


def test_a_zombie_is_dead():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    fields = to_json(this_process())
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert Claim(**{**fields, "pid": pid}).alive is False
    os.waitpid(pid, 0)


def test_a_dead_claim_is_recognised_from_the_files(store):
    folder = store.trial("t1")
    made = folder.new_attempt()
    assert read_state(folder, H).state is State.PENDING
    publish(made.claim_path, {**to_json(this_process()), "started": "1"})
    assert read_state(folder, H).state is State.INTERRUPTED
    publish(made.failure_path, record_json(Failure(cause="error", message="boom", exit_code=1)))
    assert read_state(folder, H).reason == "boom"


def test_a_damaged_record_fails_its_trial_with_the_file_named(store):
    path = store.trial("t0").path / "points" / "1000.json"
    path.write_text('{"trial": "t0", "tok')
    state = read_state(store.trial("t0"), H)
    assert state.state is State.FAILED
    assert str(path) in state.reason


def test_lock_is_held_once_and_freed_by_death(tmp_path):
    path = tmp_path / "s" / ".lock"
    code = (
        "import sys; from pathlib import Path; from scaling.store.claims import StoreLock\n"
        "lock = StoreLock(Path(sys.argv[1])); print(lock.acquire(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "True\n"
        mine = StoreLock(path)
        assert not mine.acquire()
        assert lock_holder(path).pid == other.pid
        other.kill()
        other.wait()
        assert lock_holder(path) is None
        assert mine.acquire()
        assert lock_holder(path).pid == os.getpid()
        mine.release()
        assert lock_holder(path) is None
        assert read_claim(tmp_path / "none") is None
