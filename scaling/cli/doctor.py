"""``scaling doctor``: what this machine can measure, model and not know."""

from typing import TYPE_CHECKING, Annotated

import typer

from scaling.cli import output

if TYPE_CHECKING:
    from scaling.cli.checks import Check
    from scaling.store.calibration import Calibration

SCHEMA = 1
UNTESTED = (
    "Tested on Linux: processors for real, NVIDIA GPUs with a scripted driver; "
    "AMD GPUs, Apple and Windows are untested."
)
_STYLES = {"pass": "green", "warn": "yellow", "fail": "red"}


def command(
    torch: Annotated[bool, typer.Option("--torch", help="Also import PyTorch in a child process (seconds).")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read a 30 s load on each GPU three ways: counter, samples, codecarbon.")
    ] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure this machine for forecasts and MFU (20 s), and keep it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say what this machine can measure, model and not know.

    Exits with 3 when a check fails, that is when no sweep can run here.

    Example:  scaling doctor
    """
    from pathlib import Path

    from scaling.cli import checks
    from scaling.hardware import scan_gpus
    from scaling.meters.rapl import why_no_rapl

    if deep:
        from scaling.cli.doctor_deep import run_deep

        run_deep(scan_gpus(), as_json)
        return
    scan = scan_gpus()
    results = checks.run_checks(scan, Path.cwd())
    if torch:
        results.append(checks.check_torch_import())
    calibration = _calibration(calibrate)
    verdict = checks.verdict(scan, rapl=why_no_rapl() is None)
    if as_json:
        output.print_json(
            {
                "schema": SCHEMA,
                "checks": [check.to_json() for check in results],
                "verdict": verdict,
                "sentence": sentence(verdict),
                "calibration": None if calibration is None else calibration.to_json(),
                "untested": UNTESTED,
            }
        )
    else:
        _print(results, calibration, sentence(verdict))
    if any(check.status == checks.FAIL for check in results):
        raise typer.Exit(3)


def sentence(verdict: "dict[str, list[str]]") -> str:
    """Return the answer in one sentence."""
    parts = [f"{kind}: {', '.join(names)}" for kind, names in verdict.items() if names]
    return f"On this machine — {'; '.join(parts)}."


def _calibration(renew: bool) -> "Calibration | None":
    """Return what is known of this machine's speed; measure it anew when asked."""
    from scaling.cli.calibration import make_calibration, planned_slots
    from scaling.executor.calibrate import known_calibration
    from scaling.spec.schema import ExecutorSpec

    slots = planned_slots(ExecutorSpec())
    return make_calibration(slots) if renew else known_calibration(slots)


def _print(results: "list[Check]", calibration: "Calibration | None", closing: str) -> None:
    from scaling.cli.calibration import lines

    console = output.stdout()
    for check in results:
        console.print(f"[{_STYLES[check.status]}]{check.status}[/]", end="  ")
        console.print(f"{check.name}: {check.detail}", markup=False, soft_wrap=True)
        if check.hint:
            console.print(f"      → {check.hint}", markup=False, soft_wrap=True)
    known = lines(calibration) if calibration else ["speed unknown: measure it with `scaling doctor --calibrate`"]
    for line in ["", *known]:
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"\n{closing}\n{UNTESTED}", markup=False, soft_wrap=True)
