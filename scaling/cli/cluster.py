"""``scaling plan --cluster 64xH100``: what a sweep would take on a cluster that is not there."""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from scaling.cost.estimate import estimate
from scaling.cost.request import Request
from scaling.errors import UsageError
from scaling.executor.simulated import CHECKPOINT_S, FAILURES_PER_GPU_HOUR, START_S, Cluster, Load, simulate, to_json
from scaling.hardware import Match, find_accelerator
from scaling.units import format_duration, format_energy

if TYPE_CHECKING:
    from scaling.spec import PlannedTrial

_CLUSTER = re.compile(r"([1-9][0-9]{0,5}) ?[xX×] ?(.+)")


def parse(text: str) -> tuple[int, Match]:
    """Parse ``64xH100``. Raises ``UsageError`` when it is no such pair, or names no known card."""
    match = _CLUSTER.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            "plan.bad_cluster",
            f"cannot read the cluster {text[:40]!r}",
            where="--cluster",
            hint="write how many of which card, such as --cluster 64xH100",
        )
    return int(match[1]), find_accelerator(match[2])


def document(
    trials: "Sequence[PlannedTrial]", cluster: str, gpus_per_trial: int, failures_per_gpu_hour: float | None
) -> dict[str, Any]:
    """Simulate the trials on a cluster; every figure is modelled.

    Args:
        trials: in the order to run them.
        cluster: ``64xH100``.
        gpus_per_trial: GPUs of one trial.
        failures_per_gpu_hour: ``None``: as published for a large cluster.

    Raises:
        UsageError: no such cluster, or one too small for a trial.
    """
    gpus, card = parse(cluster)
    each = max(1, gpus_per_trial)
    rate = FAILURES_PER_GPU_HOUR if failures_per_gpu_hour is None else failures_per_gpu_hour
    if each > gpus or rate < 0:
        raise UsageError(
            "plan.bad_cluster",
            f"a trial takes {each} GPUs, the cluster has {gpus}"
            if each > gpus
            else f"{rate:g} failures are below zero",
            where="--cluster" if each > gpus else "--failures",
            hint="lower executor.gpus_per_trial" if each > gpus else "give 0 for none",
        )
    found = simulate(loads(trials, card, each), Cluster(gpus=gpus, gpus_per_trial=each, failures_per_gpu_hour=rate))
    return {
        "cluster": {"gpus": gpus, "card": card.accelerator.name, "gpus_per_trial": each, "failures_per_gpu_hour": rate},
        **to_json(found),
        "provenance": "modelled",
        "assumptions": assumptions(card, rate),
    }


def loads(trials: "Sequence[PlannedTrial]", card: Match, gpus_per_trial: int) -> list[Load]:
    """Model each trial on a card as ``scaling estimate`` does, its middle figures; several GPUs share it evenly."""

    @cache
    def model(params: float, flops: float) -> tuple[float, float]:
        request = Request(params=params, flops=flops, match=card, count=gpus_per_trial, goodput=1.0)
        answer = estimate(request)
        assert answer.gpu_hours is not None  # a card is named
        return answer.gpu_hours.mid * 3600 / gpus_per_trial, answer.energy_gpu_kwh.mid * 3.6e6

    found = []
    for trial in trials:
        seconds, energy_j = model(float(trial.params.total), trial.flops_total)
        found.append(
            Load(id=trial.id, label=trial.spec.label, flops=trial.flops_total, seconds=seconds, energy_j=energy_j)
        )
    return found


def assumptions(card: Match, rate: float) -> list[str]:
    """Return what the figures rest on, for people."""
    return [
        f"seconds and joules of a trial: the middle of `scaling estimate --gpu {card.accelerator.name}`, whose "
        "utilisation is a rule of thumb from published runs, downtime included",
        f"a start of {START_S:.0f} s on every attempt, a checkpoint every {CHECKPOINT_S:.0f} s",
        f"{rate:.2g} failures per GPU-hour (2407.21783 saw {FAILURES_PER_GPU_HOUR:.2g}); the device is back at once",
        "idle boards take no energy here; the trials' order, retries and verdicts are those of `scaling run`",
    ]


def lines(found: dict[str, Any]) -> list[str]:
    """Return the simulation for people."""
    cluster = found["cluster"]
    states = ", ".join(f"{number} {state}" for state, number in found["states"].items())
    return [
        "",
        f"simulated on {cluster['gpus']} x {cluster['card']}, {cluster['gpus_per_trial']} to a trial (modelled):",
        f"makespan {format_duration(found['makespan_s'])}, utilisation {found['utilisation']:.1%}, "
        f"{found['busy_gpu_s'] / 3600:,.4g} GPU-hours busy, of which {found['lost_gpu_s'] / 3600:,.3g} on starts and "
        f"repeated training, energy of the boards {format_energy(found['energy_j'])}",
        f"{states}; {found['attempts']:,} attempts, {found['failures']:,} ended by a failed device",
        *(f"assumed: {text}" for text in found["assumptions"]),
    ]
