"""Trials in this very process, one after another: for ``breakpoint()``, a profiler, or a debugger.

There is no supervisor: a trial that crashes the interpreter takes the runner along, and nothing bounds its time.
"""

import os
import runpy
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scaling.executor.protocol import Phase, Slot, Status, Task
from scaling.store import claims
from scaling.store.files import publish
from scaling.store.layout import AttemptFolder

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DebugExecutor:
    """Runs each attempt to its end when it is submitted; what it prints goes to the terminal.

    Args:
        slot: its threads and device.
        module: run as ``python -m MODULE STORE TRIAL ATTEMPT`` would.
    """

    name = "debug"
    places = True
    outlives_runner = False
    patience_s = 0.0

    def __init__(self, slot: Slot, module: str = "scaling.trial") -> None:
        self._slot = slot
        self._module = module
        self._codes: dict[str, int] = {}

    def capacity(self) -> tuple[Slot, ...]:
        """Return the one slot."""
        return (self._slot,)

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Run the attempts; returns when they have ended."""
        for task in tasks:
            self._codes[str(task.attempt.path)] = self._run(task)
        return [str(task.attempt.path) for task in tasks]

    def _run(self, task: Task) -> int:
        publish(task.attempt.claim_path, claims.to_json(claims.this_process()))
        words = [self._module, str(task.store.resolve()), task.trial, str(task.attempt.number)]
        with _as_if_started(words, {**self._slot.environment, "SCALING_SLOTS": "1"}):
            try:
                runpy.run_module(self._module, run_name="__main__", alter_sys=True)
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        publish(task.attempt.exit_path, {"exit_code": code})
        return code

    def poll(self, handles: Iterable[str]) -> dict[str, Status]:
        """Return that they have ended."""
        known = {h: Status(Phase.ENDED, self._codes[h]) for h in handles if h in self._codes}
        return {h: known.get(h, Status(Phase.UNKNOWN)) for h in handles}

    def cancel(self, handle: str, grace_s: float) -> None:
        """Nothing: what was submitted has ended."""

    def logs(self, handle: str) -> Path:
        """Return the attempt's log, which stays empty: the terminal has it."""
        return AttemptFolder(Path(handle), int(Path(handle).name[1:])).log_path

    def close(self) -> None:
        """Nothing runs."""


@contextmanager
def _as_if_started(words: list[str], environment: dict[str, str]) -> Iterator[None]:
    """Give the module the arguments, variables and signal handlers of a process of its own."""
    arguments, variables = sys.argv, dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    sys.argv = words
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(variables)
        for number, handler in handlers.items():
            signal.signal(number, handler)
