"""The ``scaling`` command. Each command has a file here; heavy imports happen inside the command."""

from scaling.cli.app import main

__all__ = ["main"]
