"""``scaling predict``: what a compute budget or a run of a given size and length will reach."""

from typing import TYPE_CHECKING, Annotated

import typer

from scaling.cli.fit import ParamCount, plain
from scaling.cli.source import ColumnOption, SourceArgument, Steps, StepsOption, open_source

if TYPE_CHECKING:
    from scaling.answers import Law, Prediction
    from scaling.answers.spend import Bought, Budget
    from scaling.laws import Interval
    from scaling.store import Store

FORMAT = 1  # version of the JSON document


def command(
    source: SourceArgument = None,
    flops: Annotated[
        str | None, typer.Option(metavar="C", help="A budget of training FLOPs, such as 1e20: the best N, D and loss.")
    ] = None,
    params: Annotated[str | None, typer.Option(metavar="N", help="With --tokens: one run's parameters (1.5B).")] = None,
    tokens: Annotated[str | None, typer.Option(metavar="D", help="With --params: one run's tokens (30B).")] = None,
    kwh: Annotated[float | None, typer.Option(metavar="E", help="A budget of energy at the site, kWh.")] = None,
    money: Annotated[float | None, typer.Option(metavar="M", help="A budget of money; needs a price.")] = None,
    hours: Annotated[float | None, typer.Option(metavar="H", help="A budget of wall time on --gpus.")] = None,
    gpus: Annotated[
        str | None, typer.Option(metavar="NxNAME", help="Devices to spend it on: 4xA100; by default the sweep's own.")
    ] = None,
    price_per_gpu_hour: Annotated[float | None, typer.Option(help="Rental price of one device.")] = None,
    price_per_kwh: Annotated[float | None, typer.Option(help="Electricity price.")] = None,
    extrapolate: Annotated[bool, typer.Option("--extrapolate", help="Answer beyond 100x the fitted compute.")] = False,
    param_count: Annotated[ParamCount, typer.Option(help="Which parameters are N.")] = ParamCount.TOTAL,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples by trial; 0 for no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.")] = 0,
    column: ColumnOption = None,
    steps: StepsOption = Steps.LAST,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Predict by L(N,D): the best size, tokens and loss of a budget, or the loss of one run, with intervals.

    Example:  scaling predict runs/quickstart --flops 1e16

    Example:  scaling predict losses.csv --params 70B --tokens 1.4T

    Example:  scaling predict runs/quickstart --hours 24 --gpus 4xA100

    Beyond 100x the largest fitted compute it refuses with exit code 4, unless --extrapolate.
    """
    from scaling.answers import analyse_store, law_of

    budget = _budget({"kwh": kwh, "money": money, "hours": hours}, others=bool(flops or params or tokens))
    question = None if budget is not None else _question(flops, params, tokens)
    store = open_source(source, column, steps)
    analysis = analyse_store(store, params=param_count.value, resamples=resamples, seed=seed)
    law = law_of(store, analysis, param_count.value)
    if budget is not None:
        from scaling.cli.predict_spend import spend

        bought = spend(store, law, budget, gpus, (price_per_gpu_hour, price_per_kwh), extrapolate=extrapolate)
        _tell(store, law, bought.prediction, bought, as_json)
    elif question is not None:
        _tell(store, law, _answer(law, question, extrapolate), None, as_json)


def _answer(law: "Law", question: tuple[float | None, float | None, float | None], extrapolate: bool) -> "Prediction":
    from scaling.answers import predict_budget, predict_run

    flops, params, tokens = question
    if flops is not None:
        return predict_budget(law, flops, extrapolate=extrapolate)
    assert params is not None
    assert tokens is not None
    return predict_run(law, params, tokens, extrapolate=extrapolate)


def _tell(store: "Store", law: "Law", found: "Prediction", bought: "Bought | None", as_json: bool) -> None:
    from scaling.cli import predict_spend
    from scaling.cli.output import print_json, stdout

    if as_json:
        spent = {} if bought is None else {"budget": predict_spend.document(bought)}
        head = {"format": FORMAT, "name": law.name, "store": str(store.root)}
        print_json({**head, "law": plain(law.fit), "prediction": plain(found), **spent})
        return
    for line in [] if bought is None else predict_spend.lines(bought):
        stdout().print(line, markup=False, soft_wrap=True)
    show(law, found)


def _budget(amounts: dict[str, float | None], *, others: bool) -> "Budget | None":
    """Return the budget that is not in FLOPs, if one is asked. Raises ``UsageError`` for more than one question."""
    from scaling.answers.spend import Budget
    from scaling.errors import UsageError

    given = {kind: amount for kind, amount in amounts.items() if amount is not None}
    if len(given) > 1 or (given and others):
        raise UsageError(
            "predict.question",
            "more than one question is asked",
            hint="give one of --flops, --kwh, --money, --hours, or --params with --tokens",
        )
    return next((Budget(kind=kind, amount=amount) for kind, amount in given.items()), None)


def _question(
    flops: str | None, params: str | None, tokens: str | None
) -> tuple[float | None, float | None, float | None]:
    """Return the numbers of the question. Raises ``UsageError`` unless it is one budget or one run."""
    from scaling.errors import UsageError

    if (flops is None) == (params is None and tokens is None) or (params is None) != (tokens is None):
        raise UsageError(
            "predict.question",
            "give a budget, or the size and tokens of one run",
            why="a budget has a best split; a run has both numbers",
            hint="--flops 1e20, --kwh 10, --hours 24 --gpus 4xA100, or --params 1.5B --tokens 30B",
        )
    return _count("--flops", flops), _count("--params", params), _count("--tokens", tokens)


def _count(option: str, text: str | None) -> float | None:
    from scaling.errors import UsageError
    from scaling.units import parse_count

    if text is None:
        return None
    try:
        value = parse_count(text)
    except ValueError as error:
        raise UsageError("predict.number", f"{option}: {error}", hint=f"such as {option} 1.5e20") from None
    if value <= 0:
        raise UsageError("predict.number", f"{option} {text} must be above zero", hint=f"such as {option} 1.5e20")
    return value


def show(law: "Law", found: "Prediction") -> None:
    """Print a prediction for people, and on stderr what to know before using it."""
    from scaling.cli.output import say, stdout

    console = stdout()
    for line in lines(law, found):
        console.print(line, markup=False, soft_wrap=True)
    for warning in found.warnings:
        say(f"warning: {warning}")


def lines(law: "Law", found: "Prediction") -> list[str]:
    """Return a prediction as lines of text."""
    from scaling.units import format_flops

    values = ", ".join(f"{name} {_number(interval)}" for name, interval in law.fit.params.items())
    best = "best " if found.optimal else ""
    stretched = f" (half-widths x {found.stretch:.2g}, as roll-outs needed)" if found.stretch > 1 else ""
    return [
        f"{format_flops(found.flops)} by L(N,D) = {law.fit.form} of {law.name}",
        f"  {best}parameters N     {_si(found.params)}",
        f"  {best}tokens D         {_si(found.tokens)}",
        f"  tokens per parameter {_number(found.tokens_per_param)}",
        f"  loss                 {_number(found.loss, 4)} {law.unit}, by the law",
        f"  loss of one run      {_number(found.loss_of_run, 4)}{stretched}",
        f"  extrapolation        {found.extrapolation_factor:.3g}x the largest fitted compute "
        f"({format_flops(found.largest_flops)}), {found.params_factor:.3g}x the largest N, "
        f"{found.tokens_factor:.3g}x the largest D",
        f"law: {values}",
        f"N: {law.fit.conventions['params']}; C: {found.flops_convention}; loss: {law.fit.conventions['loss_unit']}",
        f"intervals: {law.fit.interval_method}",
    ]


def _number(interval: "Interval", digits: int = 3) -> str:
    from scaling.units import format_interval

    return format_interval(interval.value, interval.low, interval.high, digits)


def _si(interval: "Interval") -> str:
    from scaling.units import format_si

    if interval.low is None or interval.high is None:
        return format_si(interval.value)
    return f"{format_si(interval.value)} [{format_si(interval.low)}, {format_si(interval.high)}]"
