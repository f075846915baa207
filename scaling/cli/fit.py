"""``scaling fit``: the laws of a store or table with intervals, how far to trust them, and what follows."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli.source import ColumnOption, SourceArgument, Steps, StepsOption, open_source

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.findings import Finding
    from scaling.laws import Analysis, Fit, Interval
    from scaling.laws.emergence import AbilityResult
    from scaling.store import Store

FORMAT = 1  # version of the JSON document
_LEAVE_OUT = frozenset({"draws", "residuals", "gap"})  # long, and derived from what is printed


class ParamCount(StrEnum):
    """Which parameters are N."""

    TOTAL = "total"
    NON_EMBEDDING = "non_embedding"
    MATMUL = "matmul"


def command(
    source: SourceArgument = None,
    params: Annotated[ParamCount, typer.Option(help="Which parameters are N.")] = ParamCount.TOTAL,
    column: ColumnOption = None,
    steps: StepsOption = Steps.LAST,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples by trial; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.")] = 0,
    full: Annotated[
        bool | None,
        typer.Option("--full/--quick", help="Sensitivity, profile and roll-outs; by default up to 2,000 points."),
    ] = None,
    energy: Annotated[
        bool, typer.Option("--energy", help="Instead: best size at fixed measured energy, frontier, J per FLOP.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Fit scaling laws to a store or a table: parameters with intervals, held-out error, findings with grades.

    Example:  scaling fit runs/quickstart

    Example:  scaling fit losses.csv --column params="Model Size"
    """
    from scaling.answers import analyse_store
    from scaling.cli.output import print_json
    from scaling.errors import NotEnoughData
    from scaling.findings import findings
    from scaling.laws.emergence import analyse_abilities

    store = open_source(source, column, steps)
    analysis = analyse_store(store, params=params.value, resamples=resamples, seed=seed, full=full)
    if energy:
        show_energy(store, analysis, params, as_json)
        return
    results = analyse_abilities(store.abilities())
    if not analysis.fits and not results:
        raise NotEnoughData(
            "fit.nothing",
            "no law can be fitted: " + "; ".join(f"{k}: {v}" for k, v in analysis.missing.items() if k[:2] == "L("),
            where=str(store.root),
            hint="add sizes and horizons"
            if store.imported
            else f"see what is there with `scaling status {store.root}`",
        )
    found = findings(analysis, store.points(), store.trials(), store.sweep, results)
    if as_json:
        print_json(document(store, analysis, found))
    else:
        show(analysis, found, results)


def show_energy(store: "Store", analysis: "Analysis", params: ParamCount, as_json: bool) -> None:
    """Print the analysis of measured energy. Raises ``NotEnoughData`` where none was measured."""
    from scaling.cli import energy_view
    from scaling.cli.output import print_json, stdout
    from scaling.laws.isojoule import isojoule

    found = isojoule(store.points(), analysis.fits.get("L(N,D)"), params=f"params_{params.value}")
    if as_json:
        print_json(energy_view.document(store.sweep.get("name"), str(store.root), found))
        return
    console = stdout()
    for line in energy_view.lines(found):
        console.print(line, markup=False, soft_wrap=True)


def document(store: "Store", analysis: "Analysis", found: "Iterable[Finding]") -> dict[str, Any]:
    """Return the whole result as one JSON document; bootstrap draws and residuals are left out."""
    parts = plain(analysis)
    assert isinstance(parts, dict)
    return {
        "format": FORMAT,
        "name": store.sweep.get("name"),
        "store": str(store.root),
        "imported": None if store.imported is None else dict(store.imported.origin),
        **parts,
        "findings": [plain(finding) for finding in found],
    }


def plain(value: object) -> object:
    """Return dataclasses as mappings, tuples as lists, and numbers that JSON has no word for as ``None``."""
    import dataclasses
    import math

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.name not in _LEAVE_OUT]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def show(analysis: "Analysis", found: "Iterable[Finding]", results: "Sequence[AbilityResult]" = ()) -> None:
    """Print the fits, what was left out, the verdicts on abilities, and the findings for people."""
    from scaling.cli.output import stdout

    console = stdout()
    if analysis.fits:
        console.print(fit_table(analysis.fits.values()))
        console.print(trust_table(analysis.fits.values()))
        for line in footnotes(analysis):
            console.print(line, markup=False, soft_wrap=True)
    if results:
        console.print(ability_table(results))
    console.print()
    for finding in found:
        console.print(f"[{finding.grade}] {finding.sentence}", markup=False, soft_wrap=True)


def fit_table(fits: "Iterable[Fit]") -> "Table":
    """Return the parameters of every law with their 95 % intervals."""
    table = _table("law", "form", "parameter", right=("value", "95 % interval"))
    for fit in fits:
        for i, (name, interval) in enumerate(fit.params.items()):
            head = (fit.name, fit.form) if i == 0 else ("", "")
            table.add_row(*head, name, f"{interval.value:.5g}", _span(interval))
    return table


def trust_table(fits: "Iterable[Fit]") -> "Table":
    """Return what each fit rests on and how well it converged: starts that agreed of those tried, rms residual."""
    right = ("points", "trials", "dropped", "objective", "gradient", "starts", "rms")
    table = _table("law", right=right)
    for fit in fits:
        table.add_row(
            fit.name,
            str(fit.n_points),
            str(fit.n_trials),
            str(len(fit.dropped)),
            f"{fit.objective_value:.4e}",
            f"{fit.gradient_norm:.0e}" + ("" if fit.converged else " (!)"),
            f"{fit.starts_agreed}/{fit.starts}",
            f"{100 * fit.residual_rms:.2f} %",
        )
    return table


def ability_table(results: "Iterable[AbilityResult]") -> "Table":
    """Return the verdict on every probe: what it scored at the largest size, over its floor, and how surprising."""
    right = ("floor", "score", "solved", "z", "z (log-p)", "p")
    table = _table("probe", "verdict", right=right)
    for r in results:
        judged, surprise = r.verdict, r.verdict.score.surprise
        table.add_row(
            r.probe,
            "emergent" if judged.emergent else judged.word.value,
            "unknown" if r.floor is None else f"{r.floor:.3f}",
            f"{r.top:.3f}",
            f"{r.solved[-1][1]}/{r.solved[-1][2]}",
            "" if surprise is None else f"{surprise.z:.1f}",
            "" if judged.logprob is None else f"{judged.logprob.z:.1f}",
            "" if r.p_corrected is None else f"{r.p_corrected:.2g}",
        )
    return table


def footnotes(analysis: "Analysis") -> list[str]:
    """Return conventions, interval method, exclusions, held-out error, warnings and missing parts, a line each."""
    first = next(iter(analysis.fits.values()))
    lines = [
        f"N: {first.conventions['params']}; C: {first.conventions['flops']}; loss: {first.conventions['loss_unit']}"
    ]
    lines += [f"objective: {first.objective}; intervals: {first.interval_method}"]
    held = analysis.heldout
    if held is not None:
        lines.append(
            f"held out ({held.rule}): mean error {100 * held.mean_abs_error:.2f} %, "
            f"max {100 * held.max_abs_error:.2f} %, naive {100 * held.naive_mean_abs_error:.2f} %, "
            f"at {held.extrapolation_factor:.2g}x the fitted compute"
        )
    lines += [f"note: {note}" for note in analysis.notes]
    lines += [f"warning: {fit.name}: {text}" for fit in analysis.fits.values() for text in fit.warnings]
    lines += [f"missing: {part}: {why}" for part, why in analysis.missing.items()]
    return lines


def _span(interval: "Interval") -> str:
    if interval.low is None or interval.high is None:
        return "–"
    return f"{interval.low:.4g} … {interval.high:.4g}"


def _table(*left: str, right: tuple[str, ...] = ()) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
