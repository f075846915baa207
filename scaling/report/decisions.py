"""The decisions that a report leads to, in plain sentences: what to train, when to stop, what it costs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scaling.answers import Law, Prediction, predict_budget
from scaling.errors import NotEnoughData
from scaling.findings.fitted import STOPS, stop_words
from scaling.laws.analysis import Interval, StopRow
from scaling.laws.choices import Choices
from scaling.report.figures import budget, choices, energy, returns
from scaling.report.intervals import of_row, show
from scaling.report.material import Material
from scaling.report.support import reach
from scaling.units import format_duration, format_energy, format_flops, format_mass, format_si

FURTHER = 10.0  # times the largest fitted compute: where the budget's slider stands at first
_J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision: its question, the sentences that answer it, and the place to look.

    Attributes:
        missing: the sentences say why there is no answer.
        finding: id of the finding whose grade says how far to trust it.
    """

    question: str
    sentences: tuple[str, ...]
    anchor: str
    missing: bool = False
    finding: str = ""


def decisions(material: Material) -> tuple[Decision, ...]:
    """Return the three decisions; each says what is missing where the data do not lead to it.

    Where the sweep tried choices around one model, what they are worth comes first.
    """
    return (
        *([] if material.choices is None else [_choose(material.choices)]),
        replace(_train(material), finding="compute_optimal"),
        replace(_stop(material), finding="returns"),
        replace(_cost(material), finding="energy"),
    )


def _choose(found: Choices) -> Decision:
    return Decision(question="Which choice pays", sentences=choices.advice(found), anchor=choices.ANCHOR)


def _train(material: Material) -> Decision:
    question, anchor = "What to train", budget.ANCHOR
    law = material.law
    found = None if law is None else _predicted(law, FURTHER * law.largest)
    if law is None or found is None:
        why = material.missing("frontier", "L(N,D)", otherwise="no law was fitted")
        return Decision(question=question, sentences=(f"Not known: {why.rstrip('.')}.",), anchor=anchor, missing=True)
    ends = reach(law)
    seen = None if ends is None else _predicted(law, ends[1])
    inside = (
        "No budget has its best size and data both inside those trained."
        if seen is None
        else f"At {format_flops(seen.flops)}, the largest budget whose best size and data were trained: {_split(seen)}."
    )
    return Decision(
        question=question,
        sentences=(
            inside,
            f"At {format_flops(found.flops)}, {FURTHER:g} times the largest fitted, so extrapolated: {_split(found)}; "
            f"one run ends at {show(found.loss_of_run)} {material.unit}.",
        ),
        anchor=anchor,
    )


def _predicted(law: Law, flops: float) -> Prediction | None:
    try:
        return predict_budget(law, flops)
    except NotEnoughData:
        return None


def _split(found: Prediction) -> str:
    return f"{_counted(found.params)} parameters on {_counted(found.tokens)} tokens"


def _counted(amount: Interval) -> str:
    span = "" if amount.low is None or amount.high is None else f" [{format_si(amount.low)}, {format_si(amount.high)}]"
    return f"{format_si(amount.value)}{span}"


def _stop(material: Material) -> Decision:
    question, found = "When to stop", returns.data(material)
    if found is None:
        why = material.missing("returns", "frontier", "L(N,D)", otherwise="no law was fitted")
        return Decision(
            question=question, sentences=(f"Not known: {why.rstrip('.')}.",), anchor=returns.ANCHOR, missing=True
        )
    inside = found.rows[found.rows["flops"] <= found.end * (1 + 1e-9)]
    row = inside.iloc[-1] if len(inside) else found.rows.iloc[0]
    head = f"At {format_flops(row['flops'])} the next doubling buys {show(of_row(row, 'gain'))} {material.unit}."
    return Decision(question=question, sentences=(head, *_ends(material.analysis.stops)), anchor=returns.ANCHOR)


def _ends(stops: tuple[StopRow, ...]) -> Iterator[str]:
    """Say where more compute stops paying by each rule; a price that nobody gave is no rule."""
    for stop in stops:
        if stop.flops is not None:
            yield stop_words(stop)
        elif stop.rule != "price":
            yield f"Where {STOPS[stop.rule]}: {stop.reason}."


def _cost(material: Material) -> Decision:
    own, law = budget.device(material), material.law
    spent = _spent(material)
    if law is None:
        return Decision(
            question="What it costs",
            sentences=(*spent, "What a budget costs is not known: no law."),
            anchor="sec-tables",
            missing=not spent,
        )
    return Decision(
        question="What it costs",
        sentences=(*spent, _price(material, own, FURTHER * law.largest)),
        anchor=budget.ANCHOR,
    )


def _spent(material: Material) -> tuple[str, ...]:
    wall_s = material.every_trial["wall_s"].astype(float).sum() if "wall_s" in material.every_trial else 0.0
    time = (f"The trials of this sweep took {format_duration(float(wall_s))} of slot time.",) if wall_s else ()
    measured = energy.data(material).measured
    if measured.empty:
        return time
    joules = float(measured["energy_j"].sum())
    place = material.tariff.intensity
    carbon = None if place is None else joules / _J_PER_KWH * place.g_per_kwh
    emitted = "" if carbon is None else f", {format_mass(carbon)} CO2e"
    return (*time, f"Energy measured in training: {format_energy(joules)}{emitted}.")


def _price(material: Material, own: budget.Device, flops: float) -> str:
    """Say what a budget costs at the rates that this sweep measured; what was not measured is named."""
    hours = None if own.flops_per_s is None else flops / own.flops_per_s / 3600
    joules = None if own.joules_per_flop is None else flops * own.joules_per_flop
    where = f" ({own.name})" if own.name else ""
    time = (
        "time unknown (no training was timed)"
        if hours is None
        else f"{format_duration(3600 * hours)} on one slot{where}"
    )
    energy = "energy not measured" if joules is None else f"{format_energy(joules)} of GPU energy"
    return f"{format_flops(flops)} at the rates measured here: {time}, {energy}, {_money(material, hours, joules)}."


def _money(material: Material, hours: float | None, joules: float | None) -> str:
    tariff = material.tariff
    parts = [(tariff.per_gpu_hour, hours), (tariff.per_kwh, None if joules is None else joules / _J_PER_KWH)]
    priced = [(price, used) for price, used in parts if price is not None]
    if not priced:
        return "no price given"
    known = [price * used for price, used in priced if used is not None]
    return (
        f"{sum(known):.3g} {tariff.currency}"
        if len(known) == len(priced)
        else "money unknown: a priced part was not measured"
    )
