"""The default of each factor but utilisation where the user gives none, with its reason. One rule, one function.

Some constants were settled after looking at published runs (``scaling.cost.accuracy`` scores them there); what a
rule rests on is said in its source.
"""

from scaling.cost.factors import Factor, Range
from scaling.hardware import Accelerator

_BOARD_SHARE = (0.65, 0.82, 0.95)
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
        source = (
            f"0.82 (0.65-0.95) of {tdp_w:g} W ({tdp_source}); boards under training show 0.70-0.86, an H200 0.82-0.86"
        )
    return Factor(name="board power", unit="W", range=span, provenance=provenance, source=source)


def node_factor(power: Factor | None, card: Accelerator | None) -> Factor:
    """Power of the whole machine over power of its boards."""
    if power is not None and card is not None and card.workstation:
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
