"""A child process that answers lines of JSON: for a library that prints on stdout or takes signal handlers."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from scaling.errors import MachineError
from scaling.executor.command import search_path


class Helper:
    """Our end of it.

    Args:
        name: for people.
        module: run as ``python -m MODULE ARGUMENT… DESCRIPTOR``; it calls ``serve`` with that descriptor.
        arguments: further arguments.
        log: where what it prints goes.
        environment: variables it gets unless the user has set them.
        gone: makes the error of its end from what there is to say of it.
        start_s: how long its first line may take.

    Raises:
        MachineError: it ended, or said nothing in time.

    Attributes:
        first: its first line.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        gone: Callable[[str], MachineError],
        start_s: float = 120.0,
    ) -> None:
        self._name, self._log, self._gone = name, log, gone
        log.parent.mkdir(parents=True, exist_ok=True)
        read, write = os.pipe()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments, str(write)],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env={**environment, **os.environ, **search_path()},
                pass_fds=(write,),
                start_new_session=True,
            )
        os.close(write)
        self._answers = os.fdopen(read, encoding="utf-8")
        self.first = self._answer(start_s)

    def ask(self, request: Mapping[str, Any]) -> Any:  # noqa: ANN401  # JSON
        """Send one request and return its answer. Raises ``MachineError`` when the child has ended."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended: the answer says so
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self, timeout_s: float | None = None) -> Any:  # noqa: ANN401  # JSON
        ready, _, _ = select.select([self._answers], [], [], timeout_s)  # one request, one line: nothing is buffered
        if not ready:
            self._process.kill()
        line = self._answers.readline() if ready else ""
        if line:
            return json.loads(line)
        self._process.wait()
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise self._gone(f"{self._name} ended: {lines[-1] if lines else 'it said nothing'}")

    def close(self) -> None:
        """End the child by closing its input; may be called twice."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


def serve(descriptor: int, first: object, answer: Callable[[Any], object]) -> None:
    """The child's end: say ``first``, then answer each request, until the input ends."""
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        for reply in chain([first], map(answer, map(json.loads, sys.stdin))):
            out.write(json.dumps(reply) + "\n")
            out.flush()
