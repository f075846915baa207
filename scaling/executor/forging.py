"""The runner's end of the forge: has attempts started by it, and waits for what it forked."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scaling.executor.command import search_path, touch
from scaling.executor.processes import LINUX
from scaling.executor.protocol import Slot

_PATIENCE_S = 120.0  # for the imports; a fork takes milliseconds


class NoForge(Exception):
    """The forge is gone, or cannot fork: the attempt is started without it."""


class Forged:
    """A forked process, with what ``subprocess.Popen`` offers of one.

    Attributes:
        pid: its process id; it leads a session of its own.
        returncode: as of ``Popen``; ``None`` while it runs.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.returncode = pid, None if pid else 0

    def poll(self) -> int | None:
        """Return its exit code if it has ended."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int | None:
        """Return its exit code once it has ended."""
        return self._reap(0)

    def _reap(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class Forge:
    """The runner's end.

    Args:
        modules: what a trial imports.
        environment: variables that are read when a process starts, such as those of threads.

    Raises:
        NoForge: it could not be started.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_PATIENCE_S)
        words = [sys.executable, "-P", "-m", "scaling.executor.forge", str(theirs.fileno()), str(os.getpid())]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*words, *modules],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, **search_path(), **environment},
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                self._socket.close()
                raise NoForge from error
        self._lines = self._socket.makefile("rw", encoding="utf-8")

    def start(self, order: Mapping[str, Any], log: Path, environment: Mapping[str, str]) -> Forged:
        """Fork the supervisor of an attempt. Raises ``NoForge``."""
        try:
            self._lines.write(json.dumps({"order": order, "log": str(log), "environment": dict(environment)}) + "\n")
            self._lines.flush()
            line = self._lines.readline()
        except OSError as error:  # gone, or silent for too long
            raise NoForge from error
        if not line:
            raise NoForge
        return Forged(int(line))

    def close(self) -> None:
        """End it; what it has forked belongs to the runner."""
        with suppress(OSError):
            self._lines.close()
        self._socket.close()
        self._process.kill()
        self._process.wait()


def forgeable(slots: Sequence[Slot]) -> bool:
    """Whether trials of these slots may be forks of one process: all on the CPU, and alike in their threads."""
    environments = [slot.environment for slot in slots]
    on_cpu = all(environment.get("CUDA_VISIBLE_DEVICES") == "" for environment in environments)
    return LINUX and on_cpu and all(environment == environments[0] for environment in environments)


class Forging:
    """How attempts on the CPU are started at once: by a forge that is made for the first of them.

    Args:
        modules: what a trial imports; none: nothing is forged.
        slots: where trials run.
        processes: that train one trial.
    """

    def __init__(self, modules: Sequence[str], slots: Sequence[Slot], processes: int) -> None:
        self._modules = modules if processes == 1 and forgeable(slots) else ()
        self._environment = slots[0].environment
        self._forge: Forge | None = None

    def start(
        self, order: Mapping[str, object], log: Path, environment: Mapping[str, str], mark: Mapping[str, str]
    ) -> Forged | None:
        """Start an attempt; ``None`` where nothing is forged or the forge has gone.

        Args:
            order: what the supervisor is told.
            log: where it and its trial print.
            environment: variables of the attempt.
            mark: a variable of the forge, by which the kernel shows whose forks these are (``/proc/PID/environ``).

        Raises:
            MachineError: the log cannot be written.
        """
        if not self._modules:
            return None
        touch(log)
        try:
            if self._forge is None:
                self._forge = Forge(self._modules, {**self._environment, **mark})
            return self._forge.start(order, log, environment)
        except NoForge:
            self.close()
            self._modules = ()
            with log.open("a", encoding="utf-8") as file:
                file.write("the forge is gone: from here on trials start as programs of their own\n")
            return None

    def close(self) -> None:
        """End the forge."""
        if self._forge is not None:
            self._forge.close()
            self._forge = None
