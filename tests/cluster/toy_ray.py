"""A real Ray of several nodes on one machine, on loopback; everything it starts is killed by process id."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

VARIABLES = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}


class ToyRay:
    """Starts and stops the cluster; nothing of it outlives ``down``.

    Args:
        folder: for Ray's session and for its token; its path must be short (sockets lie in it).
        cpus, gpus: of each node.
    """

    def __init__(self, folder: Path, cpus=2, gpus=2):
        self.folder, self.cpus, self.gpus = folder, cpus, gpus
        self.nodes = {}

    @property
    def environment(self):
        """What drivers need, beside ``address``."""
        return {**VARIABLES, "RAY_AUTH_TOKEN_PATH": str(self.folder / "token")}

    def up(self, nodes=2):
        (self.folder / "token").write_text(os.urandom(16).hex())
        out = self._start("head", "--head", "--port=0", "--include-dashboard=false", f"--temp-dir={self.folder}/r")
        self.address = next(part.split("'")[1] for part in out.split("--address=")[1:] if part.startswith("'"))
        for number in range(2, nodes + 1):
            self._start(f"node {number}", f"--address={self.address}")

    def _start(self, name, *options):
        before = {p.pid for p in self._processes()}
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *options, "--disable-usage-stats"]
        command += [f"--num-cpus={self.cpus}", f"--num-gpus={self.gpus}", "--object-store-memory=80000000"]
        done = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        self.nodes[name] = [p for p in self._processes() if p.pid not in before]
        return done.stdout

    def lose(self, name):
        """What a power cut does to a node: its daemons, its workers and their trials, SIGKILL."""
        doomed = []
        for process in self.nodes[name]:
            with contextlib.suppress(psutil.Error):
                doomed += [process, *process.children(recursive=True)]
        for process in doomed:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return len(doomed)

    def down(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            left = list(self._processes())
            if not left:
                return
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            time.sleep(0.2)

    def _processes(self):
        """Everything alive that carries this cluster's token."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                mine = process.environ().get("RAY_AUTH_TOKEN_PATH") == str(self.folder / "token")
                if mine and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    yield process
