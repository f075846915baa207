"""Random kills of a sweep of real models, through the command line."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from scaling.executor.local import MARK
from scaling.store import load

HOME = Path(__file__).parents[2]
SWEEP = """
schema: 1
name: small
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, n_layer: 1, head_dim: 8}
train: {batch_tokens: 512, warmup_steps: 5}
trials:
  - ladder: {sizes: [{d_model: 8}, {d_model: 16}, {d_model: 24}], horizons: [50k, 100k, 200k], seeds: [0]}
executor: {slots: 2}
limits: {same_failures: 100}
"""
KILLS_PER_SWEEP = 5


def start(folder, name):
    """Start ``scaling run`` on the small sweep, with a checkpoint every second."""
    sweep = folder / "small.yaml"
    sweep.write_text(SWEEP)
    command = [sys.executable, "-m", "scaling", "run", str(sweep), "--out", str(folder / name), "--no-report"]
    environment = {**os.environ, "SCALING_CHECKPOINT_S": "1", "PYTHONPATH": str(HOME)}
    return subprocess.Popen(
        [*command, "--retry-failed"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def processes(store):
    """Processes of this store's attempts."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK, "").startswith(str(store)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def table(store):
    """The points, bit for bit."""
    points = load(store).points()
    return points[["trial", "tokens", "loss_nats", "flops_train"]].sort_values(["trial", "tokens"]).to_dict("list")


def kill_a_real_sweep(folder, kills, seed):
    """Run the sweep unbroken, then again and again under random kills, each time until it is whole; compare."""
    unbroken = start(folder, "unbroken")
    output, _ = unbroken.communicate(timeout=600)
    assert unbroken.returncode == 0, output
    expected, dice, rounds = table(folder / "unbroken"), random.Random(seed), []
    while sum(row["kills"] for row in rounds) < kills:
        left = kills - sum(row["kills"] for row in rounds)
        rounds.append(_under_kills(folder, f"broken {len(rounds)}", min(left, KILLS_PER_SWEEP), dice, expected))
    total = {key: sum((row[key] for row in rounds), type(first)()) for key, first in rounds[0].items()}
    return {"sweeps": len(rounds), **total}


def _under_kills(folder, name, kills, dice, expected):
    done, store, faults = 0, folder / name, []
    while True:
        runner = start(folder, name)
        while runner.poll() is None and done < kills:
            time.sleep(dice.uniform(0.2, 3.0))
            victims = [runner.pid] if dice.random() < 0.3 else [p.pid for p in processes(store)]
            if victims and runner.poll() is None:
                try:
                    os.kill(dice.choice(victims), signal.SIGKILL)
                    done += 1
                except ProcessLookupError:
                    continue
        runner.communicate(timeout=600)
        deadline = time.monotonic() + 5
        while processes(store) and time.monotonic() < deadline:
            time.sleep(0.05)
        if processes(store):
            faults.append("processes outlived their runner")
        if runner.returncode == 0:
            break
    if table(store) != expected:
        faults.append("another table than the unbroken run")
    found = load(store)
    trials = found.trials()
    return {
        "kills": done,
        "trials": len(trials),
        "attempts": int(trials["attempts"].sum()),
        "points": len(found.points()),
        "faults": faults,
    }
