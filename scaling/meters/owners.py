"""Whose processes use a board: this trial's, or somebody else's."""

import os

import psutil


def own_pids() -> frozenset[int]:
    """Return this process, its ancestors (the runner) and its descendants (workers)."""
    me = psutil.Process()
    family = [me, *me.parents(), *me.children(recursive=True)]
    return frozenset(p.pid for p in family)


def foreign_pids(listed: frozenset[int]) -> tuple[frozenset[int], str | None]:
    """Split off the processes on a board that do not belong to this trial.

    In a container NVML may list processes by their ids outside it, our own among them: when exactly one
    listed id does not exist here and this process is not listed, that one is taken for ours.

    Returns:
        The foreign ids, and a note where ownership had to be inferred.
    """
    foreign = listed - own_pids()
    hidden = {pid for pid in foreign if not psutil.pid_exists(pid)}
    if len(hidden) == 1 and os.getpid() not in listed:
        return (
            foreign - hidden,
            "process ids are hidden by a container: one unknown process taken for this trial",
        )
    return foreign, None
