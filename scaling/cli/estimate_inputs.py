"""From the options of ``scaling estimate`` to what it is asked: numbers, work, devices, places."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling.cost.calibrated import Calibrated, calibrated
from scaling.cost.grid import Intensity, find_intensity, given_intensity
from scaling.cost.published import find_published
from scaling.cost.request import Request
from scaling.errors import UsageError
from scaling.hardware import Match, accelerators, find_accelerator
from scaling.units import parse_count

_COUNTED = re.compile(r"^\s*(\d+)\s*[x×*]\s*(.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command, as typed; ``None`` and empty are "not given"."""

    sweep: str
    params: str | None
    params_total: str | None
    tokens: str | None
    flops: str | None
    like: str | None
    from_store: Path | None
    gpu: str | None
    count: int | None
    context: int
    peak_flops: str | None
    tdp: float | None
    mfu: float | None
    goodput: float | None
    node_factor: float | None
    pue: float | None
    region: str | None
    intensity: float | None
    embodied: bool
    price_per_kwh: float | None
    price_per_gpu_hour: float | None
    finetune_tokens: str | None
    rlhf_tokens: str | None
    compare: str | None
    accuracy: bool
    published: Path | None
    as_json: bool

    def request(self) -> Request:
        """Return what is asked, calibrated on a store where one is given.

        Raises:
            UsageError: a number, name or place that is none, or options that contradict each other.
            NotEnoughData: the store has neither measured energy nor training time.
        """
        common, match = self.common(), self._match()
        if self.from_store is None:
            return Request(**common, match=match)
        if common["params"] is None:
            raise UsageError(
                "estimate.from_without_params",
                "--from needs the size of the run",
                why="joules per FLOP change with size",
                hint="give --params beside --flops",
            )
        own = calibrated_on(self.from_store, float(common["params"]))
        _refuse_other_device(own, match)
        return Request(**common, match=match or _own_card(own), calibrated=own)

    def common(self) -> dict[str, Any]:
        """Return the parts of a request that do not depend on the device."""
        same = ("context", "mfu", "pue", "node_factor", "goodput", "price_per_kwh", "price_per_gpu_hour", "embodied")
        return {
            **_work(self),
            **{name: getattr(self, name) for name in same},
            "peak_flops_per_s": number("--peak-flops", self.peak_flops),
            "tdp_w": self.tdp,
            "count": self._count(),
            "intensity": intensity(self.region, self.intensity),
            "finetune_tokens": number("--finetune-tokens", self.finetune_tokens),
            "rlhf_tokens": number("--rlhf-tokens", self.rlhf_tokens),
        }

    def cards(self) -> list[Match]:
        """Return the cards of ``--compare``. Raises ``UsageError`` on an unknown one or none."""
        found = [find_accelerator(name) for name in (self.compare or "").split(",") if name.strip()]
        if not found:
            raise UsageError("estimate.compare", "--compare names no device", hint='write --compare "H100,A100"')
        return found

    @property
    def _brings_its_own(self) -> bool:
        """Whether a published run says which devices: none is named, and none is described or measured."""
        named = self.gpu or self.compare or self.from_store
        return self.like is not None and not named and (self.tdp is None or self.peak_flops is None)

    def _match(self) -> Match | None:
        if self.gpu is not None:
            return find_accelerator(split_count(self.gpu)[1])
        return find_accelerator(find_published(self.like or "").accelerator) if self._brings_its_own else None

    def _count(self) -> int | None:
        counted = None if self.gpu is None else split_count(self.gpu)[0]
        if counted is not None and self.count not in (None, counted):
            raise UsageError(
                "estimate.two_counts", f"--gpu {self.gpu} and --count {self.count} disagree", hint="give one of them"
            )
        own = find_published(self.like or "").count if self._brings_its_own else None
        return self.count if self.count is not None else counted if counted is not None else own


def split_count(gpu: str) -> tuple[int | None, str]:
    """Return ``8xA100`` as a count and a name; a name alone has no count."""
    counted = _COUNTED.match(gpu)
    return (None, gpu) if counted is None else (int(counted[1]), counted[2])


def number(option: str, text: str | None) -> float | None:
    """Return a count such as ``175e9`` or ``7B``. Raises ``UsageError``."""
    if text is None:
        return None
    try:
        return parse_count(text)
    except ValueError as error:
        raise UsageError("estimate.bad_number", f"{option}: {error}", hint=f"write {option} 175e9") from error


def intensity(region: str | None, given: float | None) -> Intensity | None:
    """Return the carbon intensity of a place, or as given; ``None`` where neither is. Raises ``UsageError``."""
    if region is not None and given is not None:
        raise UsageError("estimate.two_intensities", "give --region or --intensity, not both")
    if given is not None:
        return given_intensity(given)
    return None if region is None else find_intensity(region)


def _work(options: Options) -> dict[str, Any]:
    """Return what is trained, from one of: size and tokens, FLOPs, a published run, a sweep."""
    given = {"SWEEP": options.sweep, "--like": options.like, "--tokens": options.tokens, "--flops": options.flops}
    ways = [name for name, value in given.items() if value]
    if len(ways) > 1 and set(ways) != {"--tokens", "--flops"}:
        raise UsageError("estimate.two_works", f"give one of {' and '.join(ways)}, not both")
    if options.sweep:
        return _sweep(options.sweep)
    own = number("--params", options.params)
    if options.like is not None:
        run = find_published(options.like)
        return {"params": own or run.params, "params_total": None if own else run.params_total, "tokens": run.tokens}
    return {
        "params": own,
        "params_total": number("--params-total", options.params_total),
        "tokens": number("--tokens", options.tokens),
        "flops": number("--flops", options.flops),
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


def calibrated_on(path: Path, params: float) -> Calibrated:
    """Return the calibration of a store or table for runs of that size. Raises ``NotEnoughData``."""
    from scaling.cli.source import Steps, open_source

    store = open_source(path, None, Steps.LAST)
    return calibrated(str(store.sweep.get("name") or path.name), store.points(), store.trials(), params)


def _own_card(own: Calibrated) -> Match | None:
    """Return the sweep's own card, for memory and serving, where the catalogue knows it by its driver's name."""
    known = [card for card in accelerators() if own.device in (card.name, *card.device_names)]
    return Match(accelerator=known[0]) if known else None


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
