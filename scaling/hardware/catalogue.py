"""The catalogue of accelerators: dense peaks, memory, power, each with its source.

Facts lie in ``accelerators.csv`` beside this file. Peaks are dense (never the "with sparsity" figure) and with
float32 accumulation, which is what training uses: a GeForce RTX 4090 reaches 165, not 330 TFLOP/s.
"""

import csv
import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from scaling.errors import UsageError

_VENDOR_WORDS = ("nvidia", "tesla", "geforce", "quadro", "amd", "instinct", "google", "intel", "aws")
_PRECISIONS = {"bfloat16", "float16", "float32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One card. ``None`` where the source gives no figure.

    Attributes:
        name: catalogue name.
        device_names: names as drivers spell them; a device is recognised by these alone.
        vendor, year: maker and first year.
        peak_16bit_flops_per_s: dense bf16/fp16 peak with float32 accumulation.
        has_bf16: whether its matrix units take bfloat16.
        peak_fp32_flops_per_s: float32 peak without TF32.
        memory_bytes: memory of the card.
        tdp_w: rated power.
        mean_power_w: (low, mean, high) watts over production work, where a source outside the scored runs gives it.
        mean_power_source: that source.
        published_power: watts seen in published training runs, in words with scope and source.
        source: where peak, memory and rating come from.
        confidence: ``high``, ``medium`` or ``low``.
        note: what to beware of.
    """

    name: str
    device_names: tuple[str, ...]
    vendor: str
    year: int
    peak_16bit_flops_per_s: float
    has_bf16: bool
    peak_fp32_flops_per_s: float | None
    memory_bytes: float
    tdp_w: float | None
    mean_power_w: tuple[float, float, float] | None
    mean_power_source: str
    published_power: str
    source: str
    confidence: str
    note: str

    @property
    def workstation(self) -> bool:
        """Whether it is a desktop card, in a machine without a data centre around it."""
        return self.name.startswith("RTX")

    @property
    def before_bf16(self) -> bool:
        """Whether it is an NVIDIA card before Ampere (Pascal, Volta, Turing)."""
        return not self.has_bf16

    @property
    def matrix_units(self) -> bool:
        """Whether it multiplies matrices in units of their own: every card of the catalogue but Pascal's."""
        return not self.name.startswith("P100")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The card that a name was taken for.

    Attributes:
        accelerator: the card.
        others: further cards that the name fits.
        note: says which was picked and why, when there were several.
    """

    accelerator: Accelerator
    others: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Peak:
    """Dense peak of a device at one precision: FLOP/s, and ``data_sheet:NAME``."""

    value: float
    source: str


@cache
def accelerators() -> tuple[Accelerator, ...]:
    """Return every card of the catalogue that has one set of figures."""
    return tuple(_read(row) for row in _rows() if row["peak_16bit_tflops"])


def _rows() -> list[dict[str, str]]:
    with (files("scaling.hardware") / "accelerators.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _read(row: dict[str, str]) -> Accelerator:
    mean = [row[key] for key in ("mean_power_low_w", "mean_power_w", "mean_power_high_w")]
    published = [row[f"published_power_{key}"] for key in ("scope", "source")]
    fp32 = row["peak_fp32_tflops"]
    return Accelerator(
        name=row["name"],
        device_names=tuple(name for name in row["device_names"].split(";") if name),
        vendor=row["vendor"],
        year=int(row["year"]),
        peak_16bit_flops_per_s=float(row["peak_16bit_tflops"]) * 1e12,
        has_bf16=row["has_bf16"] == "yes",
        peak_fp32_flops_per_s=float(fp32) * 1e12 if fp32 else None,
        memory_bytes=float(row["memory_gb"]) * 1e9,
        tdp_w=float(row["tdp_w"]) if row["tdp_w"] else None,
        mean_power_w=(float(mean[0]), float(mean[1]), float(mean[2])) if all(mean) else None,
        mean_power_source=row["mean_power_source"],
        published_power=f"{row['published_power_w']} W ({'; '.join(published)})" if published[0] else "",
        source=row["source"],
        confidence=row["confidence"],
        note=row["note"],
    )


def _tokens(name: str) -> list[str]:
    words = re.findall(r"[a-z0-9]+", name.lower())
    return [word for word in words if word not in _VENDOR_WORDS]


def _fits(query: list[str], card: Accelerator) -> bool:
    """Every word of the query is a word of the card; the form factor may be cut short (``sxm`` for ``sxm5``)."""
    words = {word for name in (card.name, *card.device_names) for word in _tokens(name)}
    return all(q in words or (q == "sxm" and any(w.startswith(q) for w in words)) for q in query)


def find_accelerator(name: str) -> Match:
    """Return the card that ``name`` means: a catalogue name, a driver's name, or a part such as ``V100``.

    A name that fits several cards takes the fastest, then the one with most memory, and says so.

    Raises:
        UsageError: nothing fits; the hint gives the nearest names.
    """
    query = _tokens(name)
    exact = [c for c in accelerators() if any(query == _tokens(n) for n in (c.name, *c.device_names))]
    found = exact or [c for c in accelerators() if query and _fits(query, c)]
    if not found:
        raise _unknown(name)
    found.sort(key=lambda c: (-c.peak_16bit_flops_per_s, -c.memory_bytes, -(c.tdp_w or 0)))
    best, *others = found
    if not others:
        return Match(accelerator=best)
    names = tuple(c.name for c in others)
    note = f"{name!r} fits {len(found)} cards: took {best.name} (fastest, then most memory), not {', '.join(names)}"
    return Match(accelerator=best, others=names, note=note)


def _unknown(name: str) -> UsageError:
    for row in _rows():
        if not row["peak_16bit_tflops"] and row["vendor"].lower() in name.lower():
            return UsageError(
                "accelerator.no_figures",
                f"{row['name']}: {row['note']}",
                hint="give --peak-flops and --tdp of your chip",
            )
    near = difflib.get_close_matches(name.lower(), {c.name.lower(): c for c in accelerators()}, n=3, cutoff=0.3)
    by_lower = {c.name.lower(): c.name for c in accelerators()}
    names = ", ".join(by_lower[n] for n in near) or ", ".join(c.name for c in accelerators()[:8])
    return UsageError(
        "accelerator.unknown",
        f"unknown accelerator {name!r}",
        why="its peak and power decide the answer; another card's would be a guess",
        hint=f"nearest: {names}; or give --peak-flops and --tdp",
    )


def peak_flops_per_s(device_name: str, precision: str) -> Peak | None:
    """Return a device's dense peak, or ``None`` for an unknown device, a processor, or an unknown figure.

    Recognises the driver's exact name alone: a laptop or cut-down variant never passes for the full card.

    Args:
        device_name: as the driver spells it (``NVIDIA H100 80GB HBM3``), or a catalogue name.
        precision: ``bfloat16``, ``float16`` or ``float32``.

    Raises:
        ValueError: unknown precision.
    """
    if precision not in _PRECISIONS:
        raise ValueError(f"precision {precision!r} is not one of {', '.join(sorted(_PRECISIONS))}")
    for card in accelerators():
        if device_name in (card.name, *card.device_names):
            value = _peak(card, precision)
            return None if value is None else Peak(value, f"data_sheet:{card.name}")
    return None


def _peak(card: Accelerator, precision: str) -> float | None:
    if precision == "float32":
        return card.peak_fp32_flops_per_s
    if precision == "bfloat16" and not card.has_bf16:
        return None
    return card.peak_16bit_flops_per_s
