"""Which trials of a sweep one process trains together, and how its members are told.

Trials group when they differ in seed and learning rates alone. Grouping never changes an id, and what one run groups
another may train alone; it changes the order of additions, so losses agree to rounding and not to the bit.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scaling.errors import UsageError
from scaling.executor.booking import visible_gpus
from scaling.executor.progress import Job
from scaling.executor.protocol import Executor, Slot
from scaling.families import get_family
from scaling.spec.schema import ExecutorSpec, TrialSpec
from scaling.store.files import dump_json, write_atomic
from scaling.store.layout import AttemptFolder

# ``auto`` groups where a step is bound by starting kernels, not by their arithmetic. CPU: measured on one core, torch
# 2.13 (benchmarks/group_speed.py). GPU: not measured yet; a step of such models leaves most of a GPU idle.
_AUTO_CPU = (8, 30_000)  # most members, most matrix parameters
_AUTO_GPU = (32, 10_000_000)

Seats = list[tuple[Job, AttemptFolder]]


def group_jobs(
    jobs: Sequence[Job], specs: Mapping[str, TrialSpec], asked: ExecutorSpec, executor: Executor
) -> list[Job]:
    """Return the jobs with those that one process shall train made one, in the order of their first members.

    Args:
        jobs: what is to be run, in order.
        specs: the trials by id.
        asked: the sweep's ``executor``: ``group`` is ``off``, ``auto``, or how many at most.
        executor: who runs them.

    Raises:
        UsageError: the executor cannot run groups.
    """
    if asked.group == "off":
        return list(jobs)
    slots = executor.capacity()
    if slots is None or executor.outlives_runner or asked.gpus_per_trial > 1:
        raise UsageError(
            "run.no_groups_here",
            f"executor.group is {asked.group}, and trials group on this machine only, one device each",
            where=f"executor {executor.name}, gpus_per_trial {asked.gpus_per_trial}",
            hint="leave executor.group out, or run with --executor local",
        )
    groups = groups_of([specs[job.folder.id] for job in jobs], asked, slots)
    return [join([jobs[i] for i in group]) for group in groups]


def groups_of(specs: Sequence[TrialSpec], asked: ExecutorSpec, slots: Sequence[Slot]) -> list[list[int]]:
    """Return which trials one process shall train: their places in ``specs``, in the order of their first members."""
    if asked.group == "off":
        return [[i] for i in range(len(specs))]
    on_gpu = bool(slots and visible_gpus(slots[0].environment))
    alike: dict[str, list[int]] = defaultdict(list)
    for i, spec in enumerate(specs):
        alike[_key(spec)].append(i)
    groups = [part for same in alike.values() for part in _parts(same, _most(specs[same[0]], asked, on_gpu))]
    while len(groups) < len(slots) and (largest := max(groups, key=len, default=[])) and len(largest) > 1:
        groups.remove(largest)  # an idle slot costs more than a smaller group
        groups += _parts(largest, -(-len(largest) // 2))
    return sorted(groups)


def left_alone(specs: Sequence[TrialSpec], asked: ExecutorSpec) -> str | None:
    """Return why trials that were asked to be grouped cannot be, whatever the machine; ``None`` where nothing is."""
    reasons = [_why_alone(spec) for spec in specs] if asked.group != "off" else []
    kept = {why: reasons.count(why) for why in reasons if why is not None}
    if not kept:
        return None
    told = ", ".join(f"{count} of {len(specs)} trials, {why}" for why, count in kept.items())
    return f"executor.group is {asked.group}, but a process of its own trains each of {told}"


def join(group: Sequence[Job]) -> Job:
    """Return one job that trains all of these."""
    first, *rest = (replace(job, others=()) for job in group)
    return replace(first, others=tuple(rest))


def seat(job: Job, attempt: AttemptFolder) -> Seats:
    """Make an attempt for each further member of a group, and list all beside the first. Raises ``MachineError``."""
    if not job.others:
        return []
    others = [(other, other.folder.new_attempt()) for other in job.others]
    seats = [(job, attempt), *others]
    members = [{"trial": member.folder.id, "attempt": own.number} for member, own in seats]
    write_atomic(attempt.group_path, dump_json({"members": members}))
    return others


def _key(spec: TrialSpec) -> str:
    """What members have in common: everything but seed, learning rates and name."""
    content = spec.model_dump(mode="json", exclude={"seed": True, "label": True, "train": {"lr"}})
    return json.dumps(content, sort_keys=True)


def _most(spec: TrialSpec, asked: ExecutorSpec, on_gpu: bool) -> int:
    if _why_alone(spec) is not None:
        return 1
    if asked.group != "auto":
        return int(asked.group)
    family = get_family(spec.family)
    params = family.params(family.build_config(spec.model, spec.data.vocab_size, spec.data.context))
    members, parameters = _AUTO_GPU if on_gpu else _AUTO_CPU
    return members if params.matmul is not None and params.matmul <= parameters else 1


def _why_alone(spec: TrialSpec) -> str | None:
    if not get_family(spec.family).stacks:
        return f"as no batched program takes models of family {spec.family}"
    if spec.train.compile:
        return "as train.compile is on"
    return None if spec.tune is None else "as they start from weights of their own"


def _parts(alike: list[int], most: int) -> list[list[int]]:
    """Cut equal trials into groups of at most ``most``, as even as can be."""
    count = -(-len(alike) // most)
    size, larger = divmod(len(alike), count)
    sizes = [size + 1] * larger + [size] * (count - larger)
    starts = [sum(sizes[:i]) for i in range(count)]
    return [alike[start : start + n] for start, n in zip(starts, sizes, strict=True)]
