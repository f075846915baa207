"""A job of an engine as a process: ``node_run.py JOB HANDLE``, the job as JSON. Dies with who began it."""

import json
import os
import signal
import sys

from scaling.executor import job as module
from scaling.executor.handles import Handle
from scaling.executor.job import NodeJob, NodeRun
from scaling.executor.processes import signal_on_parent_death

if __name__ == "__main__":
    signal_on_parent_death(signal.SIGKILL, os.getppid())
    module.LOOK_S = 0.05
    job, handle = sys.argv[1:]
    sys.exit(NodeRun(NodeJob(**json.loads(job)), Handle(executor="liar", handle=handle, place="node 1")).run())
