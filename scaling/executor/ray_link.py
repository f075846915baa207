"""The runner's end of Ray's driver: a child process, requests and answers as lines of JSON (see ``ray_driver``)."""

import importlib.util
import json
import os
import select
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from scaling.errors import MachineError
from scaling.executor.local import search_path

_VARIABLES = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}  # unless the user set them
_START_S = 120.0  # to connect; Ray itself tries for minutes


class Driver:
    """The child process that is Ray's driver; see ``ray_driver``."""

    def __init__(self, address: str, log: Path) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MachineError(
                "ray.missing", "the Ray executor needs ray", hint="pip install 'scaling-bench[ray]', as the cluster has"
            )
        _refuse_silent(address)
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        read, write = os.pipe()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "scaling.executor.ray_driver", address, str(write)],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env={**_VARIABLES, **os.environ, **search_path()},
                pass_fds=(write,),
                start_new_session=True,
            )
        os.close(write)
        self._answers = os.fdopen(read, encoding="utf-8")
        self.nodes: list[dict[str, float]] = self._answer(_START_S)

    def ask(self, request: dict[str, Any]) -> Any:  # noqa: ANN401  # JSON
        """Send one request and return its answer. Raises ``MachineError`` when the driver has ended."""
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
        raise MachineError(
            "ray.gone",
            f"Ray's driver ended: {lines[-1] if lines else 'it said nothing'}",
            where=str(self._log),
            why="trials on Ray end with their driver; those that ran go on from their last checkpoint",
            hint="is the cluster up (ray status), with RAY_AUTH_MODE=token for all of it? Then repeat the command",
        )

    def close(self) -> None:
        """End the driver by closing its input; may be called twice."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


def _refuse_silent(address: str) -> None:
    """Raise ``MachineError`` at once where nobody listens at ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise MachineError(
            "ray.gone",
            f"no Ray cluster answers at {address}: {error.strerror or error}",
            where="executor.ray.address",
            hint="start one with `ray start --head`, or give the address that it prints",
        ) from error
