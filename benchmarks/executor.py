"""What the local executor costs: per trial beyond starting its two processes, in memory, in idle slots, in `status`.

    python benchmarks/executor.py --trials 5000

No-op trials, real processes, 8 slots (whatever the cores). The yardstick starts the same two processes for each trial
(supervisor and trial, forked as built-in trials on the CPU are, with all their files), 8 at a time, by a bare loop that
knows no trials, states or retries.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import closing
from pathlib import Path

HOME = Path(__file__).parents[1]
PATHS = [str(HOME), str(HOME / "tests"), str(HOME / "benchmarks")]
sys.path[:0] = PATHS

import psutil  # noqa: E402
from support.fake_sweep import Recorder  # noqa: E402
from support.stored import make_spec  # noqa: E402

from scaling.executor.local import LocalExecutor  # noqa: E402
from scaling.executor.progress import Job  # noqa: E402
from scaling.executor.protocol import Phase, Slot, Task  # noqa: E402
from scaling.executor.runner import Limits, Runner  # noqa: E402
from scaling.executor.slots import ALLOCATOR, THREADS  # noqa: E402
from scaling.store.layout import StoreFolder  # noqa: E402

SLOTS = tuple(
    Slot(name=f"slot {i}", environment={**THREADS, **ALLOCATOR, "CUDA_VISIBLE_DEVICES": ""}) for i in range(8)
)


def make_jobs(root, names):
    store = StoreFolder(root)
    jobs = []
    for name in names:
        folder = store.trial(name)
        folder.write_spec(make_spec(name, horizons=(1000,)))
        jobs.append(Job(folder=folder, label=name, horizons=(1000,), flops=1e6))
    rows = [{"id": j.folder.id, "label": j.label, "horizons": [1000], "flops_train": 1e6} for j in jobs]
    store.write_sweep({"name": "no-ops", "trials": rows})
    return store, jobs


def run(jobs):
    """Run the jobs; returns seconds, and the runner's memory after a tenth of them and at the end, in bytes."""
    memory, process = [], psutil.Process()

    class Watch(Recorder):
        def ended(self, job, state):
            if len(memory) == len(jobs) // 10 or not memory:
                self.early = process.memory_info().rss
            memory.append(state)

    watch, began = Watch(), time.perf_counter()
    with closing(LocalExecutor(SLOTS, module="noop_trial", modules=("noop_trial",))) as executor:
        Runner(executor, jobs, watch, Limits()).run()
    assert len(memory) == len(jobs)
    return time.perf_counter() - began, watch.early, process.memory_info().rss


def run_bare(jobs):
    """Start the same processes by a bare loop; returns seconds."""
    began, waiting, free, running = time.perf_counter(), deque(jobs), deque(SLOTS), {}
    with closing(LocalExecutor(SLOTS, module="noop_trial", modules=("noop_trial",))) as executor:
        while waiting or running:
            while waiting and free:
                job, slot = waiting.popleft(), free.popleft()
                task = Task(store=job.folder.root, trial=job.folder.id, attempt=job.folder.new_attempt(), slot=slot)
                running[executor.submit([task])[0]] = slot
            for handle, status in executor.poll(list(running)).items():
                if status.phase is Phase.ENDED:
                    free.append(running.pop(handle))
            time.sleep(0.001)
    return time.perf_counter() - began


def status_seconds(store):
    """Wall time of `scaling status --json` as a command, and of its reading alone."""
    command = [sys.executable, "-m", "scaling", "status", str(store.root), "--json"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    whole = time.perf_counter() - began
    began = time.perf_counter()
    subprocess.run([*command[:3], "--version"], check=True, stdout=subprocess.DEVNULL)
    return whole, time.perf_counter() - began


def utilisation(folder, trials, dice):
    """Share of slot-seconds in trials that sleep 1 to 3 s each, longest first, ends of the sweep included."""
    naps = sorted((dice.uniform(1.0, 3.0) for _ in range(trials)), reverse=True)
    _, jobs = make_jobs(folder, [f"sleep-{nap * 1000:.0f}-{i}" for i, nap in enumerate(naps)])
    seconds, _, _ = run(jobs)
    return sum(naps) / (len(SLOTS) * seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--bare", type=int, help="trials of the yardstick; as many by default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)
    with tempfile.TemporaryDirectory(prefix="executor ") as name:
        folder, bare = Path(name), options.bare or options.trials
        _, yard = make_jobs(folder / "bare", [f"n{i}" for i in range(bare)])
        bare_s = run_bare(yard) / bare
        store, jobs = make_jobs(folder / "ours", [f"n{i}" for i in range(options.trials)])
        cpu = time.process_time()
        seconds, early, late = run(jobs)
        cpu = time.process_time() - cpu
        whole, python = status_seconds(store)
        used = utilisation(folder / "naps", 40, random.Random(0))
    rows = {
        "trials": options.trials,
        "slots": len(SLOTS),
        "cores": os.cpu_count(),
        "ms_per_trial": 1000 * seconds / options.trials,
        "ms_per_trial_of_the_processes_alone": 1000 * bare_s,
        "ms_per_trial_beyond": 1000 * (seconds / options.trials - bare_s),
        "runner_cpu_ms_per_trial": 1000 * cpu / options.trials,
        "memory_mib_after_a_tenth": early / 2**20,
        "memory_mib_at_the_end": late / 2**20,
        "status_s": whole,
        "status_s_without_reading": python,
        "utilisation_of_8_slots": used,
    }
    text = json.dumps(rows, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
