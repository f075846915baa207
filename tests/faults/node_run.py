"""A job of an engine, as a process: ``node_run.py STORE TRIAL ATTEMPT HANDLE``. Dies with the process that began it."""

import os
import signal
import sys

from scaling.executor.handles import Handle
from scaling.executor.job import NodeJob, NodeRun
from scaling.executor.processes import signal_on_parent_death

if __name__ == "__main__":
    signal_on_parent_death(signal.SIGKILL, os.getppid())
    store, trial, attempt, handle = sys.argv[1:]
    job = NodeJob(store=store, trial=trial, attempt=int(attempt), module="fake_trial")
    sys.exit(NodeRun(job, Handle(executor="liar", handle=handle, place="node 1")).run())
