"""``scaling init``: a commented sweep file for this machine and the user's own text."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from scaling.cli.starter import Machine
    from scaling.spec.schema import DataIdentity


def command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The sweep file to write.")] = "sweep.yaml",
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Your text: a file, a folder or a glob.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", metavar="NAME", help="ladder, tiny or isoflop.")] = "ladder",
) -> None:
    """Write a commented sweep file for this machine; never overwrites.

    Example:  scaling init my-sweep.yaml --data my.txt
    """
    from pathlib import Path

    from scaling.cli.output import say
    from scaling.cli.starter import PRESETS, safe_sweep_name, starter_text
    from scaling.errors import UsageError

    if preset not in PRESETS:
        raise UsageError(
            "init.unknown_preset",
            f"no preset called {preset!r}",
            hint="; ".join(f"{name}: {text}" for name, text in PRESETS.items()),
        )
    path = Path(file).expanduser()
    _refuse_existing(path)
    machine = this_machine()
    text = starter_text(
        name=safe_sweep_name(path.stem),
        file=file,
        preset=preset,
        machine=machine,
        identity=_corpus(data, machine),
        data_path=None if data is None else _seen_from(path, data),
    )
    _write_new(path, text)
    typer.echo(str(path))
    say(f"written for {machine.describe()}; next: scaling plan {file}")


def this_machine() -> "Machine":
    """Return the cores that this process may use, and the visible GPUs."""
    import os

    from scaling.cli.starter import Machine
    from scaling.hardware import devices

    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return Machine(cores=cores, gpus=tuple(gpu.name for gpu in devices()))


def _corpus(data: str | None, machine: "Machine") -> "DataIdentity":
    """Read the corpus once, so that the file is right the first time. Raises as ``data.prepare`` does."""
    from scaling.cli.starter import scale_for
    from scaling.data import prepare
    from scaling.spec.schema import DataSpec

    return prepare(DataSpec(path=data, context=scale_for(machine).context)).identity


def _seen_from(file: "Path", data: str) -> str:
    """Return the text's path relative to the sweep file, as the file's reader resolves it."""
    import os
    from pathlib import Path

    if data.startswith("~") or Path(data).is_absolute():
        return data
    return os.path.relpath(data, file.parent)


def _refuse_existing(path: "Path") -> None:
    from scaling.errors import UsageError

    if path.exists() or path.is_symlink():
        raise UsageError(
            "init.exists",
            "this file exists; init never overwrites",
            where=str(path),
            hint=f"choose another name: scaling init {path.stem}-2.yaml",
        )


def _write_new(path: "Path", text: str) -> None:
    from scaling.errors import MachineError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _refuse_existing(path)
    except OSError as error:
        raise MachineError(
            "init.unwritable",
            f"cannot write the sweep file: {error.strerror}",
            where=str(path),
            hint=f"check the folder: ls -ld {str(path.parent)!r}",
        ) from error
