"""A process that torchrun starts for a trial: ``python -m scaling.executor.rank MODULE STORE TRIAL ATTEMPT``.

torchrun gives each of its processes a session of its own, so that no signal to its group reaches them: they ask the
kernel themselves to be killed when it dies.
"""

import os
import runpy
import signal
import sys

from scaling.executor.processes import signal_on_parent_death

if __name__ == "__main__":
    signal_on_parent_death(signal.SIGKILL, int(os.environ["SCALING_LAUNCHER"]))
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
