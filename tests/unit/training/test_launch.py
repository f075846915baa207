"""Who of several processes of one trial is named as the cause of its end."""

import signal

import pytest

from scaling.training.launch import _cause

ABORTED, KILLED, CRASHED = -signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV


@pytest.mark.parametrize(
    ("failures", "code"),
    [
        ([(ABORTED, 7), (KILLED, 7)], KILLED),  # within one second the peer that aborted is listed first
        ([(1, 6), (KILLED, 7)], KILLED),
        ([(1, 7), (CRASHED, 7)], CRASHED),
        ([(1, 8), (3, 7)], 3),  # nobody was killed: the first to fail
        ([(1, 8), (ABORTED, 7)], ABORTED),
        ([(1, 7)], 1),
    ],
)
def test_a_signal_from_outside_is_the_cause_of_what_its_peers_suffer(failures, code):
    assert _cause(failures) == code
