"""Sweeps of somebody else's trainer: planned, shown, and agreed to before anything of theirs is run."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaling.spec import LoadedSweep
from scaling.spec.commands import PlannedCommand
from scaling.spec.schema import SweepSpec

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

FORMAT = 1  # version of the JSON document
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSweep:
    """A command sweep with its trials in the order to run them.

    Attributes:
        loaded: the sweep with the places of its values.
        trials: in order.
    """

    loaded: LoadedSweep
    trials: Sequence[PlannedCommand]

    @property
    def spec(self) -> SweepSpec:
        """What was asked."""
        return self.loaded.spec

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each value came from."""
        return self.loaded.origins

    @property
    def source(self) -> str:
        """The sweep file."""
        return self.loaded.source

    @property
    def data(self) -> dict[str, Any]:
        """What stands for the corpus in the store: the declared inputs."""
        first = self.trials[0].spec
        return {"source": "command", "fingerprint": first.inputs_fingerprint, "inputs": dict(first.inputs)}


def document(sweep: CommandSweep) -> dict[str, object]:
    """Return the plan as one JSON document."""
    return {
        "format": FORMAT,
        "name": sweep.spec.name,
        "source": sweep.source,
        "spec": sweep.spec.model_dump(mode="json", by_alias=True),
        "origins": dict(sweep.origins),
        "data": sweep.data,
        "trials": [_trial_json(trial) for trial in sweep.trials],
        "totals": {
            "trials": len(sweep.trials),
            "points": sum(len(trial.spec.horizons) for trial in sweep.trials),
            "tokens": sum(trial.tokens for trial in sweep.trials),
            "flops_train": sum(trial.flops_total for trial in sweep.trials),
        },
    }


def _trial_json(trial: PlannedCommand) -> dict[str, object]:
    spec = trial.spec
    return {
        "id": trial.id,
        "sha256": trial.sha256,
        "label": spec.label,
        "seed": spec.seed,
        "values": dict(spec.values),
        "argv": _argv(trial),
        "params_total": spec.params_total,
        "params_non_embedding": spec.params_non_embedding,
        "params_convention": spec.params_convention,
        "horizons_tokens": list(spec.horizons),
        "tokens": trial.tokens,
        "flops_train": trial.flops_total,
        "flops_convention": spec.flops_convention,
    }


def _argv(trial: PlannedCommand) -> list[str]:
    return trial.spec.argv(out_dir="OUT_DIR", metrics="METRICS")


def show(sweep: CommandSweep) -> None:
    """Print the plan for people."""
    from scaling.cli.output import say, stdout
    from scaling.units import format_flops

    console = stdout()
    console.print(table(sweep.trials))
    flops = sum(trial.flops_total for trial in sweep.trials)
    first = sweep.trials[0].spec
    lines = [
        "",
        f"{sweep.spec.name}: {len(sweep.trials):,} runs of a command, {format_flops(flops)}",
        f"N = {first.params_convention}; C = {first.flops_convention}; what the trainer itself tells wins",
        f"inputs: {', '.join(first.inputs) or 'none declared'}",
        *shown_command(sweep),
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if len(sweep.trials) > _SHOWN:
        say(f"showing {_SHOWN} of {len(sweep.trials):,} trials; --json lists all")


def table(trials: Sequence[PlannedCommand]) -> "Table":
    """Return the table of trials, in the order they will run."""
    from rich.table import Table
    from rich.text import Text

    from scaling.units import format_flops, format_si

    result = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    result.add_column("trial", no_wrap=True)
    for name in ("N", "D", "C", "D/N", "points"):
        result.add_column(name, justify="right", no_wrap=True)
    for trial in trials[:_SHOWN]:
        params = trial.spec.params_total
        result.add_row(
            Text(trial.spec.label),
            format_si(float(params)),
            format_si(float(trial.tokens)),
            format_flops(trial.flops_total).removesuffix(" FLOPs"),
            f"{trial.tokens / params:.3g}",
            str(len(trial.spec.horizons)),
        )
    return result


def shown_command(sweep: CommandSweep) -> list[str]:
    """Return what will be run, with the first trial's values, and where."""
    first = sweep.trials[0]
    return [f"command, such as for {first.spec.label}:", f"  {shlex.join(_argv(first))}", f"  in {first.spec.cwd}"]


def agree(sweep: CommandSweep, *, yes: bool) -> None:
    """Show the command and have it agreed to, once for each command on this machine.

    The answer is kept with the user, not in the store: a copied store agrees to nothing.

    Raises:
        Interrupted: the user declined.
        UsageError: there is nobody to ask, and no ``--yes``.
    """
    import sys

    import typer

    from scaling.cli.output import say
    from scaling.errors import Interrupted, UsageError

    digest = _digest(sweep)
    if digest in _agreed():
        return
    for line in ("this sweep runs a command that is not part of scaling:", *shown_command(sweep)):
        say(line)
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                "run.command_not_agreed",
                "nobody has agreed to run this command, and there is no terminal to ask on",
                where=f"{sweep.source}: command.run",
                why="a sweep file may come from anywhere, and its command can do whatever you can",
                hint="read it, then repeat with --yes",
            )
        if not typer.confirm(f"Run it {len(sweep.trials)} times?", default=False, err=True):
            raise Interrupted("run.declined", "nothing was run", hint="see `scaling plan`; answer ahead with --yes")
    _remember(digest)


def _digest(sweep: CommandSweep) -> str:
    import hashlib

    first = sweep.trials[0].spec
    text = "\0".join([*first.run, first.cwd, first.inputs_fingerprint])
    return hashlib.sha256(text.encode()).hexdigest()


def _agreed_path() -> "Path":
    import os
    from pathlib import Path

    chosen = os.environ.get("SCALING_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaling"
    return base / "agreed"


def _agreed() -> list[str]:
    try:
        return _agreed_path().read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _remember(digest: str) -> None:
    """Keep the answer; where that cannot be written, the question comes again."""
    from scaling.errors import MachineError
    from scaling.store.files import write_atomic

    try:
        write_atomic(_agreed_path(), "\n".join([*_agreed(), digest]) + "\n")
    except MachineError:
        return
