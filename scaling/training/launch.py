"""torchrun for one trial on one machine: ``python -m scaling.training.launch N MODULE STORE TRIAL ATTEMPT``.

Ends as the process that failed first did, by the same code or signal, which torchrun itself would turn into 1. A
request to end (SIGTERM) is passed on, and the processes take the time they need for their checkpoint.
"""

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import get_args_parser, run

_RANK_MODULE = "scaling.executor.rank"  # by name: it binds a process to this one, then becomes MODULE


def main(count: int, words: list[str]) -> int:
    """Run ``count`` processes to their end. Returns the exit code."""
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["SCALING_LAUNCHER"] = str(os.getpid())
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    options = ["--standalone", f"--nproc-per-node={count}", "--max-restarts=0", "--signals-to-handle=SIGINT"]
    signal.signal(signal.SIGTERM, _pass_on)
    try:
        run(get_args_parser().parse_args([*options, "-m", _RANK_MODULE, *words]))
    except ChildFailedError as error:
        return _cause([(failure.exitcode, failure.timestamp) for failure in error.failures.values()])
    return 0


def _cause(failures: Sequence[tuple[int, int]]) -> int:
    """Return the code of the process that took the others along, of those found dead in one look: (code, second).

    Who loses a peer aborts or raises, within the second to which times are known; a signal from outside is no
    consequence of that.
    """
    consequences = (-signal.SIGABRT, -signal.SIGTERM)
    code, _ = min(failures, key=lambda failure: (failure[0] > 0 or failure[0] in consequences, failure[1]))
    return code


def _pass_on(number: int, _frame: FrameType | None) -> None:
    import psutil

    for child in psutil.Process().children():
        child.send_signal(number)


def _end_as(code: int) -> None:
    """End by the same signal as the process that failed."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    _end_as(main(int(sys.argv[1]), sys.argv[2:]))
