"""A runner in a process of its own, to be killed: locks the store and runs what is left of it."""

import os
import sys
from contextlib import closing
from pathlib import Path

from support.fake_sweep import Recorder

from scaling.errors import MachineError
from scaling.executor.local import LocalExecutor
from scaling.executor.progress import Job
from scaling.executor.runner import Limits, Runner
from scaling.executor.slots import core_slots
from scaling.executor.sweep import settled_state
from scaling.store.claims import StoreLock
from scaling.store.layout import StoreFolder


def main():
    store = StoreFolder(Path(sys.argv[1]))
    lock = StoreLock(store.lock_path)
    if not lock.acquire():
        print("busy")
        sys.exit(2)
    jobs = []
    for name in store.trial_ids():
        spec = store.trial(name).read_spec()
        jobs.append(Job(folder=store.trial(name), label=spec.label, horizons=spec.horizons, flops=1e6))
    todo = [job for job in jobs if not settled_state(job).state.finished]
    print("todo", len(todo), flush=True)
    module, count = os.environ.get("DRIVE", "fake_trial 1").split()
    processes = int(count)
    slots = core_slots(2 // processes)
    modules = tuple(filter(None, [os.environ.get("FORGE")]))
    with lock, closing(LocalExecutor(slots, module=module, processes=processes, modules=modules)) as executor:
        try:
            outcome = Runner(executor, todo, Recorder(), Limits(grace_s=20, min_free_bytes=0)).run()
        except MachineError as error:
            print(error.render())
            sys.exit(error.exit_code)
    sys.exit(130 if outcome.interrupted else 0)


if __name__ == "__main__":
    main()
