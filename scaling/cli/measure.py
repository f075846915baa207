"""``scaling measure``: meter any command."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scaling.cli import output

if TYPE_CHECKING:
    from scaling.cost.grid import Intensity
    from scaling.meters.command import Metered


def command(
    argv: Annotated[
        list[str] | None, typer.Argument(metavar="-- CMD [ARG]…", help="The command; everything after -- is its own.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with the power trace.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="PLACE", help="Also carbon: FRA, USA/virginia, gcp/us-central1.")
    ] = None,
    intensity: Annotated[
        float | None, typer.Option("--intensity", help="Also carbon, at so many g CO2e per kWh.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout; the command's output goes to stderr.")
    ] = False,
) -> None:
    """Meter a command: joules of GPUs, processors and memory, each with where it comes from.

    Its output, its signals and its exit code are its own; the summary goes to stderr.

    Example:  scaling measure --html power.html -- python train.py --epochs 1
    """
    from scaling.cli.estimate_inputs import intensity as find_grid
    from scaling.errors import UsageError
    from scaling.meters.command import meter_command, to_json

    if not argv:
        raise UsageError("measure.no_command", "no command is given", hint="scaling measure -- python train.py")
    grid = find_grid(region, intensity)
    sys.stdout.flush()
    found = meter_command(argv, stdout=sys.stderr.fileno() if as_json else None)
    document = {**to_json(found), "carbon": _carbon(found, grid)}
    if html is not None:
        _write_page(html, document)
    if as_json:
        output.print_json(document)
    else:
        for line in lines(found, document):
            output.say(line)
        if html is not None:
            output.say(f"power trace: {html}")
    if found.exit_code:
        raise typer.Exit(found.exit_code)


def _write_page(path: Path, document: dict[str, Any]) -> None:
    from scaling.report.measure import render_measured
    from scaling.report.write import write_page

    write_page(path, render_measured(document))


def _carbon(found: "Metered", grid: "Intensity | None") -> dict[str, Any]:
    joules = found.measured_j()
    if grid is None or joules is None:
        reason = "no --region and no --intensity" if grid is None else "nothing was measured"
        return {"g_co2e": None, "reason": reason}
    return {
        "g_co2e": joules / 3.6e6 * grid.g_per_kwh,
        "of": "the measured part",
        "intensity_g_per_kwh": grid.g_per_kwh,
        "place": grid.place,
        "year": grid.year,
        "source": grid.source,
        "basis": f"location-based average; {grid.basis}",
    }


def lines(found: "Metered", document: dict[str, Any]) -> list[str]:
    """Return the summary for people."""
    from scaling.units import format_bytes, format_duration, format_energy, format_si

    measured = found.measured_j()
    total = "nothing was measured" if measured is None else f"{format_energy(measured)} measured"
    carbon = document["carbon"]
    told = [] if carbon["g_co2e"] is None else [f"  carbon  {format_si(carbon['g_co2e'])} g CO2e, {carbon['place']}"]
    return [
        f"exit {found.exit_code} after {format_duration(found.seconds)}, {total}",
        *(_reading_line(part, reading) for part, reading in document.items() if part.startswith("energy_")),
        *(f"  {board['name']} ({board['uuid'][:12]}): {_board(board)}" for board in document["gpus"]),
        f"  command {format_duration(found.cpu_s)} of processor time, {format_bytes(found.memory_peak_bytes)} at most",
        *told,
    ]


def _reading_line(part: str, reading: dict[str, Any]) -> str:
    from scaling.units import format_energy

    name = part.removeprefix("energy_").removesuffix("_j").upper()
    shared = "; shared with other processes: an upper bound" if reading["shared"] else ""
    why = f": {reading['reason']}" if reading["reason"] else ""
    value = "missing" if reading["value"] is None else format_energy(reading["value"])
    return f"  {name:<7} {value} ({reading['provenance']}{why}{shared})"


def _board(board: dict[str, Any]) -> str:
    from scaling.units import format_energy

    reading = board["energy_j"]
    if reading["value"] is None:
        return f"missing: {reading['reason']}"
    notes = f"; {'; '.join(board['notes'])}" if board["notes"] else ""
    return f"{format_energy(reading['value'])}, mean {reading['value'] / board['seconds']:.4g} W{notes}"
