"""The default of each factor where the user gives none, with its reason. One rule, one function.

The utilisation of a whole run is far below the best step: downtime, repeated steps and small models take their share.
Some constants were settled after looking at published runs (``scaling.cost.accuracy`` scores them there); what a
rule rests on is said in its source.
"""

from scaling.cost.factors import Factor, Range
from scaling.hardware import Accelerator

SMALL_PARAMS = 1e9
_BOARD_SHARE = (0.65, 0.80, 0.95)
_DESKTOP_REST_W = (60.0, 87.0, 130.0)


def flops_factor(params: float, tokens: float) -> Factor:
    """Training FLOPs by the rule of thumb 6ND (Kaplan et al. 2020, section 2.1)."""
    mid = 6 * params * tokens
    return Factor(
        name="training FLOPs",
        unit="FLOPs",
        range=Range(low=0.95 * mid, mid=mid, high=1.15 * mid),
        provenance="derived",
        source="6 N D (Kaplan et al. 2020); range for attention, embeddings and repeated steps left out",
    )


def utilisation_factor(params: float | None, card: Accelerator | None) -> Factor:
    """Model FLOPs utilisation over the whole run, downtime included."""
    if card is not None and card.before_bf16:
        low, mid, high = 0.12, 0.20, 0.30
        source = (
            "cards before Ampere: Megatron-LM (1909.08053) 0.24 and ZeRO (1910.02054) 0.30 of the V100 peak with "
            "recomputation, 0.18 and 0.23 without"
        )
    elif params is not None and params < SMALL_PARAMS:
        low, mid, high = 0.08, 0.25, 0.50
        source = "below 1B parameters: Pythia-70M reached 0.22 (2304.01373); hobby code 0.08, tuned code 0.5"
    else:
        low, mid, high = 0.15, 0.30, 0.45
        source = "whole runs: Pythia 0.26 and 0.34 (2304.01373), MT-NLG 0.30 (2204.02311, table 3)"
    return Factor(
        name="MFU of the whole run",
        unit="",
        range=Range(low=low, mid=mid, high=high),
        provenance="default",
        source=source,
    )


def goodput_factor(mfu_given: bool) -> Factor:
    """Share of device time in steps that count, where utilisation was read from a short run."""
    if not mfu_given:
        return Factor.certain("goodput", 1.0, "default", "already in the MFU of the whole run")
    return Factor(
        name="goodput",
        unit="",
        range=Range(low=0.75, mid=0.90, high=0.95),
        provenance="default",
        source="a given MFU is taken for that of steady steps; PaLM 0.66, Llama-3.1-405B 0.85 of it whole-run",
    )


def power_factor(tdp_w: float, tdp_source: str, card: Accelerator | None) -> Factor:
    """Watts of one board under training load."""
    if card is not None and card.mean_power_w is not None:
        low, mid, high = card.mean_power_w
        span, provenance, source = Range(low=low, mid=mid, high=high), "published", card.mean_power_source
    else:
        low, mid, high = (share * tdp_w for share in _BOARD_SHARE)
        span, provenance = Range(low=low, mid=mid, high=high), "default"
        source = f"0.80 (0.65-0.95) of {tdp_w:g} W ({tdp_source}); published runs show 0.70-0.86"
    return Factor(name="board power", unit="W", range=span, provenance=provenance, source=source)


def node_factor(power: Factor, card: Accelerator | None) -> Factor:
    """Power of the whole machine over power of its boards."""
    if card is not None and card.workstation:
        low, mid, high = (1 + rest / power.range.mid for rest in _DESKTOP_REST_W)
        source = "a desktop draws 79-95 W beside its GPU (2509.22092), here 60-130 W"
    else:
        low, mid, high = 1.2, 1.35, 1.5
        source = "8-GPU nodes: 1.05 kW per 700 W board at most; processors, fabric, fans, supply loss"
    return Factor(
        name="node factor",
        unit="",
        range=Range(low=low, mid=mid, high=high),
        provenance="default",
        source=source,
    )


def pue_factor(card: Accelerator | None) -> Factor:
    """Power of the site over power of its machines."""
    if card is not None and card.workstation:
        return Factor.certain("PUE", 1.0, "default", "a desktop outside a data centre")
    return Factor(
        name="PUE",
        unit="",
        range=Range(low=1.08, mid=1.2, high=1.56),
        provenance="default",
        source="hyperscale sites 1.08-1.2; mean of the Uptime Institute survey 1.56 (2024)",
    )
