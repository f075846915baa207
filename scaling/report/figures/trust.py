"""How far the laws can be trusted: seed noise, prediction of what was held out, residuals."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from scaling.families import NATS_PER_TOKEN
from scaling.laws.analysis import HeldOut, Residual
from scaling.laws.noise import pooled
from scaling.report.axes import linear_axis, log_axis, plain, power_of_ten
from scaling.report.draw import Figure, Hover, band, canvas, level, line, marks, words
from scaling.report.groups import by_keys, by_number
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.units import format_flops, format_si

SEEN = Style("measured", "var(--c-blue)", "circle")
PREDICTED = Style("predicted", "var(--c-vermillion)", "", "dash")
NAIVE = Style("same loss as the next smaller size", "var(--ink-3)", "", "dot")
_PERCENT = {"ticksuffix": " %"}
_NOISE_AXES = {"tokens": "Tokens D", "params": "Parameters N", "loss": "Loss"}


def noise_data(material: Material) -> pd.DataFrame:
    """Return the spread over seeds: params, tokens, n_seeds, std_log, loss (mean); one row per size and horizon."""
    cells = material.points[["params_total", "tokens", "loss_nats"]].groupby(["params_total", "tokens"], sort=False)
    losses: dict[Any, float] = {key: float(part["loss_nats"].mean()) for key, part in cells}
    rows = [
        (r.params, r.tokens, r.n_seeds, r.std_log, losses.get((r.params, r.tokens)))
        for r in material.analysis.seed_noise
    ]
    return pd.DataFrame(rows, columns=["params", "tokens", "n_seeds", "std_log", "loss"])


def draw_noise(
    frame: pd.DataFrame, look: Look, typical: float, by: str = "tokens", unit: str = NATS_PER_TOKEN
) -> Figure:
    """Draw the spread in percent against one amount, one style per size, with the pooled value as a line."""
    title = f"Loss, {unit}" if by == "loss" else _NOISE_AXES[by]
    text = plain if by == "loss" else format_si
    figure = canvas(log_axis(title, frame[by].dropna(), text), linear_axis(rangemode="tozero", **_PERCENT))
    level(figure, 100 * typical, "dash", "var(--ink-2)")
    for params, part in by_number(frame.sort_values(by, kind="stable"), "params"):
        style = look.size(params, size_label(params))
        spread = [100 * s for s in part["std_log"]]
        if by != "params":
            line(figure, part[by], spread, style.colour, width=1, group=style.label, opacity=0.6)
        hover = [
            words([style.label, f"{format_si(t)} tokens", f"± {y:.2f} % over {n} seeds"])
            for t, y, n in zip(part["tokens"], spread, part["n_seeds"], strict=True)
        ]
        marks(figure, part[by], spread, style, hover)
    return figure


def size_label(params: float) -> str:
    """Name a size the way every legend does."""
    return f"{format_si(params)} params"


def noise_panel(material: Material, look: Look) -> Panel:
    """Return the seed-noise figure, or why there is none."""
    frame = noise_data(material)
    typical = pooled(material.analysis.seed_noise)
    if frame.empty or typical is None:
        reason = material.missing("seed_noise", "noise", otherwise="No size was trained with two seeds or more.")
        return absent("fig-noise", "Seed noise is unknown", reason)
    return Panel(
        anchor="fig-noise",
        claim=f"Changing only the seed moves the loss by ± {100 * typical:.2g} %",
        caption=(
            f"Standard deviation of ln(loss) over seeds of one size at one horizon, for {len(frame)} cells. The "
            f"dashed line pools them. Two single runs must lie 2√2 times that apart, {282.8 * typical:.2g} %, to "
            "differ. A spread from two seeds is itself uncertain by a factor of two or more."
        ),
        plots=(
            Plot.switched(
                "noise", "Spread over seeds, % of the loss", _noise_choices(frame, look, typical, material.unit), 340
            ),
        ),
        legend=legend(look.size(n, size_label(n)) for n in sorted(frame["params"].unique())),
        table=Table.of(
            "noise",
            "Spread of the loss over seeds",
            (
                Column("params", "Parameters", "count"),
                Column("tokens", "Tokens", "count"),
                Column("n_seeds", "Seeds", "whole"),
                Column("std_log", "Std of ln(loss)", "percent"),
                Column("loss", "Mean loss (nats)", "loss"),
            ),
            frame,
        ),
    )


def _noise_choices(frame: pd.DataFrame, look: Look, typical: float, unit: str) -> list[Choice]:
    short = {"tokens": "tokens", "params": "parameters", "loss": "loss"}
    kept = [by for by in _NOISE_AXES if frame[by].notna().any()]
    return [Choice(by, short[by], draw_noise(frame, look, typical, by, unit)) for by in kept]


def heldout_data(held: HeldOut) -> pd.DataFrame:
    """Return the held-out points: trial, params, tokens, seen, predicted, error (signed, relative)."""
    return pd.DataFrame(
        list(held.rows), columns=["trial", "params", "tokens", "seen", "predicted", "error"]
    ).sort_values(["params", "trial", "tokens"], ignore_index=True)


def draw_heldout(frame: pd.DataFrame) -> Figure:
    """Draw measured losses as marks and the prediction as a dashed line: it lies outside the fit."""
    figure = canvas(log_axis("Tokens D", frame["tokens"]), log_axis("", [*frame["seen"], *frame["predicted"]], plain))
    for _, part in frame.groupby("trial", sort=False):
        line(figure, part["tokens"], part["predicted"], PREDICTED.colour, dash="dash", group=PREDICTED.label)
        hover = [
            words(
                [
                    size_label(n),
                    f"{format_si(t)} tokens",
                    f"measured {s:.4f}, predicted {p:.4f} nats ({100 * e:+.2f} %)",
                ]
            )
            for n, t, s, p, e in part[["params", "tokens", "seen", "predicted", "error"]].itertuples(index=False)
        ]
        marks(figure, part["tokens"], part["seen"], SEEN, hover)
    return figure


def draw_heldout_error(frame: pd.DataFrame, naive: float) -> Figure:
    """Draw the signed error in percent, with the naive rule's mean error as a dotted pair."""
    worst = max(100 * frame["error"].abs().max(), 100 * naive) * 1.25
    figure = canvas(log_axis("Tokens D", frame["tokens"]), linear_axis(range=[-worst, worst], **_PERCENT))
    level(figure, 0)
    for sign in (-1, 1):
        level(figure, sign * 100 * naive, "dot", "var(--ink-2)")
    hover = [
        words([f"{format_si(t)} tokens", f"{100 * e:+.2f} %"])
        for t, e in zip(frame["tokens"], frame["error"], strict=True)
    ]
    marks(figure, frame["tokens"], [100 * e for e in frame["error"]], SEEN, hover)
    return figure


def heldout_panel(material: Material) -> Panel:
    """Return the held-out prediction, or why there is none."""
    held = material.analysis.heldout
    if held is None:
        reason = material.missing("heldout", "L(N,D)", otherwise="No part of the data could be held out.")
        return absent("fig-heldout", "The law was not tested on data it had not seen", reason)
    frame = _labelled(heldout_data(held), material)
    return Panel(
        anchor="fig-heldout",
        claim=(
            f"Fitted without the largest size, the law predicts its losses to {100 * held.mean_abs_error:.2g} % on "
            f"average and {100 * held.max_abs_error:.2g} % at worst"
        ),
        caption=(
            f"Rule: {held.rule}. {len(frame)} points, up to {held.extrapolation_factor:.3g} times the compute of "
            f"the fitted ones. Taking “same loss as the next smaller size” instead errs by "
            f"{100 * held.naive_mean_abs_error:.2g} % on average (dotted)."
        ),
        plots=(
            Plot("heldout-loss", f"Loss, {material.unit}", draw_heldout(frame), 360),
            Plot("heldout-error", "Error of the prediction", draw_heldout_error(frame, held.naive_mean_abs_error), 360),
        ),
        legend=(SEEN, PREDICTED, NAIVE),
        table=Table.of(
            "heldout",
            "Held-out points",
            (
                Column("label", "Trial"),
                Column("params", "Parameters", "count"),
                Column("tokens", "Tokens", "count"),
                Column("seen", "Measured (nats)", "loss"),
                Column("predicted", "Predicted (nats)", "loss"),
                Column("error", "Error", "signed_percent"),
            ),
            frame,
        ),
    )


def _labelled(frame: pd.DataFrame, material: Material) -> pd.DataFrame:
    """Return rows of trials with the label that people know each by."""
    labels = dict(zip(material.trials["trial"], material.trials["label"], strict=True))
    return frame.assign(label=[labels.get(trial, trial) for trial in frame["trial"]])


@dataclass(frozen=True, slots=True)
class Residuals:
    """Residuals of L(N,D), in units of the seed noise where that is known, else in percent of the loss.

    Attributes:
        frame: one row per point; ``residual`` is ``log_residual`` in the unit drawn.
        noise: pooled standard deviation of ln(loss) over seeds; ``None`` when unknown or zero.
    """

    frame: pd.DataFrame
    noise: float | None

    @property
    def unit(self) -> str:
        """What stands after a drawn residual: standard deviations of the seed noise, or percent."""
        return "%" if self.noise is None else "σ"

    @property
    def rms(self) -> float:
        """Root mean square of the log residuals of the fitted points."""
        used = self.frame.loc[self.frame["used"], "log_residual"]
        return float((used**2).mean() ** 0.5)


def residual_data(material: Material) -> Residuals:
    """Return seen and fitted losses, sorted by size, trial and tokens."""
    names = list(Residual.__dataclass_fields__)
    rows = [[getattr(r, n) for n in names] for r in material.analysis.residuals]
    frame = pd.DataFrame(rows, columns=names).sort_values(["params", "trial", "tokens"], ignore_index=True)
    noise = pooled(material.analysis.seed_noise) or None  # seeds without any spread are no unit
    return Residuals(_labelled(frame, material).assign(residual=frame["log_residual"] / (noise or 0.01)), noise)


def draw_residuals(found: Residuals, look: Look, by: str, title: str) -> Figure:
    """Draw residuals against one amount, with two standard deviations of the seed noise; hollow: not in the fit."""
    text = {"flops": power_of_ten, "loss": plain}.get(by, format_si)
    axis = log_axis(title, found.frame[by], text)
    figure = canvas(axis, linear_axis(ticksuffix=f" {found.unit}"))
    if found.noise is not None:
        ends = [10 ** axis["range"][0], 10 ** axis["range"][1]]
        band(figure, ends, [-2, -2], [2, 2], opacity=0.08)
    level(figure, 0)
    for (params, used), part in by_keys(found.frame, ["params", "used"]):
        style = look.size(params, size_label(params))
        hover = Hover(part, partial(_residual_hover, unit=found.unit))
        marks(figure, part[by], part["residual"], style, hover, hollow=not used, size=8, of=len(found.frame))
    return figure


def draw_seen(found: Residuals, look: Look, unit: str = NATS_PER_TOKEN) -> Figure:
    """Draw measured against fitted loss; the diagonal is agreement, hollow marks were left out of the fit."""
    frame = found.frame
    both = [*frame["loss"], *frame["fitted"]]
    axis = log_axis(f"Fitted loss, {unit}", both, plain)
    figure = canvas(axis, log_axis("", both, plain))
    ends = [10 ** axis["range"][0], 10 ** axis["range"][1]]
    line(figure, ends, ends, "var(--ink-3)", width=1)
    for (params, used), part in by_keys(frame, ["params", "used"]):
        style = look.size(params, size_label(params))
        marks(
            figure, part["fitted"], part["loss"], style, Hover(part, partial(_residual_hover, unit=found.unit)),
            hollow=not used, size=7, of=len(frame),
        )  # fmt: skip
    return figure


def _residual_hover(row: dict[Any, Any], unit: str) -> str:
    sigma = f", {row['residual']:+.2g} σ" if unit == "σ" else ""
    return words(
        [
            f"{size_label(row['params'])}, seed {row['seed']}",
            f"{format_si(row['tokens'])} tokens, {format_flops(row['flops'])}",
            f"measured {row['loss']:.4f}, fitted {row['fitted']:.4f} nats ({100 * row['log_residual']:+.2f} %{sigma})",
            "" if row["used"] else "left out of the fit",
        ]
    ).removesuffix("<br>")


def residual_panel(material: Material, look: Look) -> Panel:
    """Return residuals against N, D and C, or why there are none."""
    found = residual_data(material)
    if found.frame.empty:
        reason = material.missing("residuals", "L(N,D)", otherwise="No law was fitted, so nothing is left over.")
        return absent("fig-residuals", "There are no residuals to inspect", reason)
    noise = (
        " In percent of the loss: seed noise was not measured, so there is nothing to count them in."
        if found.noise is None
        else f" σ is one standard deviation of the seed noise, {100 * found.noise:.2g} % of the loss; shaded: ± 2 σ."
    )
    axes = (
        ("params", "parameters", "Parameters N"),
        ("tokens", "tokens", "Tokens D"),
        ("flops", "compute", "Training FLOPs C"),
        ("loss", "loss", f"Measured loss, {material.unit}"),
    )
    return Panel(
        anchor="fig-residuals",
        claim=_residual_claim(found),
        caption=(
            "Measured against fitted loss of every point (in ln). A law of the right shape leaves no trend along "
            "any axis. Hollow marks were left out of the fit." + noise
        ),
        plots=(
            Plot.switched(
                "residuals-by",
                f"Residual, {'% of the loss' if found.noise is None else 'in σ of the seed noise'}",
                [Choice(by, short, draw_residuals(found, look, by, title)) for by, short, title in axes],
                360,
            ),
            Plot("residuals-seen", f"Measured loss, {material.unit}", draw_seen(found, look, material.unit), 360),
        ),
        legend=legend(look.size(n, size_label(n)) for n in sorted(found.frame["params"].unique())),
        table=_residual_table(found),
    )


def _residual_claim(found: Residuals) -> str:
    head = f"The fitted surface leaves {100 * found.rms:.2g} % of the loss unexplained"
    if found.noise is None:
        return head
    ratio = found.rms / found.noise
    verdict = "about what changing the seed does" if 0.67 < ratio < 1.5 else f"{ratio:.2g} times the seed noise"
    return f"{head}, {verdict}"


def _residual_table(found: Residuals) -> Table:
    columns = [
        Column("label", "Trial"),
        Column("params", "Parameters", "count"),
        Column("tokens", "Tokens", "count"),
        Column("flops", "FLOPs", "flops"),
        Column("seed", "Seed", "whole"),
        Column("loss", "Measured (nats)", "loss"),
        Column("fitted", "Fitted (nats)", "loss"),
        Column("log_residual", "Residual", "signed_percent"),
        *([] if found.noise is None else [Column("residual", "Residual in σ of the seed noise", "number")]),
        Column("used", "In the fit"),
    ]
    return Table.of("residuals", "Residuals of the L(N, D) fit", columns, found.frame)
