"""Attempts at a trial in processes of their own."""

import os
import subprocess
import sys


def start(trial):
    """Start an attempt; returns its folder and the process."""
    attempt = trial.new_attempt()
    command = [sys.executable, "-m", "scaling.trial", str(trial.root), trial.id, str(attempt.number)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    return attempt, process


def run(trial):
    """Run an attempt to its end; returns its folder, the exit code and what it printed."""
    attempt, process = start(trial)
    output, _ = process.communicate(timeout=120)
    return attempt, process.returncode, output
