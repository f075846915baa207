"""The supervisor of one attempt: a small process between runner and trial, so that no orphan survives.

It leads a session of its own (Ctrl-C in the terminal does not reach the trial), claims the attempt, starts
the trial, adopts whatever the trial leaves behind, kills that when the trial ends, and notes how it ended.

If the runner dies, the kernel sends SIGHUP here and everything below is killed. If this process is killed,
the kernel kills the trial, and the runner collects the rest. SIGTERM is passed on: the trial checkpoints and
ends. A trial that hangs is asked for its stacks (SIGUSR1), then to end, then killed; this works under any engine,
since the supervisor sits beside the trial.

Started as ``python -m scaling.executor.shim JSON``; it imports nothing heavy.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from scaling.executor.booking import Booking
from scaling.executor.processes import (
    LINUX,
    adopt_orphans,
    death_bound_start,
    kill_children,
    kill_descendants,
    out_of_memory_kills,
    signal_on_parent_death,
)
from scaling.executor.watchdog import HANG_S, Watchdog, catches
from scaling.store import claims
from scaling.store.files import publish
from scaling.store.records import Failure, to_json

EXIT_TAKEN = 76  # the attempt has an owner already
_LOOK_S = 0.2  # how often to look for the parent where the kernel gives no death signal
_DUMP_S = 1.0  # for a hung trial to write its stacks
_GRACE_S = 10.0  # for a hung trial to end by itself


class Launched(Protocol):
    """A trial's process as far as its supervisor knows it."""

    pid: int
    returncode: int | None

    def terminate(self) -> None:
        """Ask it to end."""


Launch = Callable[[Sequence[str], Callable[[], None]], Launched]


def spawn(command: Sequence[str], begin: Callable[[], None]) -> Launched:
    """Start a trial's process; ``begin`` is what it runs first."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=begin)  # noqa: PLW1509


class Supervisor:
    """Runs one command to its end.

    Args:
        attempt: folder of the attempt.
        command: argument list of the trial's process.
        parent: process id of the runner.
        hang_s: silence after which the trial counts as hung.
        launch: starts the command.
    """

    def __init__(
        self, attempt: Path, command: list[str], parent: int, hang_s: float = HANG_S, launch: Launch = spawn
    ) -> None:
        self._attempt, self._launch = attempt, launch
        self._command = command
        self._parent = parent
        self._every_s = min(5.0, hang_s / 10)
        self._watchdog = Watchdog(attempt, hang_s, self._every_s)
        self._hung: str | None = None
        self._trial: Launched | None = None
        self._terminate = False

    def run(self) -> int:
        """Claim the attempt, run the trial, leave nothing behind; return its exit code, negative for a signal."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # SLURM's warning goes to every process of a job; inherited
        adopt_orphans()
        signal_on_parent_death(signal.SIGHUP, self._parent)
        if not publish(self._attempt / "claim.json", claims.to_json(claims.this_process())):
            return EXIT_TAKEN
        before, began, booking = out_of_memory_kills(), time.monotonic(), Booking()
        self._trial = self._launch(self._command, death_bound_start(os.getpid()))
        if self._terminate:  # asked to end while the trial was being started
            self._trial.terminate()
        signal.signal(signal.SIGALRM, self._on_alarm)
        signal.setitimer(signal.ITIMER_REAL, self._every_s, self._every_s)
        code = os.waitstatus_to_exitcode(self._wait(self._trial.pid))
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._trial.returncode = code
        kill_children()
        record = {
            "exit_code": code,
            "seconds": time.monotonic() - began,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "out_of_memory": out_of_memory_kills() > before,
            **booking.close(),
        }
        publish(self._attempt / "exit.json", record)
        return code

    def _wait(self, pid: int) -> int:
        """Reap until the trial ends, adopted orphans too."""
        while True:
            ended, status = os.waitpid(-1, 0 if LINUX else os.WNOHANG)
            if ended == pid:
                return status
            if ended == 0:
                if os.getppid() != self._parent:
                    self._end_now()
                time.sleep(_LOOK_S)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._end_now()
        elif number == signal.SIGTERM:
            self._terminate = True
            if self._trial is not None and self._trial.returncode is None:
                os.kill(self._trial.pid, signal.SIGTERM)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        """Look whether the trial goes on; end one that hangs, in three steps of this timer."""
        if self._trial is None or self._trial.returncode is not None:
            return
        if self._hung is None:
            self._hung = self._watchdog.look()
            if self._hung is not None:
                publish(
                    self._attempt / "failure.json", to_json(Failure(cause="hang", message=self._hung, exit_code=None))
                )
                if catches(self._trial.pid, signal.SIGUSR1):
                    os.kill(self._trial.pid, signal.SIGUSR1)
                signal.setitimer(signal.ITIMER_REAL, _DUMP_S, min(_GRACE_S, 2 * self._every_s + _DUMP_S))
        elif not self._terminate:
            self._terminate = True
            os.kill(self._trial.pid, signal.SIGTERM)
        else:
            kill_descendants()

    def _end_now(self) -> None:
        kill_children()
        os._exit(128 + signal.SIGHUP)


def supervise(order: Mapping[str, Any], launch: Launch = spawn) -> int:
    """Supervise the attempt that ``order`` describes: attempt, command, cpus, parent, hang_s."""
    if order["cpus"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, order["cpus"])
    hang_s = order.get("hang_s", HANG_S)
    code = Supervisor(Path(order["attempt"]), order["command"], order["parent"], hang_s, launch).run()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(supervise(json.loads(sys.argv[1])))
