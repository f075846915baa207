"""``scaling fit``: the laws of a store or table with intervals, how far to trust them, and what follows."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli.lawchoice import (
    Axis,
    AxisOption,
    BreaksOption,
    CostOption,
    DeltaOption,
    DropOption,
    EnergyOption,
    FixOption,
    Form,
    FormOption,
    Goal,
    GoalOption,
    TiedOption,
    WorthOption,
    goal_of,
    law_of_options,
    price_of,
)
from scaling.cli.source import ColumnOption, SourceArgument, Steps, StepsOption, open_source

if TYPE_CHECKING:
    from scaling.findings import Finding
    from scaling.laws import Analysis, Fit
    from scaling.laws.emergence import AbilityResult
    from scaling.laws.selection import Selection
    from scaling.store import Store

FORMAT = 1  # version of the JSON document
_FURTHER_RESAMPLES = 200  # of forms that are refitted by a general solver, a hundred times slower than L(N,D)
_LEAVE_OUT = frozenset({"draws", "residuals", "gap"})  # long, and derived from what is printed


class ParamCount(StrEnum):
    """Which parameters are N."""

    TOTAL = "total"
    ACTIVE = "active"
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
        typer.Option("--full/--quick", help="Put the law to the test; by default up to 2,000 points."),
    ] = None,
    energy: EnergyOption = False,
    form: FormOption = Form.LAWS,
    axis: AxisOption = Axis.PARAMS,
    breaks: BreaksOption = 1,
    objective: GoalOption = Goal.HUBER_LOG,
    delta: DeltaOption = 1e-3,
    fix: FixOption = None,
    tied: TiedOption = False,
    drop_highest: DropOption = 0,
    cost_per_flop: CostOption = None,
    nat_worth: WorthOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Fit scaling laws to a store or a table: parameters with intervals, held-out error, findings with grades.

    Example:  scaling fit runs/quickstart

    Example:  scaling fit losses.csv --column params="Model Size"

    Example:  scaling fit runs/mine --cost-per-flop 2e-18 --nat-worth 1e6
    """
    from scaling.answers import analyse_store
    from scaling.answers.analysed import Options
    from scaling.cli.output import print_json
    from scaling.laws.further import fit_form

    price = price_of(cost_per_flop, nat_worth)
    law, goal = law_of_options(fix, tied), goal_of(objective, delta)
    store = open_source(source, column, steps)
    if form is not Form.LAWS:
        selection = chosen(store, params.value, drop_highest)
        draws = min(resamples, _FURTHER_RESAMPLES)
        found = fit_form(form.value, selection, axis=axis.value, breaks=breaks, resamples=draws, seed=seed)
        print_json(single(store, found)) if as_json else show_single(found)
        return
    options = Options(resamples=resamples, seed=seed, full=full, law=law, goal=goal, price=price)
    analysis = analyse_store(store, params=params.value, drop_highest=drop_highest, **options)
    if energy:
        show_energy(store, analysis, params, as_json)
    else:
        show_laws(store, analysis, as_json)


def show_laws(store: "Store", analysis: "Analysis", as_json: bool) -> None:
    """Print the laws and abilities of a store, and the findings. Raises ``NotEnoughData`` where there are neither."""
    from scaling.cli.output import print_json
    from scaling.errors import NotEnoughData
    from scaling.findings import findings
    from scaling.laws.emergence import analyse_abilities
    from scaling.laws.tuning import analyse_tuned

    results, tuned = analyse_abilities(store.abilities()), analyse_tuned(store.tuned(), store.best_of())
    if not analysis.fits and not results and not tuned.pairs and not tuned.runs:
        raise NotEnoughData(
            "fit.nothing",
            "no law can be fitted: " + "; ".join(f"{k}: {v}" for k, v in analysis.missing.items() if k[:2] == "L("),
            where=str(store.root),
            hint="add sizes and horizons"
            if store.imported
            else f"see what is there with `scaling status {store.root}`",
        )
    answers = findings(analysis, store.points(), store.trials(), store.sweep, results, tuned)
    if as_json:
        print_json(document(store, analysis, answers))
    else:
        show(analysis, answers, results)


def chosen(store: "Store", params: str, drop_highest: int) -> "Selection":
    """Return the points of a store to fit, under the cuts of its sweep."""
    from dataclasses import replace

    from scaling.answers.analysed import fitted_points
    from scaling.laws import Cuts
    from scaling.laws.selection import select

    return select(fitted_points(store), replace(Cuts.of_sweep(store.sweep), drop_highest=drop_highest), params)


def single(store: "Store", fit: "Fit") -> dict[str, Any]:
    """Return one fit as a JSON document."""
    return {
        "format": FORMAT,
        "name": store.sweep.get("name"),
        "store": str(store.root),
        "imported": None if store.imported is None else dict(store.imported.origin),
        "fits": {fit.name: plain(fit)},
    }


def show_single(fit: "Fit") -> None:
    """Print one fit for people."""
    from scaling.cli import lawtables
    from scaling.cli.output import stdout

    console = stdout()
    console.print(lawtables.fit_table([fit]))
    console.print(lawtables.trust_table([fit]))
    for line in lawtables.fit_lines(fit):
        console.print(line, markup=False, soft_wrap=True)


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
    from scaling.cli import lawtables
    from scaling.cli.output import stdout

    console = stdout()
    if analysis.fits:
        for table in lawtables.tables(analysis):
            console.print(table)
        for line in lawtables.footnotes(analysis):
            console.print(line, markup=False, soft_wrap=True)
    if results:
        console.print(lawtables.ability_table(results))
    console.print()
    for finding in found:
        console.print(f"[{finding.grade}] {finding.sentence}", markup=False, soft_wrap=True)
