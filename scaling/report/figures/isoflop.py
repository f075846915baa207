"""IsoFLOP profiles: loss against size at fixed compute, the minimum of each with its interval, or why it has none."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.laws import IsoFlop, Profile
from scaling.laws.frontier import Surface
from scaling.report.axes import log_axis, plain, power_of_ten
from scaling.report.draw import Figure, canvas, line, marks, words
from scaling.report.intervals import flat, show
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.units import format_flops, format_si

ANCHOR = "fig-isoflop"
MINIMUM = Style("minimum with 95 % interval", "var(--c-vermillion)", "x-thin")  # a shape no size has
REFUSED = Style("no minimum shown (hollow)", "var(--ink-2)", "circle-open")
MAX_PROFILES = 12
_GRID = 40
_COLUMNS = (
    Column("flops", "Budget", "flops"),
    Column("sizes", "Sizes", "whole"),
    Column("used", "In the curve", "whole"),
    Column("params", "N*", "count"),
    Column("params_low", "2.5 %", "count"),
    Column("params_high", "97.5 %", "count"),
    Column("tokens", "D*", "count"),
    Column("tokens_low", "2.5 %", "count"),
    Column("tokens_high", "97.5 %", "count"),
    Column("loss", "Loss (nats)", "loss"),
    Column("reason", "No minimum because"),
)


@dataclass(frozen=True, slots=True)
class Profiles:
    """Profiles to draw, smallest budget first.

    Attributes:
        profiles: budgets with their cells; at most twelve, evenly chosen.
        rows: one row per budget of the sweep: minimum with interval, or the reason why there is none.
        curves: fitted L(N, C/N) along each drawn budget: budget -> (params, loss); empty without a law.
        found: approach 2 as a whole.
    """

    profiles: tuple[Profile, ...]
    rows: pd.DataFrame
    curves: dict[float, tuple[tuple[float, ...], tuple[float, ...]]]
    found: IsoFlop


def data(material: Material) -> Profiles | None:
    """Return the profiles, ``None`` where no budget has sizes to compare."""
    found = material.isoflop
    if found is None or not found.profiles:
        return None
    ordered = sorted(found.profiles, key=lambda p: p.flops)
    step = max(1, -(-len(ordered) // MAX_PROFILES))
    kept = tuple(ordered[::-1][::step][::-1])
    rows = pd.DataFrame([_row(p) for p in ordered], columns=[c.key for c in _COLUMNS])
    return Profiles(kept, rows, {p.flops: curve for p in kept if (curve := _curve(material, p)) is not None}, found)


def _row(profile: Profile) -> dict[str, Any]:
    known = {
        name: value
        for name in ("params", "tokens", "loss")
        if (interval := getattr(profile, name)) is not None
        for name, value in flat(name, interval).items()
    }
    head = {"flops": profile.flops, "sizes": len(set(profile.sizes)), "used": profile.used, "reason": profile.reason}
    return {**head, **known}


def _curve(material: Material, profile: Profile) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the fitted surface along one budget over the sizes of its profile."""
    if material.law is None:
        return None
    n = np.geomspace(min(profile.sizes), max(profile.sizes), _GRID)
    d = np.exp(np.log(profile.flops) - material.law.flops.log_value(np.log(n)))
    loss = Surface.of(material.law.fit).point.loss(n[None], d[None])[0]
    return tuple(n.tolist()), tuple(loss.tolist())


def draw(found: Profiles, look: Look) -> Figure:
    """Draw cells by budget, the law's own profile thin, minima as crosses with their interval in N."""
    sizes = [n for p in found.profiles for n in p.sizes]
    losses = [v for p in found.profiles for v in p.losses]
    figure = canvas(log_axis("Parameters N", sizes), log_axis("", losses, plain))
    for rank, profile in enumerate(found.profiles):
        style = budget_style(look, rank, len(found.profiles), profile.flops)
        for n, loss in [found.curves[profile.flops]] if profile.flops in found.curves else []:
            line(figure, n, loss, style.colour, width=1, opacity=0.6, group=style.label)
        hover = [_hover(profile, n, v) for n, v in zip(profile.sizes, profile.losses, strict=True)]
        hollow = profile.params is None
        marks(figure, profile.sizes, profile.losses, style, hover, hollow=hollow, size=8)
        if profile.params is not None and profile.loss is not None:
            low, high = profile.params.low, profile.params.high
            if low is not None and high is not None:
                line(figure, (low, high), [profile.loss.value] * 2, MINIMUM.colour, width=2, group=MINIMUM.label)
            told = f"minimum at {format_flops(profile.flops)}: N* = {_sized(profile)}"
            marks(figure, [profile.params.value], [profile.loss.value], MINIMUM, [words([told])], size=12)
    return figure


def budget_style(look: Look, rank: int, count: int, flops: float) -> Style:
    """Return the style of a budget: viridis in order of compute, as sizes are coloured in order of size."""
    spread = round(rank * (len(look.sizes) - 1) / max(1, count - 1)) if look.sizes else 0
    shape = look.size(look.sizes[spread]) if look.sizes else Style("", "var(--ink)")
    return Style(f"{power_of_ten(float(f'{flops:.2g}'))} FLOPs", shape.colour, shape.symbol)


def _sized(profile: Profile) -> str:
    assert profile.params is not None
    low, high = profile.params.low, profile.params.high
    span = "" if low is None or high is None else f" [{format_si(low)}, {format_si(high)}]"
    return f"{format_si(profile.params.value)}{span}"


def _hover(profile: Profile, params: float, loss: float) -> str:
    return words([f"{format_si(params)} parameters at {format_flops(profile.flops)}", f"loss {loss:.4f} nats"])


def panel(material: Material, look: Look) -> Panel:
    """Return the profiles, or why there are none."""
    found = data(material)
    if found is None:
        reason = "No trial has published a point yet." if material.isoflop is None else material.isoflop.reason
        return absent(ANCHOR, "Sizes cannot be compared at equal compute", reason or "no budget is shared by sizes")
    whole = found.found
    styles = [budget_style(look, i, len(found.profiles), p.flops) for i, p in enumerate(found.profiles)]
    why = f" No exponent: {whole.reason}." if whole.reason else f" Intervals: {whole.interval_method}."
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            "Each colour is one compute budget; marks are sizes trained to it, or their trunk read between two "
            "horizons. Crosses are minima of a parabola in ln N with their 95 % interval; hollow profiles do not "
            f"bracket theirs. Thin lines: the fitted L(N, D) at the same budget.{why}"
        ),
        plots=(Plot("isoflop", f"Loss, {material.unit}", draw(found, look), 460),),
        legend=legend([*styles, MINIMUM, *([REFUSED] if found.rows["params"].isna().any() else [])]),
        table=Table.of("isoflop", "Minimum of every IsoFLOP profile", _COLUMNS, found.rows),
    )


def _claim(found: Profiles) -> str:
    good = int(found.rows["params"].notna().sum())
    head = f"{good} of {len(found.rows)} compute budgets show their best size between smaller and larger ones"
    whole = found.found
    if whole.a is None:
        return head
    return f"{head}; through them N* grows as C to the {show(whole.a, 2)}"
