"""What an estimate is asked for, and the refusal of questions that cannot be answered."""

import math
from dataclasses import dataclass

from scaling.cost.calibrated import Calibrated
from scaling.cost.grid import Intensity
from scaling.errors import UsageError
from scaling.hardware import Accelerator, Match

CONTEXT_TOKENS = 2048
_OPTIONS = {
    "params": "--params",
    "params_total": "--params-total",
    "tokens": "--tokens",
    "flops": "--flops",
    "peak_flops_per_s": "--peak-flops",
    "tdp_w": "--tdp",
    "count": "--count",
    "context": "--context",
    "mfu": "--mfu",
    "goodput": "--goodput",
    "node_factor": "--node-factor",
    "pue": "--pue",
    "price_per_kwh": "--price-per-kwh",
    "price_per_gpu_hour": "--price-per-gpu-hour",
    "finetune_tokens": "--finetune-tokens",
    "rlhf_tokens": "--rlhf-tokens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. ``None`` is "not given".

    Attributes:
        params: parameters (active ones, where only some take part in a token).
        params_total: all parameters of a sparse model; they fill the memory.
        tokens: tokens trained on.
        flops: training FLOPs, in place of 6 N D.
        flops_source: where ``flops`` comes from, when no option gave it.
        match: card of the catalogue.
        peak_flops_per_s: dense peak, in place of the card's.
        tdp_w: power limit, in place of the card's.
        count: devices.
        context: tokens of one sequence, for the memory of activations.
        mfu, pue, node_factor, goodput: factors given.
        calibrated: what the user's own sweep measured, in place of peak, utilisation and board power.
        intensity: carbon intensity of the place.
        price_per_kwh, price_per_gpu_hour: in the user's currency.
        embodied: also work out the carbon of making the devices.
        finetune_tokens: tokens of supervised fine-tuning.
        rlhf_tokens: tokens generated in reinforcement learning from feedback.
    """

    params: float | None = None
    params_total: float | None = None
    tokens: float | None = None
    flops: float | None = None
    flops_source: str = "--flops"
    match: Match | None = None
    peak_flops_per_s: float | None = None
    tdp_w: float | None = None
    count: int | None = None
    context: int = CONTEXT_TOKENS
    mfu: float | None = None
    pue: float | None = None
    node_factor: float | None = None
    goodput: float | None = None
    calibrated: Calibrated | None = None
    intensity: Intensity | None = None
    price_per_kwh: float | None = None
    price_per_gpu_hour: float | None = None
    embodied: bool = False
    finetune_tokens: float | None = None
    rlhf_tokens: float | None = None

    @property
    def card(self) -> Accelerator | None:
        """The card of the catalogue, if one was named."""
        return None if self.match is None else self.match.accelerator

    @property
    def stored_params(self) -> float | None:
        """Parameters that lie in memory."""
        return self.params if self.params_total is None else self.params_total

    def check(self) -> None:
        """Raise ``UsageError`` when too little is given to answer, or a figure is out of range."""
        if self.flops is None and (self.params is None or self.tokens is None):
            raise UsageError(
                "estimate.no_work",
                "the amount of training is not given",
                hint="give --params and --tokens, --flops, --like NAME, or a sweep file",
            )
        if self._powerless():
            raise UsageError(
                "estimate.no_hardware",
                "the hardware is not given",
                hint="give --gpu NAME, both --peak-flops and --tdp, or --from STORE of a sweep with measured energy",
            )
        self._check_numbers()

    def _powerless(self) -> bool:
        if self.calibrated is not None:
            return self.calibrated.j_per_flop is None and self.match is None and self.tdp_w is None
        return self.match is None and (self.peak_flops_per_s is None or self.tdp_w is None)

    def _check_numbers(self) -> None:
        for name, option in _OPTIONS.items():
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UsageError("estimate.not_positive", f"{option} {value:g} is not above zero")
        for name in ("mfu", "goodput"):
            value = getattr(self, name)
            if value is not None and value > 1:
                raise UsageError("estimate.bad_share", f"{_OPTIONS[name]} {value:g} is above 1")
        for name in ("pue", "node_factor"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError("estimate.bad_factor", f"{_OPTIONS[name]} {value:g} is below 1")
        if self.params is not None and self.params_total is not None and self.params_total < self.params:
            raise UsageError(
                "estimate.total_below_active",
                f"--params-total {self.params_total:g} is below --params {self.params:g}",
                why="active parameters are a part of all parameters",
            )
