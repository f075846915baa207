"""The fits side by side, and the rules that grade what follows from them."""

from collections.abc import Iterable
from typing import Any

from scaling.laws.analysis import Fit
from scaling.report.figures.laws import pretty
from scaling.report.intervals import show
from scaling.report.material import Material
from scaling.report.panel import Column, Table

_FIT_SCALARS = (
    "form", "n_points", "n_trials", "residual_rms", "heldout_error", "aicc", "objective", "objective_value",
    "gradient_norm", "converged", "starts", "starts_agreed", "interval_method",
)  # fmt: skip


def fits(material: Material) -> Table:
    """Return the fits side by side for reading, and in long form with full precision for the CSV."""
    found = material.analysis.fits
    long = (
        Column("fit", "Law"),
        Column("quantity", "Quantity"),
        Column("value", "Value"),
        Column("low", "2.5 %", "number"),
        Column("high", "97.5 %", "number"),
    )
    rows = [{"fit": name, **row} for name, fit in found.items() for row in _fit_long(fit)]
    columns = (Column("quantity", "What"), *(Column(name, name) for name in found))
    shown = {name: _fit_words(material, fit) for name, fit in found.items()}
    quantities = dict.fromkeys(q for words in shown.values() for q in words)
    side = [{"quantity": q, **{name: words.get(q) for name, words in shown.items()}} for q in quantities]
    summary = Table.of("fits", "Fits", columns, side)
    return Table.of("fits", "Fits", long, rows, summary=summary, empty="No law was fitted.")


def _fit_long(fit: Fit) -> Iterable[dict[str, Any]]:
    for name, interval in fit.params.items():
        yield {"quantity": name, "value": interval.value, "low": interval.low, "high": interval.high}
    for name in _FIT_SCALARS:
        yield {"quantity": name, "value": getattr(fit, name)}
    for name, text in sorted(fit.conventions.items()):
        yield {"quantity": f"convention_{name}", "value": text}


def _fit_words(material: Material, fit: Fit) -> dict[str, str]:
    held = material.analysis.heldout if fit.name == "L(N,D)" else None
    return {
        "Form": pretty(fit.form),
        **{pretty(k): show(v) for k, v in fit.params.items()},
        "Points": f"{fit.n_points} of {fit.n_trials} trials",
        "Residual rms": f"{100 * fit.residual_rms:.3g} %",
        **(
            {}
            if held is None
            else {
                "Error, largest size left out": f"{_percent(held.mean_abs_error)} mean, "
                f"{_percent(held.max_abs_error)} at most"
            }
        ),
        "Error, largest compute left out": _percent(fit.heldout_error) or "too few trials",
        "AICc (n = trials)": "too few trials" if fit.aicc is None else f"{fit.aicc:.1f}".replace("-", "−"),
        "Objective": f"{fit.objective} = {fit.objective_value:.6g}",
        "Gradient norm": f"{fit.gradient_norm:.2g} ({'converged' if fit.converged else 'not converged'})",
        "Starts agreeing": f"{fit.starts_agreed} of {fit.starts}",
        "Intervals by": fit.interval_method,
        **{f"Convention: {name.replace('_', ' ')}": text for name, text in sorted(fit.conventions.items())},
        **({"Warnings": " ".join(fit.warnings)} if fit.warnings else {}),
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2g} %"


def forms(material: Material) -> Table:
    """Return the forms of the loss against size and data, each judged on what it had not seen and by AICc."""
    columns = (
        Column("name", "Form"),
        Column("form", "Formula"),
        Column("free", "Parameters fitted", "whole"),
        Column("heldout_error", "Error, largest compute left out", "percent"),
        Column("aicc", "AICc", "number"),
        Column("delta", "Above the lowest AICc", "number"),
        Column("params", "Parameters"),
    )
    choice = material.analysis.choice
    if choice is None:
        why = material.missing("choice", "L(N,D)", otherwise="not compared")
        return Table.of("forms", "Forms of the law", columns, [], empty=f"Missing: {why}.")
    least = min((row.aicc for row in choice.rows if row.aicc is not None), default=None)
    rows = [
        {
            **{name: getattr(row, name) for name in ("name", "free", "heldout_error", "aicc")},
            "form": pretty(row.form),
            "delta": None if row.aicc is None or least is None else row.aicc - least,
            "params": ", ".join(f"{pretty(name)} = {value:.3g}" for name, value in row.params.items()),
        }
        for row in choice.rows
    ]
    first = "Favoured" if choice.decided else "None stands out; first of what is left"
    return Table.of("forms", "Forms of the law", columns, rows, note=f"{first}: {choice.favours} ({choice.why}).")


def approaches(material: Material) -> Table:
    """Return the three approaches to the best split beside each other, by exact FLOPs and by 6ND."""
    columns = (
        Column("name", "Approach"),
        Column("flops", "FLOPs counted as"),
        Column("a", "a of N* ∝ Cᵃ"),
        Column("b", "b of D* ∝ Cᵇ"),
        Column("note", "Refused because, or beware"),
    )
    rows = [
        {
            "name": found.name,
            "flops": found.flops_convention,
            "a": None if found.a is None else show(found.a),
            "b": None if found.b is None else show(found.b),
            "note": found.reason or " ".join(found.warnings) or None,
        }
        for found in material.approaches
    ]
    caption = "The best split by three approaches"
    return Table.of("approaches", caption, columns, rows, empty="No point is there to fit.")


def sensitivity(material: Material) -> Table:
    """Return L(N, D) under other objectives and with the highest losses left out."""
    columns = (
        Column("choice", "Choice"),
        Column("variant", "Variant"),
        Column("n_points", "Points", "whole"),
        Column("E", "E", "number"),
        Column("alpha", "α", "number"),
        Column("beta", "β", "number"),
        Column("a", "a", "number"),
        Column("converged", "Converged"),
    )
    rows = [{c.key: getattr(row, c.key) for c in columns} for row in material.analysis.sensitivity]
    why = material.missing("sensitivity", "L(N,D)", otherwise="not examined")
    return Table.of("sensitivity", "L(N, D) under other choices", columns, rows, empty=f"Missing: {why}.")


def rules(material: Material) -> Table:
    """Return how each grade is decided: the test, the threshold, the least points."""
    keys = list(dict.fromkeys(k for rule in material.rules for k in rule))
    columns = tuple(Column(k, k.replace("_", " ").capitalize()) for k in keys)
    return Table.of("rules", "How each grade is decided", columns, material.rules, empty="No finding has a rule yet.")
