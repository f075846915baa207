import os
import signal
import subprocess
import sys

import pytest

from scaling.executor.watchdog import Watchdog, catches


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def watched(tmp_path):
    attempt = tmp_path / "a1"
    attempt.mkdir()
    clock = Clock()
    dog = Watchdog(attempt, hang_s=10.0, every_s=1.0, clock=clock)

    def after(seconds, step=1.0):
        """Look every second for so long; return the first word on a hang."""
        for _ in range(round(seconds / step)):
            clock.now += step
            if (word := dog.look()) is not None:
                return word
        return None

    def log():
        with (attempt / "curve.jsonl").open("a") as file:
            file.write("{}\n")

    return dog, after, log, attempt


def test_silence_after_a_step_is_a_hang(watched):
    _, after, log, _ = watched
    log()
    assert after(9) is None
    assert "since its last logged step" in after(3)


def test_before_the_first_step_a_trial_has_three_times_as_long(watched):
    _, after, _, _ = watched
    assert after(29) is None
    assert "before its first logged step" in after(2)


def test_a_trial_that_logs_seldom_is_given_twenty_of_its_own_intervals(watched):
    dog, after, log, _ = watched
    for _ in range(5):
        log()
        assert after(5) is None
    assert dog.limit_s == pytest.approx(100)
    assert after(90) is None


def test_a_checkpoint_or_a_printed_line_is_a_sign_of_life(watched):
    _, after, log, attempt = watched
    log()
    for name in ("checkpoints", "log.txt"):
        assert after(8) is None
        (attempt / name).mkdir() if name == "checkpoints" else (attempt / name).write_text("compiling")
    assert after(8) is None


def test_a_watcher_that_slept_itself_counts_only_what_it_watched(watched):
    _, after, log, _ = watched
    log()
    assert after(8) is None
    assert after(3600, step=3600) is None  # suspended, or stopped by a debugger: two looks' worth
    assert after(3) is not None


def test_whether_a_process_handles_a_signal_is_the_kernels_word():
    code = "import signal, sys; signal.signal(signal.SIGUSR1, lambda *_: None); print(1, flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    assert catches(child.pid, signal.SIGUSR1)
    assert not catches(child.pid, signal.SIGUSR2)
    child.communicate()
    assert not catches(child.pid, signal.SIGUSR1)
    assert not catches(os.getpid(), signal.SIGUSR2)
