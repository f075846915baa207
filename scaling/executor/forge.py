"""Trials that start at once: a process that has loaded a trial's modules, and forks what each attempt needs.

Most of a small trial's start is the import of torch. The forge imports once; an attempt's supervisor and its trial are
forks of it, fresh processes all the same. The fork in between ends at once, and the kernel hands the orphaned
supervisor to the runner, which has asked for orphans (prctl(2)): it waits for the supervisor, and takes it along when
it dies, as if it had started it itself. On Linux, for trials on the CPU: CUDA does not survive a fork, nor do threads.

Started as ``python -m scaling.executor.forge DESCRIPTOR RUNNER PRELOADED…``; what is preloaded is imported.
``… once PRELOADED,… MODULE ARGUMENT…`` runs one module as a trial would be run.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from scaling.executor import shim
from scaling.executor.forging import Forged
from scaling.executor.processes import death_bound_start, signal_on_parent_death
from scaling.hardware.facts import FORKED

_TASKS = Path("/proc/self/task")
_RESET = {signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM}  # what a supervisor handles, a trial does not


def serve(connection: socket.socket, runner: int) -> None:
    """Fork a supervisor for each line that asks for one, and answer with its process id."""
    with connection, connection.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            read, write = os.pipe()
            between = os.fork()
            if between == 0:
                os.close(read)
                os.close(connection.fileno())  # the runner is to see the end of it when the forge dies
                _leave_an_orphan(write, partial(_supervise, json.loads(line), runner))
            os.close(write)
            with os.fdopen(read) as pipe:
                pid = pipe.read()
            os.waitpid(between, 0)  # only from now on is the supervisor a child of the runner, which will wait for it
            lines.write(pid + "\n")
            lines.flush()


def _leave_an_orphan(write: int, begin: Callable[[int], int]) -> NoReturn:
    between = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        _end_with(partial(begin, between))
    os.write(write, str(pid).encode())
    os._exit(0)


def _supervise(asked: Mapping[str, Any], runner: int, between: int) -> int:
    os.setsid()
    while (parent := os.getppid()) != runner:
        if parent != between:  # which has ended, and left this process to another than the runner: that is gone, too
            return 1
        time.sleep(0.0005)
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, asked["log"], os.O_WRONLY | os.O_APPEND)):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.dup2(1, 2)
    os.environ.update(asked["environment"])
    return shim.supervise(asked["order"], fork_trial)


def fork_trial(command: Sequence[str], begin: Callable[[], None]) -> Forged:
    """Start ``python … -m MODULE ARGUMENT…`` as a fork of this process; ``begin`` is what it runs first."""
    module, *arguments = command[command.index("-m") + 1 :]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _RESET)  # one that comes meanwhile is for the trial's own way
    pid = os.fork()
    if pid == 0:
        begin()
        for number in _RESET - {signal.SIGINT}:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.environ[FORKED] = str(os.getpid())
        sys.argv = [module, *arguments]
        _end_with(lambda: _run(module))
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return Forged(pid)


def _run(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201  # as the interpreter does
        return 1
    return 0


def _end_with(run: Callable[[], int]) -> NoReturn:
    """Run, and end this process without going back up the forge's stack."""
    code = 1
    try:
        code = run()
    except BaseException:  # noqa: BLE001  # the boundary of the process: what the interpreter would print
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def fork_once(preloaded: str, module: str, *arguments: str) -> int:
    """Import what is preloaded, run ``python -m MODULE ARGUMENT…`` as a trial is run, and return its exit code."""
    load(preloaded.split(","))
    code = fork_trial(["-m", module, *arguments], death_bound_start(os.getpid())).wait()
    return 1 if code is None or code < 0 else code


def load(modules: Iterable[str]) -> None:
    """Import them."""
    for module in modules:
        importlib.import_module(module)


def main(argv: Sequence[str]) -> int:
    """Import the modules, then serve; 1 where they have started threads, which no fork would have."""
    if argv[0] == "once":
        return fork_once(*argv[1:])
    descriptor, runner, *modules = argv
    signal_on_parent_death(signal.SIGKILL, int(runner))
    load(modules)
    if len(list(_TASKS.iterdir())) > 1:
        return 1
    serve(socket.socket(fileno=int(descriptor)), int(runner))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
