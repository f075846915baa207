"""Asking an engine through its own command-line tools and ports, with its refusals as errors."""

import socket
import subprocess
from pathlib import Path

from scaling.errors import MachineError


def ask(engine: str, *command: str) -> str:
    """Run a command of an engine and return what it prints.

    Raises:
        MachineError: ``ENGINE.missing``: there is no such command here; ``ENGINE.no_answer``: it failed.
    """
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError as error:
        raise MachineError(
            f"{engine}.missing",
            f"there is no {command[0]} on this machine",
            hint="run this on a login node of the cluster; elsewhere --executor local, or --shard",
        ) from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        words = (getattr(error, "stderr", "") or "no answer within a minute").strip()
        raise MachineError(
            f"{engine}.no_answer",
            f"{command[0]} failed: {words.splitlines()[-1]}",
            where=" ".join(command),
            hint="what it holds goes on; when it answers again, the same `scaling run` finds it",
        ) from error


def why_silent(address: str) -> str | None:
    """Return why nobody answers at ``HOST:PORT``; ``None`` where somebody does, or the address is no such pair."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return None
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        return str(error.strerror or error)
    return None


def last_line(path: Path) -> str:
    """Return the last line of a log, or nothing where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
