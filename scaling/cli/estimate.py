"""``scaling estimate``: energy, carbon and money of a run before it is run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import OptionInfo

from scaling.cli import output

if TYPE_CHECKING:
    from scaling.cli.estimate_inputs import Options
    from scaling.cost.request import Request

_WORK, _CARD, _PLACE, _PRICE, _MORE = "What is trained", "On what", "Site and carbon", "Prices", "Other questions"


def _option(text: str, panel: str, metavar: str = "NUMBER") -> OptionInfo:
    option: OptionInfo = typer.Option(help=text, rich_help_panel=panel, metavar=metavar, show_default=False)
    return option


def _flag(text: str, panel: str, name: str) -> OptionInfo:
    option: OptionInfo = typer.Option(name, help=text, rich_help_panel=panel)
    return option


def command(
    sweep: Annotated[
        str, typer.Argument(metavar="SWEEP", help="A sweep file or a shipped sweep: all its trials.")
    ] = "",
    params: Annotated[str | None, _option("Parameters, active ones if sparse: 175e9, 7B.", _WORK)] = None,
    params_total: Annotated[str | None, _option("All parameters of a sparse model.", _WORK)] = None,
    tokens: Annotated[str | None, _option("Training tokens: 300e9, 15T.", _WORK)] = None,
    flops: Annotated[str | None, _option("Training FLOPs, in place of 6 N D.", _WORK)] = None,
    like: Annotated[str | None, _option("As a published run: gpt-3, llama-65b.", _WORK, "NAME")] = None,
    from_store: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="STORE", rich_help_panel=_CARD, help="Calibrate on your own sweep, store or table."
        ),
    ] = None,
    gpu: Annotated[str | None, _option("Accelerator: V100, H100-PCIe, 8xA100.", _CARD, "NAME")] = None,
    count: Annotated[int | None, _option("Devices; gives days.", _CARD)] = None,
    context: Annotated[int, _option("Tokens of a sequence, for memory; 2048.", _CARD)] = 2048,
    peak_flops: Annotated[str | None, _option("Dense peak FLOP/s of one device.", _CARD)] = None,
    tdp: Annotated[float | None, _option("Power limit of one device, in watts.", _CARD)] = None,
    mfu: Annotated[float | None, _option("Model FLOPs utilisation of steady steps, 0 to 1.", _CARD)] = None,
    goodput: Annotated[float | None, _option("Share of device time that counts, 0 to 1.", _CARD)] = None,
    node_factor: Annotated[float | None, _option("Machine power over board power.", _PLACE)] = None,
    pue: Annotated[float | None, _option("Site power over machine power.", _PLACE)] = None,
    region: Annotated[str | None, _option("FRA, USA/virginia, gcp/us-central1.", _PLACE, "PLACE")] = None,
    intensity: Annotated[float | None, _option("Carbon intensity, g CO2e per kWh.", _PLACE)] = None,
    embodied: Annotated[bool, _flag("Also the carbon of making the devices, apart.", _PLACE, "--embodied")] = False,
    price_per_kwh: Annotated[float | None, _option("Electricity price.", _PRICE)] = None,
    price_per_gpu_hour: Annotated[float | None, _option("Rental price of one device.", _PRICE)] = None,
    finetune_tokens: Annotated[str | None, _option("Also fine-tuning on so many tokens.", _MORE)] = None,
    rlhf_tokens: Annotated[str | None, _option("Also RLHF on so many generated tokens.", _MORE)] = None,
    compare: Annotated[str | None, _option('Devices side by side: "H100,A100,B200".', _MORE, "NAMES")] = None,
    accuracy: Annotated[bool, _flag("Score this estimate on published runs.", _MORE, "--accuracy")] = False,
    published: Annotated[
        Path | None,
        typer.Option(metavar="CSV", rich_help_panel=_MORE, help="With --accuracy: another table of published runs."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Estimate the energy, carbon and cost of a training run, every assumption printed.

    Example:  scaling estimate --params 175e9 --tokens 300e9 --gpu V100 --region USA

    Example:  scaling estimate --like gpt-3 --compare "H100,A100,B200,MI300X"
    """
    given = dict(locals())  # every option, by name
    from scaling.cli.estimate_inputs import Options

    _run(Options(**given))


def _run(options: "Options") -> None:
    from scaling.cli.estimate_more import run_accuracy, run_comparison

    if options.accuracy or options.published is not None:
        run_accuracy(options.published, options.as_json)
    elif options.compare is not None:
        run_comparison(options.common(), options.cards(), options.as_json)
    else:
        _answer(options.request(), options.as_json)


def _answer(request: "Request", as_json: bool) -> None:
    from scaling.cli.estimate_view import lines
    from scaling.cost.document import to_json
    from scaling.cost.estimate import estimate

    answer = estimate(request)
    if as_json:
        output.print_json(to_json(answer))
        return
    console = output.stdout()
    for line in lines(answer):
        console.print(line, markup=False, soft_wrap=True)
