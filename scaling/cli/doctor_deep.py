"""``scaling doctor --deep``: what the readings of each GPU here are worth."""

from scaling.cli import output
from scaling.errors import MachineError
from scaling.hardware import GpuScan
from scaling.meters.deep import IDLE_S, LOAD_S, WARM_UP_S, Deep, deep_check
from scaling.units import format_energy

SCHEMA = 1


def run_deep(scan: GpuScan, as_json: bool) -> None:
    """Check every visible board, one after another.

    Raises:
        MachineError: there is no NVIDIA GPU, or the load does not run on one.
    """
    if not scan.gpus:
        raise MachineError(
            "doctor.no_gpu",
            f"no NVIDIA GPU to check ({scan.reason or 'no board'})",
            why="the deep check compares the readings of a GPU under load",
            hint="run it on a machine with one; scaling doctor says what this machine can measure",
        )
    found = []
    for gpu in scan.gpus:
        output.say(f"{gpu.name}: {IDLE_S:g} s idle, {WARM_UP_S:g} s warm-up, {LOAD_S:g} s of load …")
        found.append(deep_check(gpu))
    if as_json:
        output.print_json({"schema": SCHEMA, "gpus": [deep.to_json() for deep in found]})
        return
    console = output.stdout()
    for line in (line for deep in found for line in lines(deep)):
        console.print(line, markup=False, soft_wrap=True)


def lines(deep: Deep) -> list[str]:
    """Return what was found of one board."""
    step = "missing" if deep.counter_step_s is None else f"every {deep.counter_step_s * 1e3:.0f} ms"
    return [
        f"{deep.gpu}, {deep.seconds:.1f} s of load",
        _reading("counter", deep.counter_j, None, deep),
        _reading("samples", deep.samples_j, deep.samples_off, deep),
        _reading("codecarbon", deep.codecarbon_j, deep.codecarbon_off, deep),
        f"  {'counter steps':<14}{step}",
        f"  {'idle':<14}{_watts(deep.idle_w, deep.missing.get('idle'))}",
        f"  {'under load':<14}{_watts(deep.load_w, 'no reading')}",
        *(f"  {f'{s.seconds:g} s window':<14}{s.bias:+.2%} of the long one's power" for s in deep.short),
        *(f"  warning: {text}" for text in deep.warnings),
    ]


def _reading(name: str, joules: float | None, off: float | None, deep: Deep) -> str:
    if joules is None:
        return f"  {name:<14}missing: {deep.missing.get(name, 'no reading')}"
    beside = "" if off is None else f", {off:+.2%} of the counter"
    return f"  {name:<14}{format_energy(joules, 4)}{beside}"


def _watts(value: float | None, reason: str | None) -> str:
    return f"missing: {reason}" if value is None else f"{value:.1f} W"
