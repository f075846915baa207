"""What a choice is worth: loss and compute for one setting changed at a time around a model in the middle."""

import math
from collections.abc import Iterator

from scaling.laws.choices import Choices, Worth
from scaling.report.axes import linear_axis
from scaling.report.draw import Figure, canvas, law, marks, words
from scaling.report.look import Style
from scaling.report.panel import Column, Panel, Plot, Table
from scaling.units import format_si

ANCHOR = "fig-choices"
BETTER = Style("lower loss than the middle", "var(--c-blue)", "circle")
WORSE = Style("higher loss", "var(--c-vermillion)", "diamond")
UNTOLD = Style("not told from chance between seeds", "var(--ink-2)", "square")


def panel(found: Choices) -> Panel:
    """Return every choice with its change of loss and what that is worth in the middle's compute."""
    middle = ", ".join(f"{_short(key)} {value}" for key, value in found.middle.items())
    least, most = (_times(v) for v in found.reach)
    seeds = max(w.seeds for w in found.worths)
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            f"Each differs in one setting from the model in the middle ({middle}; loss {found.loss:.4f}), after "
            f"{format_si(found.tokens)} tokens, {seeds} seeds, the same for both. Bars are 95 % intervals, Student’s t "
            "over the differences of all choices. What a change is worth in compute is read off the middle’s course, "
            f"measured from {least} to {most} of its compute here: beyond that it is only said to be more or less. "
            "Compute of its own is what the choice takes for the same tokens; worth more, it is the better buy."
        ),
        plots=(Plot("choices", "Change of loss, %", draw(found), 110 + 34 * len(found.worths)),),
        legend=(BETTER, WORSE, UNTOLD),
        table=table(found),
    )


def _short(key: str) -> str:
    return key.partition(".")[2]


def _named(worth: Worth) -> str:
    return f"{_short(worth.key)} {worth.value}"


def _claim(found: Choices) -> str:
    told = [w for w in found.worths if w.told]
    count = f"{len(told)} of {len(found.worths)} choices change the loss by more than seeds do"
    if not told:
        return f"None of {len(found.worths)} choices changes the loss by more than seeds do"
    most = max(told, key=lambda w: abs(w.change.value))
    return f"{count}; the most {_named(most)}, {_percent(most.change.value)}"


def advice(found: Choices) -> tuple[str, str]:
    """Say which choice matters most, and which are worth more compute than they take, or less: by whole intervals."""
    better, worse = ("; ".join(_buys(found, better=b)) for b in (True, False))
    parts = (("Worth more compute than it takes", better), ("Worth less than it takes", worse))
    said = " ".join(f"{head}: {names}." for head, names in parts if names)
    return f"{_claim(found)}.", said or "No choice is told to be worth more or less compute than it takes."


def _buys(found: Choices, *, better: bool) -> Iterator[str]:
    shortest, longest = found.reach  # of the middle's course: beyond it a worth is only more or less than these
    for w in found.worths:
        low, high = w.compute_worth.low, w.compute_worth.high
        if not w.told or low is None or high is None:
            continue
        if min(low, longest) > w.compute_own if better else max(high, shortest) < w.compute_own:
            yield f"{_named(w)} (takes {_times(w.compute_own)}, worth {_bound(w.compute_worth.value, found)})"


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %".replace("-", "−")


def _times(value: float) -> str:
    return f"{value:.2g}x"


def style_of(worth: Worth) -> Style:
    """Return how a choice is drawn: by whether it is told from chance, and which way it goes."""
    return UNTOLD if not worth.told else BETTER if worth.change.value < 0 else WORSE


def draw(found: Choices) -> Figure:
    """Draw a mark and its interval for every choice, one below the other, the middle at zero."""
    places = range(len(found.worths))[::-1]
    ends = [100 * v for w in found.worths for v in (w.change.value, w.change.low, w.change.high) if v is not None]
    room = 0.06 * (max([*ends, 0.0]) - min([*ends, 0.0]) or 1.0)
    figure = canvas(
        linear_axis(
            title={"text": "Change of loss from the middle, %"},
            range=[min([*ends, 0.0]) - room, max([*ends, 0.0]) + room],
        ),
        linear_axis(
            range=[-0.7, len(found.worths) - 0.3],
            tickvals=list(places),
            ticktext=[words([_named(w)]) for w in found.worths],
            showgrid=False,
        ),
    )
    for place, worth in zip(places, found.worths, strict=True):
        style, change = style_of(worth), worth.change
        if change.low is not None and change.high is not None:
            law(figure, [100 * change.low, 100 * change.high], [place, place], (-math.inf, math.inf), style.colour)
        told = [_named(worth), f"loss {worth.loss:.4f}, {_percent(change.value)}", f"worth {_worth(worth, found)}"]
        marks(figure, [100 * change.value], [place], style, [words(told)], size=10)
    law(figure, [0.0, 0.0], [-0.7, len(found.worths) - 0.3], (-math.inf, math.inf), "var(--ink-3)", width=1.0)
    return figure


def _bound(value: float | None, found: Choices) -> str:
    """Return a multiple of compute, or beyond which measured one it lies."""
    if value is None:
        return "–"
    if math.isinf(value):
        return f"> {_times(found.reach[1])}"
    return f"< {_times(found.reach[0])}" if value == 0 else _times(value)


def _worth(worth: Worth, found: Choices) -> str:
    low, high = worth.compute_worth.low, worth.compute_worth.high
    span = "" if low is None or high is None else f" [{_bound(low, found)}, {_bound(high, found)}]"
    return f"{_bound(worth.compute_worth.value, found)} of the middle’s compute{span}"


def table(found: Choices) -> Table:
    """Return a row for every choice, compute beside loss."""
    columns = (
        Column("choice", "Choice"),
        Column("params", "Parameters", "count"),
        Column("seeds", "Seeds", "whole"),
        Column("loss", "Loss (nats)", "loss"),
        Column("change", "Change", "signed_percent"),
        Column("change_low", "2.5 %", "signed_percent"),
        Column("change_high", "97.5 %", "signed_percent"),
        Column("own", "Compute of its own"),
        Column("worth", "Worth in compute"),
    )
    return Table.of("choices", "What each choice is worth", columns, list(_rows(found)))


def _rows(found: Choices) -> Iterator[dict[str, object]]:
    for w in found.worths:
        yield {
            "choice": _named(w),
            "params": w.params,
            "seeds": w.seeds,
            "loss": w.loss,
            "change": w.change.value,
            "change_low": w.change.low,
            "change_high": w.change.high,
            "own": _times(w.compute_own),
            "worth": _worth(w, found).replace(" of the middle’s compute", ""),
        }
