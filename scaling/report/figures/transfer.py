"""What pre-training is worth on a new task: curves from random weights, and the data that fine-tuning seems to add."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import pandas as pd

from scaling.laws.tuning import Amount, Pair, Place, best_losses, transfer_law
from scaling.report.axes import linear_axis, log_axis, plain
from scaling.report.draw import MUTED, Figure, canvas, level, line, marks, words
from scaling.report.groups import by_keys, by_number
from scaling.report.look import SYMBOLS, Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.units import format_interval, format_si

ANCHOR = "fig-transfer"
_CLAIM = "What pre-training is worth on a new task"
_NONE = "this sweep fine-tuned nothing: its file has no section `after`"
_NO_CURVE = "nothing was trained from random weights on the same task: there is no curve to read the worth on"
_COLOURS = ("var(--c-blue)", "var(--c-orange)", "var(--c-green)", "var(--c-purple)", "var(--c-vermillion)")
_SCRATCH = Style("from random weights (hollow, line: mean over seeds)", MUTED, "circle-open")
_TUNED = Style("fine-tuned (filled)", MUTED, "circle")
_BOUND = Style("a bound: beyond the curve from random weights", MUTED, "triangle-up")
_HEIGHT = 330
_BESIDE = (
    Column("params", "Parameters", "count"), Column("seed", "Seed"), Column("items", "Items", "whole"),
    Column("loss", "Fine-tuned loss", "loss"), Column("scratch_loss", "From random weights", "loss"),
    Column("exact", "Exact match", "score"), Column("scratch_exact", "From random weights", "score"),
)  # fmt: skip
_MARKS = tuple(symbol for symbol in SYMBOLS if not symbol.startswith("triangle"))  # triangles are bounds


def data(material: Material) -> pd.DataFrame:
    """Return what pre-training was worth, one row per fine-tuned model."""
    rows = [
        {
            "probe": a.probe,
            "params": a.params,
            "seed": a.seed,
            "items": a.items,
            "loss": a.loss,
            "scratch_loss": a.scratch_loss,
            "effective": a.effective,
            "transferred": a.transferred,
            "multiple": a.multiple,
            "place": a.place.value,
        }
        for a in material.tuning.amounts
    ]
    return pd.DataFrame(rows)


def panel(material: Material, look: Look) -> Panel:
    """Return the losses by data and the data transferred by size, or why there are none."""
    best = best_losses(material.tuned)
    if best.empty:
        return absent(ANCHOR, _CLAIM, _NONE)
    if not material.tuning.amounts:
        whole = [p for p in material.tuning.pairs if p.scratch_loss is not None]
        return _beside(whole, look) if whole else absent(ANCHOR, _CLAIM, _NO_CURVE)
    amounts = data(material)
    by_size = Plot.switched(
        "transfer",
        "Data transferred by size",
        [
            Choice("transferred", "items", draw_by_size(amounts, "transferred")),
            Choice("multiple", "times the data given", draw_by_size(amounts, "multiple")),
        ],
        _HEIGHT,
        "In",
    )
    sizes = [look.size(n, f"{format_si(n)} parameters") for n in sorted(set(amounts["params"]))]
    return Panel(
        anchor=ANCHOR,
        claim=_claim(material.tuning.amounts),
        caption=(
            f"Task {', '.join(sorted(set(amounts['probe'])))}. Left: test loss against training items, each the best "
            "of its horizons. Right: effective data transferred D_T = D_E − D_F (Hernandez et al. 2021): D_E is the "
            "data that random weights need for the fine-tuned loss, read between measured amounts, never beyond; "
            "triangles are bounds. One mark per seed."
        ),
        plots=(Plot("transfer-loss", "Loss by data, nats per answer token", draw_losses(best, look), _HEIGHT), by_size),
        legend=legend([*sizes, _TUNED, _SCRATCH, *_data_styles(amounts), _BOUND]),
        table=_table(amounts),
        notes=tuple(_notes(material.tuning.amounts)),
    )


def _beside(whole: Sequence[Pair], look: Look) -> Panel:
    """Return fine-tuned models beside random weights by size, where no curve tells what that is worth in data."""
    rows = pd.DataFrame([asdict(pair) for pair in whole])
    sizes = [look.size(n, f"{format_si(n)} parameters") for n in sorted(set(rows["params"]))]
    items = " or ".join(f"{n}" for n in sorted(set(rows["items"])))
    plots = [
        Choice("exact", "exact match", draw_beside(rows, "exact", look)),
        Choice("loss", "nats per answer token", draw_beside(rows, "loss", look)),
    ]
    return Panel(
        anchor=ANCHOR,
        claim=f"On the same {items} items, pre-training lowers the loss of {sum(p.gains for p in whole)} of "
        f"{len(whole)} models",
        caption=(
            f"Task {', '.join(sorted(set(rows['probe'])))}. Test scores of fine-tuned models and of random weights "
            "of the same size and seed, each at its best horizon by loss. One mark per seed; the line joins the means "
            "of random weights. What pre-training is worth in data is read on a curve of two amounts from random "
            "weights or more, so it is not told here."
        ),
        plots=(Plot.switched("transfer-beside", "On the test items", plots, _HEIGHT, "In"),),
        legend=legend([*sizes, _TUNED, _SCRATCH]),
        table=Table.of("transfer", "Fine-tuned and from random weights", _BESIDE, rows, filterable=True),
    )


def draw_beside(rows: pd.DataFrame, column: str, look: Look) -> Figure:
    """Draw a test score against size: fine-tuned filled, from random weights hollow with a line through the means."""
    scratch, params = f"scratch_{column}", rows["params"].astype(float)
    values = pd.concat([rows[column], rows[scratch]]).astype(float)
    down = linear_axis(range=[-0.03, 1.03]) if column == "exact" else log_axis("", values, plain)
    figure = canvas(log_axis("Parameters N", params, format_si), down)
    means = rows.groupby("params", sort=True)[scratch].mean()
    line(figure, [float(str(n)) for n in means.index], means, MUTED, width=1.5, group=_SCRATCH.label)
    for n, part in by_number(rows, "params"):
        style = look.size(n, f"{format_si(n)} parameters")
        for key, words_of in ((column, "fine-tuned"), (scratch, "from random weights")):
            hover = [
                words([f"{format_si(float(n))} parameters, seed {row['seed']}, {words_of}", f"{row[key]:.4g}"])
                for row in part.to_dict("records")
            ]
            marks(figure, part["params"], part[key], style, hover, hollow=key == scratch, size=8)
    return figure


def _claim(amounts: Iterable[Amount]) -> str:
    every = list(amounts)
    largest = max(a.params for a in every)
    worth = [a.multiple for a in every if a.params == largest]
    at_least = "at least " if any(a.params == largest and a.place is Place.BEYOND for a in every) else ""
    span = f"{min(worth):.2g} to {at_least}{max(worth):.2g}"
    return f"At {format_si(largest)} parameters, pre-training multiplies the data of the new task by {span}"


def draw_losses(best: pd.DataFrame, look: Look) -> Figure:
    """Draw loss against items: from random weights hollow with a line, fine-tuned filled."""
    losses = best["answer_loss_nats"].astype(float)
    figure = canvas(
        log_axis("Training items D<sub>F</sub>", best["items"].astype(float), format_si),
        log_axis("", losses, plain),
    )
    for params, part in by_number(best, "params_total"):
        style = look.size(params, f"{format_si(params)} parameters")
        for method, rows in part.groupby("method"):
            hover = [
                words([
                    f"{row['label']}", f"{row['items']} items: {row['answer_loss_nats']:.4f} nats per answer token",
                    f"exact match {row['exact_match']:.3f}, best at {format_si(float(row['tokens']))} tokens",
                ])
                for row in rows.to_dict("records")
            ]  # fmt: skip
            scratch = method == "scratch"
            marks(figure, rows["items"], rows["answer_loss_nats"], style, hover, hollow=scratch, size=8)
            if scratch:
                means = rows.groupby("items", sort=True)["answer_loss_nats"].mean()
                line(figure, [float(str(n)) for n in means.index], means, style.colour, width=1.5, group=style.label)
    return figure


def draw_by_size(amounts: pd.DataFrame, column: str) -> Figure:
    """Draw data transferred (or the multiple of the data given) against size, one colour per amount of data."""
    shown = amounts[amounts[column] > 0]
    title = {"transferred": "", "multiple": ""}[column]
    figure = canvas(
        log_axis("Parameters N", amounts["params"].astype(float), format_si),
        log_axis(title, shown[column].astype(float), plain),
    )
    styles = {style.label: style for style in _data_styles(amounts)}
    for items, part in by_number(shown, "items"):
        style = styles[f"{items:.0f} items"]
        means = part.groupby("params", sort=True)[column].mean()
        line(figure, [float(str(n)) for n in means.index], means, style.colour, width=1.5, group=style.label)
        for (place,), rows in by_keys(part, ["place"]):
            bound = place != Place.INSIDE.value
            symbol = {Place.BEYOND.value: "triangle-up", Place.BELOW.value: "triangle-down"}.get(place, style.symbol)
            look = Style(style.label, style.colour, symbol)
            hover = [_hover(row) for row in rows.to_dict("records")]
            marks(figure, rows["params"], rows[column], look, hover, hollow=bound, size=9)
    if column == "multiple":
        level(figure, 1.0, "dash")
    return figure


def _hover(row: "dict[str, object] | dict[object, object]") -> str:
    values = {str(k): v for k, v in row.items()}
    return words(
        [
            f"{format_si(float(str(values['params'])))} parameters, seed {values['seed']}, {values['items']} items",
            f"worth {float(str(values['effective'])):.3g} items from random weights ({values['place']})",
        ]
    )


def _data_styles(amounts: pd.DataFrame) -> list[Style]:
    every = sorted({int(n) for n in amounts["items"]})
    return [Style(f"{n} items", _COLOURS[i % len(_COLOURS)], _MARKS[i % len(_MARKS)]) for i, n in enumerate(every)]


def _notes(amounts: tuple[Amount, ...]) -> Iterable[str]:
    hidden = sum(a.transferred <= 0 for a in amounts)
    if hidden:
        yield f"{hidden} of {len(amounts)} models transferred nothing or did harm (D_T at or below zero): in the table."
    law = transfer_law(amounts)
    if law is None:
        yield "No law D_T = k D_F^α N^β is fitted: six amounts inside the curves are needed, of three sizes and data."
        return
    alpha, beta = (format_interval(i.value, i.low, i.high) for i in (law.alpha, law.beta))
    yield (
        f"D_T ∝ D_F^{alpha} N^{beta} over {law.n} amounts inside the curves, rms of the log residuals {law.rms:.2g}; "
        "intervals resample models."
    )


def _table(amounts: pd.DataFrame) -> Table:
    columns = (
        Column("params", "Parameters", "count"), Column("seed", "Seed"), Column("items", "Items D_F", "whole"),
        Column("loss", "Fine-tuned loss", "loss"), Column("scratch_loss", "From random weights", "loss"),
        Column("effective", "Effective items D_E", "number"), Column("transferred", "Transferred D_T", "number"),
        Column("multiple", "D_E / D_F", "number"), Column("place", "Read"),
    )  # fmt: skip
    return Table.of("transfer", "Effective data transferred", columns, amounts, filterable=True)
