import signal
import subprocess
import sys
import time

from scaling.executor.waking import Waker


def test_a_child_that_ends_wakes_at_once_and_what_was_there_before_comes_back():
    before = signal.getsignal(signal.SIGCHLD)
    with Waker() as waker:
        child = subprocess.Popen([sys.executable, "-S", "-c", "pass"])
        began = time.monotonic()
        waker.wait(20)
        assert time.monotonic() - began < 15
        child.wait()
        waker.wait(0.01)  # nothing more has come
    assert signal.getsignal(signal.SIGCHLD) is before
    assert signal.set_wakeup_fd(-1) == -1
