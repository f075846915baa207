"""Fixed words of the page, the facts under its title, and the samples grouped for reading."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from scaling.families import NATS_PER_TOKEN
from scaling.laws.selection import LOSS, quantity_of
from scaling.report.figures.energy import data as energy_data
from scaling.report.look import Look, Style
from scaling.report.material import Material, Sample
from scaling.report.text import brief
from scaling.units import format_duration, format_energy, format_flops, format_si

LEDES: dict[str, str] = {
    "sec-answers": "What this sweep says, how sure it is, and where to look. Grades follow written rules.",
    "sec-budget": "Move the budget: best size and data, loss and cost, and how far the data support them.",
    "sec-coverage": "Which sizes were trained on how much data. A law is only as good as the ground it stands on.",
    "sec-trust": "Checks before any number is quoted: noise, unseen data, own extrapolation, what the fit leaves over.",
    "sec-curves": "How the loss fell in every trial, and the best loss seen for the compute spent.",
    "sec-laws": "How the loss depends on size alone and on data alone.",
    "sec-surface": "Both at once: the law that the recommendations rest on.",
    "sec-frontier": "For a given compute budget: how large a model, on how many tokens.",
    "sec-returns": "What the next doubling of compute would buy, and when it stops being worth it.",
    "sec-system": "How fast the hardware ran each size, how much of its peak was used, and what had to fit in memory.",
    "sec-energy": "What the training cost in joules, as far as this machine can know.",
    "sec-samples": "What the final weights make of the same prompts, with the same random numbers for every size.",
    "sec-abilities": "Tasks with a right answer: where each appears, and whether the smaller sizes foretold it.",
    "sec-tuning": "Fine-tuning and preference tuning of the stored weights: what pre-training is worth.",
    "sec-runs": "Single trials as they went, the power they drew, and the last lines of their logs.",
    "sec-tables": "Everything behind the figures, for looking up and for checking.",
}

MAX_SAMPLE_SIZES = 12
_IDENTITY = 60  # characters of a name; a digest is cut to less
MAX_PICTURE = 20_000  # characters


def reservations(material: Material) -> list[str]:
    """Return what a reader must know before quoting a number: failed assumptions, mixed data, unread records."""
    fits = material.analysis.fits.values()
    from_fits = [f"{fit.name}: {warning}" for fit in fits for warning in fit.warnings]
    return list(dict.fromkeys([*material.warnings, *material.analysis.notes, *from_fits, *_halved(material)]))


def _halved(material: Material) -> list[str]:
    """Say which trials ran out of memory and went on in smaller pieces: their loss stands, their speed does not."""
    pieces = material.trials.reindex(columns=["label", "micro_batches"]).dropna()
    return [
        f"{label}: memory ran out, so each step was trained in {int(count)} micro-batches; the global batch "
        "and the loss are as asked, the throughput is that of the pieces."
        for label, count in zip(pieces["label"], pieces["micro_batches"], strict=True)
        if count > 1
    ]


def identity(material: Material) -> list[tuple[str, str]]:
    """Return what the numbers belong to: sweep, data, validation set, device."""
    pairs = [("Sweep", [material.name])]
    for name, frame, column in (
        ("data", material.points, "data_fingerprint"),
        ("validation set", material.points, "validation_fingerprint"),
        ("device", material.trials, "device"),
    ):
        values = sorted({brief(str(v))[:_IDENTITY] for v in frame[column].dropna()}) if column in frame else []
        pairs.append((name, values))
    return [(name, ", ".join(values)) for name, values in pairs if values]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of the strip under the title."""

    name: str
    value: str
    note: str = ""


def facts(material: Material) -> list[Fact]:
    """Return the figures that say what kind of sweep this is."""
    trials, points, every = material.trials, material.points, material.every_trial
    done = int((every["state"] == "done").sum())
    kind = "imported" if "imported" in material.sweep else "annealed"
    strip = [Fact("Trials done", f"{done} of {len(every)}", f"{len(points)} {kind} points")]
    if len(trials):
        sizes = trials["params_total"].dropna()
        strip.append(
            Fact("Parameters", f"{format_si(sizes.min())} – {format_si(sizes.max())}", f"{sizes.nunique()} sizes")
        )
    if len(points):
        best = points.sort_values("loss_nats").iloc[0]
        spent = float(points.groupby("trial")["flops_train"].max().sum())
        strip += [
            Fact(
                "Tokens, longest run",
                format_si(float(points["tokens"].max())),
                f"{points['tokens'].nunique()} horizons",
            ),
            Fact("Training compute", format_flops(spent, 2), "all trials"),
            _best(float(best["loss_nats"]), best["bpb"], quantity_of(points), material.unit),
        ]
    return [*strip, _energy_fact(material), *_time_fact(material)]


def _best(loss: float, bpb: float, quantity: str, unit: str) -> Fact:
    if quantity != LOSS:
        return Fact(f"Best {quantity}", f"{loss:.3g} {unit}", "lower is better; no likelihood")
    bits = "" if pd.isna(bpb) else f"{bpb:.3f} bits per byte"
    return Fact("Best loss", f"{loss:.3f} {'nats' if unit == NATS_PER_TOKEN else unit}", bits)


def _energy_fact(material: Material) -> Fact:
    measured = energy_data(material).measured
    if measured.empty:
        return Fact("Energy", "not measured", "see Energy")
    return Fact("Energy", format_energy(float(measured["energy_j"].sum())), "measured")


def _time_fact(material: Material) -> list[Fact]:
    total = float(material.every_trial["wall_s"].sum()) if "wall_s" in material.every_trial else 0.0
    return [Fact("Slot time in trials", format_duration(total), "last attempt of each")] if total else []


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """One prompt and what each size made of it: (label, parameters, text, style, picture), by size.

    ``drawn`` says that they are pictures, each the address of its own data; elsewhere it is empty. ``study`` is whose
    samples they are where there are several.
    """

    prompt: str
    entries: tuple[tuple[str, str, str, Style, str], ...]
    left_out: int
    drawn: bool = False
    study: str = ""


def sample_groups(samples: Sequence[Sample], look: Look, study: str = "") -> list[SampleGroup]:
    """Return samples by prompt: one trial per size, at most twelve sizes; the rest stay in the store."""
    prompts = list(dict.fromkeys(prompt for _, _, _, prompt, _, _ in samples))
    return [_group(samples, look, prompt, study) for prompt in prompts]


def _group(samples: Sequence[Sample], look: Look, prompt: str, study: str) -> SampleGroup:
    mine = sorted((n, label, text, address(png)) for _, label, n, p, text, png in samples if p == prompt)
    first: dict[int, tuple[str, str, str, Style, str]] = {}
    for n, label, text, picture in mine:
        first.setdefault(n, (label, f"{format_si(n)} parameters", text, look.size(n), picture))
    sizes = list(first)
    step = max(1, -(-len(sizes) // MAX_SAMPLE_SIZES))
    kept = sizes[::-1][::step][::-1]  # the largest size is always among them
    entries = tuple(first[n] for n in kept)
    drawn = any(picture for *_, picture in entries)
    return SampleGroup(prompt, entries, len(mine) - len(kept), drawn, study)


def address(picture: str | None) -> str:
    """Return the data address of a PNG file in base64; empty for none, and for what is no small PNG file."""
    if not isinstance(picture, str) or len(picture) > MAX_PICTURE:
        return ""
    try:
        sound = base64.b64decode(picture, validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    except ValueError:
        return ""
    return f"data:image/png;base64,{picture}" if sound else ""
