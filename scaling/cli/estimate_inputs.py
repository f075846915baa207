"""From the options of ``scaling estimate`` to what it is asked: numbers, work, devices, places."""

import re
from pathlib import Path
from typing import Any

from scaling.cost.calibrated import Calibrated, calibrated
from scaling.cost.grid import Intensity, find_intensity, given_intensity
from scaling.cost.published import find_published
from scaling.cost.request import Request
from scaling.errors import UsageError
from scaling.hardware import Match, find_accelerator
from scaling.units import parse_count

_COUNTED = re.compile(r"^\s*(\d+)\s*[x×*]\s*(.+)$")


def number(option: str, text: str | None) -> float | None:
    """Return a count such as ``175e9`` or ``7B``. Raises ``UsageError``."""
    if text is None:
        return None
    try:
        return parse_count(text)
    except ValueError as error:
        raise UsageError("estimate.bad_number", f"{option}: {error}", hint=f"write {option} 175e9") from error


def work(
    sweep: str, params: str | None, params_total: str | None, tokens: str | None, flops: str | None, like: str | None
) -> dict[str, Any]:
    """Return what is trained, from one of: size and tokens, FLOPs, a published run, a sweep.

    Raises:
        UsageError: a number that is none, or more than one way given.
    """
    ways = [
        name for name, given in (("SWEEP", sweep), ("--like", like), ("--tokens", tokens), ("--flops", flops)) if given
    ]
    if len(ways) > 1 and set(ways) != {"--tokens", "--flops"}:
        raise UsageError("estimate.two_works", f"give one of {' and '.join(ways)}, not both")
    if sweep:
        return _sweep(sweep)
    if like is not None:
        run = find_published(like)
        own = number("--params", params)
        return {"params": own or run.params, "params_total": None if own else run.params_total, "tokens": run.tokens}
    return {
        "params": number("--params", params),
        "params_total": number("--params-total", params_total),
        "tokens": number("--tokens", tokens),
        "flops": number("--flops", flops),
    }


def _sweep(name: str) -> dict[str, Any]:
    from scaling.cli.planning import resolve

    resolved = resolve(name)
    largest = max(resolved.trials, key=lambda trial: trial.flops_total)
    return {
        "params": float(largest.params.total),
        "flops": sum(trial.flops_total for trial in resolved.trials),
        "flops_source": f"{resolved.spec.name}: exact FLOPs of {len(resolved.trials)} trials, the largest of this size",
    }


def device(
    gpu: str | None, count: int | None, like: str | None, tdp: float | None, peak: str | None
) -> tuple[Match | None, int | None]:
    """Return the card and the number of devices; a published run brings its own where none is named.

    Raises:
        UsageError: no such card, or two different counts.
    """
    if gpu is None:
        if like is None or (tdp is not None and peak is not None):
            return None, count
        run = find_published(like)
        return find_accelerator(run.accelerator), count if count is not None else run.count
    counted = _COUNTED.match(gpu)
    if counted is None:
        return find_accelerator(gpu), count
    if count is not None and count != int(counted[1]):
        raise UsageError("estimate.two_counts", f"--gpu {gpu} and --count {count} disagree", hint="give one of them")
    return find_accelerator(counted[2]), int(counted[1])


def cards(names: str) -> list[Match]:
    """Return the cards of ``--compare``. Raises ``UsageError`` on an unknown one or none."""
    found = [find_accelerator(name) for name in names.split(",") if name.strip()]
    if not found:
        raise UsageError("estimate.compare", "--compare names no device", hint='write --compare "H100,A100"')
    return found


def intensity(region: str | None, given: float | None) -> Intensity | None:
    """Return the carbon intensity of a place, or as given; ``None`` where neither is. Raises ``UsageError``."""
    if region is not None and given is not None:
        raise UsageError("estimate.two_intensities", "give --region or --intensity, not both")
    if given is not None:
        return given_intensity(given)
    return None if region is None else find_intensity(region)


def request(common: dict[str, Any], match: Match | None, store: Path | None) -> Request:
    """Return the request, calibrated on a store where one is given. Raises ``UsageError`` and ``NotEnoughData``."""
    if store is None:
        return Request(**common, match=match)
    if common["params"] is None:
        raise UsageError(
            "estimate.from_without_params",
            "--from needs the size of the run",
            why="joules per FLOP change with size",
            hint="give --params beside --flops",
        )
    own = _calibrated(store, float(common["params"]))
    _refuse_other_device(own, match)
    return Request(**common, match=match, calibrated=own)


def _calibrated(path: Path, params: float) -> Calibrated:
    from scaling.cli.source import Steps, open_source

    store = open_source(path, None, Steps.LAST)
    return calibrated(str(store.sweep.get("name") or path.name), store.points(), store.trials(), params)


def _refuse_other_device(own: Calibrated, match: Match | None) -> None:
    """Refuse a card that is not the sweep's: joules per FLOP of one card say nothing of another."""
    if match is None or own.device is None or own.device == "cpu":
        return
    if own.device not in (match.accelerator.name, *match.accelerator.device_names):
        raise UsageError(
            "estimate.other_device",
            f"{own.name} was measured on {own.device}, not on {match.accelerator.name}",
            why="joules per FLOP hold for the device they were measured on",
            hint="leave out --gpu for the sweep's own device, or --from for the rules of thumb",
        )
