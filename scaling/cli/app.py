"""Assembles the commands, prints expected errors in four parts, and sets the exit code."""

import importlib
import keyword
import sys
from typing import Annotated

import typer

from scaling import __version__
from scaling.errors import EXIT_CODES, ScalingError

# name -> help panel, in order of work; each command is the function ``command`` of scaling/cli/NAME.py, or NAME_.py
# where Python keeps the name for itself
COMMANDS: dict[str, str] = {
    "init": "Start",
    "doctor": "Start",
    "plan": "Plan",
    "run": "Run",
    "status": "Run",
    "fit": "Learn",
    "report": "Learn",
    "predict": "Learn",
    "compare": "Learn",
    "estimate": "Learn",
    "measure": "Learn",
    "sample": "Share",
    "import": "Share",
    "export": "Share",
}

app = typer.Typer(
    name="scaling",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: " + " · ".join(f"{code} {text}" for code, text in EXIT_CODES.items()),
)
_debug = False


def _version(value: bool) -> None:
    if value:
        typer.echo(f"scaling {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Train a ladder of small models, meter every run, and learn what more scale will buy.

    Start with:  scaling run quickstart
    """
    global _debug  # noqa: PLW0603  # one process, one command
    _debug = debug


for _name, _panel in COMMANDS.items():
    _module = importlib.import_module(f"scaling.cli.{_name}{'_' * keyword.iskeyword(_name)}")
    app.command(_name, rich_help_panel=_panel)(_module.command)


def main() -> None:
    """Run the command line and exit with the documented code."""
    try:
        app()
    except ScalingError as error:
        if _debug:
            raise
        sys.stderr.write(error.render() + "\n")
        sys.exit(error.exit_code)
