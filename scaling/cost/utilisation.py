"""Model FLOPs utilisation of a whole run, downtime included, where nobody measured it.

The rules rest on ``utilisation_runs.csv`` beside this file (runs whose hours are published and whose energy is not)
and on the papers named in each rule; none of the runs in ``published_runs.csv``, which score the estimate, set one.
``evidence`` recomputes what the rules rest on, and a test holds them to it.

Three things move a run's utilisation that a user knows before it: the matrix units of its device, its size, since
small layers leave them waiting for memory, and whether it is a job of one device, which seldom has tuned code.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from scaling.cost.factors import Factor, Range
from scaling.hardware import Accelerator, find_accelerator

_LARGE_PARAMS = 3e9  # from here on utilisation does not rise with size in the evidence
_LARGE = (0.20, 0.33, 0.47)
_SIZE_EXPONENT = 0.10  # utilisation falls as N^0.10 below
_SMALL_PARAMS = 1e9  # below: tuned and untuned code lie a factor ten apart
_SMALL_SPREAD = (0.35, 1.9)
_ONE_DEVICE = (0.06, 0.15, 0.40)
SMALLEST_PARAMS = 5e7  # below the evidence
_SPARSE = (0.50, 0.71, 0.95)
_SPARSE_FROM = 1.5  # total over active parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One run whose utilisation is known and whose energy is not.

    Attributes:
        model: its name.
        params: active parameters.
        count: devices; ``None`` where the source does not say.
        mfu: 6 N D over peak x device-hours.
        sparse: a mixture of experts.
        accelerator: the card.
        source: where its hours come from.
    """

    model: str
    params: float
    count: int | None
    mfu: float
    sparse: bool
    accelerator: Accelerator
    source: str


@cache
def evidence() -> tuple[Evidence, ...]:
    """Return the runs that the rules rest on."""
    with (files("scaling.cost") / "utilisation_runs.csv").open(encoding="utf-8") as file:
        return tuple(_read(csv.DictReader(file)))


def _read(rows: Iterator[dict[str, str]]) -> Iterator[Evidence]:
    for row in rows:
        card = find_accelerator(row["accelerator"]).accelerator
        params = float(row["params_active_b"]) * 1e9
        seconds = float(row["accel_hours"] or "nan") * 3600
        work = 6 * params * float(row["tokens_b"] or "nan") * 1e9
        yield Evidence(
            model=row["model"],
            params=params,
            count=int(row["accel_count"]) if row["accel_count"] else None,
            mfu=float(row["mfu"]) if row["mfu"] else work / (card.peak_16bit_flops_per_s * seconds),
            sparse="(sparse)" in row["model"],
            accelerator=card,
            source=row["source"],
        )


def utilisation_factor(
    params: float | None, card: Accelerator | None, count: int | None = None, params_total: float | None = None
) -> Factor:
    """Return the utilisation of a whole run.

    Args:
        params: active parameters.
        card: the device; ``None`` for one that the catalogue does not know.
        count: devices.
        params_total: all parameters of a sparse model.
    """
    span, source = _by_device(card, count) or _by_size(params)
    if params is not None and params_total is not None and params_total > _SPARSE_FROM * params:
        low, mid, high = _SPARSE
        span = Range(low=low * span.low, mid=mid * span.mid, high=high * span.high)
        source += "; sparse x 0.71: DeepSeek-V2 (2405.04434) 0.55 and V3 (2412.19437, in fp8) 0.92 of DeepSeek-67B"
    return Factor(name="MFU of the whole run", unit="", range=span, provenance="default", source=source)


def _by_device(card: Accelerator | None, count: int | None) -> tuple[Range, str] | None:
    if card is not None and not card.matrix_units:
        return Range(low=0.18, mid=0.28, high=0.40), (
            "no matrix units: with float32 accumulation half the 16-bit peak is in reach, and at 15 FLOPs per byte of "
            "memory traffic its kernels run near it (roofline: 0.65 to 0.85 of that half, x 0.75 for downtime)"
        )
    if card is not None and card.before_bf16:
        return Range(low=0.12, mid=0.20, high=0.30), (
            "matrix units before Ampere: Megatron-LM (1909.08053) 0.24 and ZeRO (1910.02054) 0.30 of the V100 peak "
            "with recomputation, 0.18 and 0.23 without"
        )
    if count == 1:
        return _span(_ONE_DEVICE), (
            "one device: seldom tuned code; nanoT5 0.17 (2309.02373), GPT-2 at home 0.28 on an RTX 3090, plain PyTorch "
            "0.05 to 0.08 (CodeParrot), hand-written CUDA 0.55 (llm.c)"
        )
    if card is not None and card.vendor == "Google":
        return Range(low=0.27, mid=0.40, high=0.54), (
            "TPUs: 0.54 to 0.62 in steady steps (GSPMD 2105.04663, LaMDA 2201.08239), x 0.7 for downtime"
        )
    if card is not None and card.vendor == "AMD":
        return Range(low=0.18, mid=0.28, high=0.38), (
            "AMD: 0.32 to 0.38 in steady steps of 22B to 1T on MI250X (Frontier, 2312.12705), x 0.8 for downtime"
        )
    return None


def _by_size(params: float | None) -> tuple[Range, str]:
    low, mid, high = _LARGE
    if params is None or params >= _LARGE_PARAMS:
        return _span(_LARGE), (
            "whole runs from 3B on: median 0.37 and 0.26 to 0.48 over eight with published hours (MPT-7B, Galactica, "
            "Falcon, DeepSeek-67B, SmolLM3 and others), MT-NLG 0.30 (2204.02311)"
        )
    fall = (params / _LARGE_PARAMS) ** _SIZE_EXPONENT
    source = (
        "below 3B falling as N^0.10, and far apart: TinyLlama 0.51, Pythia 0.22 to 0.34 (2304.01373), phi-1.5 0.17, "
        "plain PyTorch 0.05 to 0.08"
    )
    if params < _SMALL_PARAMS:
        down, up = _SMALL_SPREAD
        return Range(low=down * fall * mid, mid=fall * mid, high=up * fall * mid), source
    return Range(low=0.8 * fall * low, mid=fall * mid, high=1.1 * high), source


def _span(three: tuple[float, float, float]) -> Range:
    low, mid, high = three
    return Range(low=low, mid=mid, high=high)
