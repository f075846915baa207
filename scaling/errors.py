"""Every expected error of the tool: one root class with four parts and an exit code.

The parts are what happened, where, why it matters and the next step. The command line prints them without
a traceback; ``--debug`` gives the traceback.

Exit codes: 0 done · 1 done, but some trials failed or a check found a fault · 2 usage or spec error ·
3 this machine cannot do it · 4 not enough data to answer · 130 interrupted, resumable.
"""

from typing import ClassVar

EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "done, but some trials failed or a check found a fault",
    2: "usage or spec error",
    3: "this machine cannot do it",
    4: "not enough data to answer",
    130: "interrupted, resumable",
}


class ScalingError(Exception):
    """An expected error. Raise a subclass, which fixes the exit code.

    Args:
        code: stable dotted name, such as ``spec.unknown_key``.
        what: one sentence: what is wrong.
        where: the place: ``file:line:column``, a path, a device.
        why: why it matters; left out where it is obvious.
        hint: the next step, ideally a command to copy.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint

    def render(self) -> str:
        """Return the plain text that the command line prints on stderr."""
        lines = [f"error[{self.code}]: {self.what}"]
        lines += [f"  {name}: {text}" for name, text in self._parts() if text]
        return "\n".join(lines)

    def _parts(self) -> list[tuple[str, str | None]]:
        return [("where", self.where), ("why", self.why), ("next", self.hint)]

    def __str__(self) -> str:
        return self.render()


class UsageError(ScalingError):
    """The command was used wrongly: a bad option, a path that is not there. Exit code 2."""


class SpecError(ScalingError):
    """A sweep file is wrong. Carries every problem found, not only the first. Exit code 2."""

    def __init__(
        self,
        code: str,
        what: str,
        *,
        problems: tuple[str, ...] = (),
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(code, what, where=where, why=why, hint=hint)
        self.problems = problems

    def render(self) -> str:
        """Return the error with one block per problem, each with its own place."""
        head, *parts = super().render().splitlines()
        return "\n".join([head, *self.problems, *parts])


class MachineError(ScalingError):
    """This machine cannot do it: no such device, no space, no permission. Exit code 3."""

    exit_code = 3


class NotEnoughData(ScalingError):
    """The question cannot be answered from the data at hand. Exit code 4."""

    exit_code = 4


class Interrupted(ScalingError):
    """The user stopped the work; it can be resumed by the same command. Exit code 130."""

    exit_code = 130
