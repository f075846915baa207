"""What a budget buys: the law with its draws for the page's own arithmetic, a table of budgets, the path of the loss.

The page repeats ``answers.predict_budget`` on the same draws, so the slider and ``scaling predict`` say the same.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.answers import Law, Prediction, predict_budget
from scaling.cost.rules import power_factor
from scaling.cost.utilisation import utilisation_factor
from scaling.errors import NotEnoughData
from scaling.hardware import accelerators
from scaling.laws.frontier import MAX_EXTRAPOLATION, Surface
from scaling.laws.prediction import noise_quantiles
from scaling.laws.selection import quantity_of
from scaling.report.axes import log_axis, plain, power_of_ten
from scaling.report.draw import INK, Figure, Hover, band, canvas, end_of_data, law, marks, words
from scaling.report.figures.energy import joules_per_flop
from scaling.report.intervals import cells, flat
from scaling.report.look import Style
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.support import inside, reach
from scaling.units import format_flops, format_si

ANCHOR = "fig-budget"
PLOT = "budget-path"
PATH = Style("loss on the best split, 95 % band", INK, "", "solid")
SEEN = Style("measured points", "var(--c-blue)", "circle")
HERE = Style("your budget", "var(--c-vermillion)", "diamond")
_PER_DECADE = 8
_J_PER_KWH = 3.6e6
_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the sweep itself tells about hardware; each figure ``None`` where it was not measured.

    Attributes:
        name: device of the largest trial.
        flops_per_s: training FLOPs over seconds of training steps of the largest trial, one slot.
        joules_per_flop: median measured GPU joules per training FLOP.
    """

    name: str
    flops_per_s: float | None
    joules_per_flop: float | None


def device(material: Material) -> Device:
    """Return the sweep's own hardware as measured at its largest finished trial."""
    points = material.points
    timed = points[points["train_s"].fillna(0).astype(float) > 0] if "train_s" in points else points.iloc[:0]
    if timed.empty:
        return Device(name="", flops_per_s=None, joules_per_flop=joules_per_flop(points))
    last = timed.sort_values(["params_total", "tokens", "trial"]).iloc[-1]
    told = (
        material.trials.loc[material.trials["trial"] == last["trial"], "device"] if "device" in material.trials else []
    )
    name = next((str(d) for d in told if isinstance(d, str)), "")
    rate = float(last["flops_train"]) / float(last["train_s"])
    return Device(name=name, flops_per_s=rate, joules_per_flop=joules_per_flop(points))


def payload(material: Material) -> dict[str, Any] | None:
    """Return what the page needs to answer by itself, ``None`` without a law."""
    found = material.law
    if found is None or predictions(material)[0] is None:
        return None
    surface, flops, own = Surface.of(found.fit), found.flops, device(material)
    columns = [[_short(v) for v in getattr(surface, name)] for name in Surface.__slots__]
    finite = math.isfinite(flops.low)
    return {
        "draws": [list(row) for row in zip(*columns, strict=True)],
        "flops": {
            "coefficients": [float(c) for c in flops.coefficients],
            "middle": flops.middle,
            "low": flops.low if finite else None,
            "high": flops.high if finite else None,
        },
        "noise": [_short(v) for v in noise_quantiles(found.fit)] if len(found.fit.draws) else [],
        "rollouts": [[r.extrapolation_factor, r.stretch] for r in found.rollouts],
        "convention": found.convention,
        "unit": material.unit,
        "quantity": quantity_of(material.points).capitalize(),
        "smallest": found.smallest,
        "largest": found.largest,
        "limit": MAX_EXTRAPOLATION,
        "params": [float(found.params.min()), float(found.params.max())],
        "tokens": [float(found.tokens.min()), float(found.tokens.max())],
        "device": {"name": own.name, "flops_per_s": own.flops_per_s, "joules_per_flop": own.joules_per_flop},
        "cards": cards(),
        "price": material.tariff.per_gpu_hour,
        "currency": material.tariff.currency,
    }


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def cards() -> list[dict[str, Any]]:
    """Return accelerators for the page's list: peak, mean board watts, and the MFU assumed of a whole run."""
    return [
        {
            "name": card.name,
            "vendor": card.vendor,
            "peak": card.peak_16bit_flops_per_s,
            "mfu": utilisation_factor(None, card).range.mid,
            "watts": round(power_factor(card.tdp_w, "data sheet", card).range.mid),
        }
        for card in accelerators()
        if card.tdp_w is not None
    ]


def budgets(found: Law) -> np.ndarray:
    """Return round budgets, a third of a decade apart or so, from the smallest to a hundred times the largest."""
    low, high = found.smallest, MAX_EXTRAPOLATION * found.largest
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    rounds = [m * 10.0**k for k in powers for m in (1.0, 3.0)]
    return np.array([c for c in rounds if low <= c <= high])


def predictions(material: Material) -> tuple[Prediction | None, ...]:
    """Return what each round budget buys; one ``None`` where the law has no best split."""
    if material.law is None:
        return (None,)
    try:
        return tuple(predict_budget(material.law, float(c)) for c in budgets(material.law))
    except NotEnoughData:
        return (None,)


def rows(material: Material) -> list[dict[str, Any]]:
    """Return the table of budgets; hours and joules by this sweep's own measured rates, ``None`` without them."""
    own = device(material)
    return [_row(p, own, material.law) for p in predictions(material) if p is not None and material.law is not None]


def _support(found: Prediction, law: Law) -> str:
    if found.extrapolation_factor > 1 + 1e-9:
        return "extrapolated"
    return "inside the data" if inside(law, found.params.value, found.tokens.value) else "N* or D* beyond the data"


def _row(found: Prediction, own: Device, law: Law) -> dict[str, Any]:
    hours = None if own.flops_per_s is None else found.flops / own.flops_per_s / 3600
    kwh = None if own.joules_per_flop is None else found.flops * own.joules_per_flop / _J_PER_KWH
    return {
        "flops": found.flops,
        "extrapolation_factor": found.extrapolation_factor,
        "support": _support(found, law),
        **flat("params", found.params),
        **flat("tokens", found.tokens),
        **flat("tokens_per_param", found.tokens_per_param),
        **flat("loss", found.loss),
        **flat("loss_of_run", found.loss_of_run),
        "device_hours": hours,
        "gpu_kwh": kwh,
    }


def draw(material: Material, found: Law) -> Figure:
    """Draw the loss along the best split with its band, over the measured points."""
    ends = (found.smallest, MAX_EXTRAPOLATION * found.largest)
    n = max(12, round(_PER_DECADE * math.log10(ends[1] / ends[0])))
    solid = reach(found)
    grid = sorted({*np.geomspace(*ends, n).tolist(), found.largest, *(solid or ())})
    frame = pd.DataFrame([{"flops": c, **flat("loss", predict_budget(found, c).loss)} for c in grid])
    points = material.points
    heights = [*points["loss_nats"], *cells(frame, "loss_low"), *cells(frame, "loss")]
    figure = canvas(
        log_axis("Training FLOPs C", [*grid, *points["flops_train"]], power_of_ten, 0.02),
        log_axis("", [v for v in heights if v is not None], plain),
    )
    hover = Hover(points, _hover)
    marks(figure, points["flops_train"], points["loss_nats"], SEEN, hover, size=5, opacity=0.55, of=len(points))
    band(figure, frame["flops"], cells(frame, "loss_low"), cells(frame, "loss_high"), group=PATH.label)
    end_of_data(figure, found.largest)
    told = "best split of %{x:.2e} FLOPs<br>loss %{y:.4f} nats<extra></extra>"
    law(figure, frame["flops"], frame["loss"], solid or (0.0, 0.0), group=PATH.label, hover=told)
    return figure


def _hover(row: Mapping[Any, Any]) -> str:
    size = f"{format_si(row['params_total'])} parameters, {format_si(row['tokens'])} tokens"
    return words(
        [str(row["label"]), size, f"measured {row['loss_nats']:.4f} nats at {format_flops(row['flops_train'])}"]
    )


def panel(material: Material) -> Panel:
    """Return what a budget buys, or why nothing can be said."""
    table = rows(material)
    if material.law is None or not table:
        reason = material.missing("frontier", "L(N,D)", otherwise="It follows from L(N, D), which was not fitted.")
        return absent(ANCHOR, "What a budget would buy is unknown", reason)
    return Panel(
        anchor=ANCHOR,
        claim=_claim(material.law),
        caption=(
            "Loss of the best split of each budget by the fitted L(N, D), with the interval of the law itself. Solid: "
            "best size and data both lie inside those trained; elsewhere dashed, up to "
            f"{MAX_EXTRAPOLATION:g} times the largest fitted compute (dotted mark), and nothing further. "
            f"Compute is {material.law.convention}."
        ),
        plots=(Plot(PLOT, f"Loss, {material.unit}", draw(material, material.law), 340),),
        legend=(SEEN, PATH),
        table=_table(table, device(material)),
    )


def _claim(found: Law) -> str:
    far = predict_budget(found, 10 * found.largest)
    span = "" if far.loss.low is None or far.loss.high is None else f" [{far.loss.low:.3g}, {far.loss.high:.3g}]"
    return (
        f"Ten times the compute, {format_flops(far.flops)}, would buy a loss of {far.loss.value:.3g}{span} nats "
        f"with {format_si(far.params.value)} parameters × {format_si(far.tokens.value)} tokens"
    )


def _table(table: list[dict[str, Any]], own: Device) -> Table:
    kinds = {
        "params": ("N*", "count"),
        "tokens": ("D*", "count"),
        "tokens_per_param": ("D*/N*", "number"),
        "loss": ("Loss, law (nats)", "loss"),
        "loss_of_run": ("Loss, one run (nats)", "loss"),
    }
    columns = [Column("flops", "Budget", "flops"), Column("support", "Support")]
    columns.append(Column("extrapolation_factor", "Times the largest fitted", "number"))
    for name, (heading, kind) in kinds.items():
        columns += [Column(name, heading, kind)]
        columns += [Column(f"{name}_low", "2.5 %", kind), Column(f"{name}_high", "97.5 %", kind)]
    if own.flops_per_s is not None:
        columns.append(Column("device_hours", "Hours on one slot of this sweep", "number"))
    if own.joules_per_flop is not None:
        columns.append(Column("gpu_kwh", "GPU energy (kWh)", "number"))
    return Table.of("recommendation", "What to train for each budget", columns, table)
