"""A storm of kills over many small sweeps: runners, forges, supervisors and trials die by SIGKILL at random moments.

Each sweep is run again until it is whole, then held against the run that nobody disturbed.
"""

import contextlib
import os
import random
import select
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from support.fake_sweep import FAULTS, Recorder, Sweep

from scaling.executor.local import LocalExecutor
from scaling.executor.progress import Job
from scaling.executor.runner import Limits, Runner
from scaling.executor.slots import core_slots
from scaling.executor.sweep import settled_state
from scaling.store.claims import StoreLock, read_claim
from scaling.store.files import read_jsonl
from scaling.store.layout import StoreFolder
from scaling.store.state import State, read_state

CHECKPOINT_STEPS = 10  # of tests/faults/fake_trial.py
SLOTS = 2
KILLS_PER_SWEEP = 15  # then it is let to end


@dataclass
class Tally:
    """What a storm came to."""

    seed: int
    kills: dict[str, int] = field(default_factory=lambda: {"runner": 0, "forge": 0, "supervisor": 0, "trial": 0})
    sweeps: int = 0
    trials: int = 0
    attempts: int = 0
    steps: int = 0
    steps_repeated: int = 0
    worst_repeat: int = 0
    most_attempts: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            seed=self.seed,
            kills={kind: self.kills[kind] + other.kills[kind] for kind in self.kills},
            worst_repeat=max(self.worst_repeat, other.worst_repeat),
            most_attempts=max(self.most_attempts, other.most_attempts),
            **{
                name: getattr(self, name) + getattr(other, name)
                for name in ("sweeps", "trials", "attempts", "steps", "steps_repeated", "faults")
            },
        )


def drive(root):
    """Run what a store lacks, failed trials too, as ``scaling run --retry-failed`` would; for a process of its own."""
    store = StoreFolder(Path(root))
    lock = StoreLock(store.lock_path)
    if not lock.acquire():
        return 2
    jobs = []
    for name in store.trial_ids():
        spec = store.trial(name).read_spec()
        jobs.append(Job(folder=store.trial(name), label=spec.label, horizons=spec.horizons, flops=1e6))
    todo = [job for job in jobs if settled_state(job).state is not State.DONE]
    with lock, closing(LocalExecutor(core_slots(SLOTS), module="fake_trial", modules=("json",))) as executor:
        Runner(executor, todo, Recorder(), Limits(same_failures=1000)).run()
    return 0


class Runners:
    """Starts runners by forking a process that has loaded what they need: half of a start is loading modules."""

    def __init__(self):
        home = FAULTS.parents[1]
        paths = [str(FAULTS), str(home / "tests"), str(home)]
        self._server = subprocess.Popen(
            [sys.executable, "-c", "from support.storm import serve; serve()"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a line stays in the pipe until it is asked for
        )

    def start(self, root):
        self._server.stdin.write(f"{root}\n".encode())
        return Started(int(self._server.stdout.readline()), self._server.stdout)

    def close(self):
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()


@dataclass
class Started:
    """One runner. ``ended`` waits so many seconds for its end, or for ever."""

    pid: int
    words: object
    over: bool = False

    def ended(self, seconds):
        if not self.over and select.select([self.words], [], [], seconds)[0]:
            self.over = bool(self.words.readline())
        return self.over


def serve():
    """Start a runner for each store named on a line; tell its process id, and when it has ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)
            os.setsid()
            os._exit(drive(line.rstrip("\n")))
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


class Storm:
    """Kills until a number is reached.

    Args:
        folder: for the stores.
        seed: of the moments and victims.
    """

    def __init__(self, folder, seed):
        self.folder, self.tally = Path(folder), Tally(seed)
        self._dice = random.Random(seed)

    def run(self, kills, note=lambda tally: None):
        """Run sweeps, disturbed until so many processes were killed; returns the tally."""
        with closing(Runners()) as self._runners:
            return self._run(kills, note)

    def _run(self, kills, note):
        whole = self._make("whole")
        self._until_done(whole, limit=0)
        expected = whole.table()
        while self.tally.total < kills:
            sweep = self._make(f"sweep {self.tally.sweeps}")
            self._until_done(sweep, limit=min(kills, self.tally.total + KILLS_PER_SWEEP))
            self._check(sweep, expected)
            note(self.tally)
        return self.tally

    def _make(self, name):
        return Sweep(self.folder / name, ["slow"] * 6, horizons=(2000, 5000))

    def _until_done(self, sweep, limit):
        """Run and kill until every trial is done. A runner that finds nothing to do ends by itself."""
        deadline = time.monotonic() + 1800
        while not self._done(sweep):
            if time.monotonic() > deadline:
                raise AssertionError(f"a sweep does not end: {sweep.store.root}")
            runner = self._runners.start(sweep.store.root)
            while not runner.ended(0.0 if self.tally.total < limit else None):
                if not runner.ended(self._dice.uniform(0.05, 0.6)):
                    self._kill_one(sweep, runner)
            if left := sweep.await_empty():
                self.tally.faults.append(f"{len(left)} processes outlived their runner in {sweep.store.root.name}")

    def _kill_one(self, sweep, runner):
        kind = self._dice.choice(["runner", "forge", "supervisor", "supervisor", "trial", "trial", "trial"])
        victim = runner.pid if kind == "runner" else self._pick(sweep, kind)
        if victim is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, 9)
            self.tally.kills[kind] += 1

    def _pick(self, sweep, kind):
        found = {"forge": [], "supervisor": [], "trial": []}
        claims = {claim.pid for path in sweep.store.root.glob("trials/*/a*/claim.json") if (claim := read_claim(path))}
        for process in sweep.processes():
            with contextlib.suppress(ProcessLookupError):
                leads = os.getsid(process.pid) == process.pid
                found["trial" if not leads else "supervisor" if process.pid in claims else "forge"].append(process.pid)
        return self._dice.choice(found[kind]) if found[kind] else None

    def _done(self, sweep):
        return all(read_state(job.folder, job.horizons).state is State.DONE for job in sweep.jobs)

    def _check(self, sweep, expected):
        tally = self.tally
        tally.sweeps += 1
        if sweep.table() != expected:
            tally.faults.append(f"another table in {sweep.store.root.name}")
        for job in sweep.jobs:
            self._check_trial(job)

    def _check_trial(self, job):
        tally, folder = self.tally, job.folder
        numbers = folder.attempts()
        tally.trials += 1
        tally.attempts += len(numbers)
        tally.most_attempts = max(tally.most_attempts, len(numbers))
        if [*folder.record_files("points")] != list(job.horizons) or len(folder.record_files("end")) != 1:
            tally.faults.append(f"not one result: {folder.path}")
        ended = next(iter(folder.record_files("end").values())).stat().st_mtime_ns
        reached = 0
        for number in numbers:
            attempt = folder.attempt(number)
            if attempt.claim_path.exists() and attempt.claim_path.stat().st_mtime_ns > ended:
                tally.faults.append(f"trained after its result was published: {attempt.path}")
            if not attempt.curve_path.exists():
                continue
            lines, _torn = read_jsonl(attempt.curve_path)
            if not lines:
                continue
            repeated = max(0, reached - (lines[0]["step"] - 1))
            tally.steps += len(lines)
            tally.steps_repeated += repeated
            tally.worst_repeat = max(tally.worst_repeat, repeated)
            if repeated > CHECKPOINT_STEPS:
                tally.faults.append(f"{repeated} steps repeated: {attempt.path}")
            reached = max(reached, lines[-1]["step"])
