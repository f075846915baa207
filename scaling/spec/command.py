"""A sweep of somebody else's trainer: what is run, how its numbers are read, and what its trials are.

The command is an argument list, never a shell line. ``{name}`` in an argument is replaced by a value of the trial.
"""

import hashlib
import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from scaling.spec.expression import names_in
from scaling.spec.fields import Part

Scalar = bool | int | float | str
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
GIVEN = ("seed", "tokens", "steps", "params", "out_dir", "metrics")  # placeholders that need no axis
READ = ("val_loss", "train_loss", "step", "tokens", "bpb")  # what a pattern may read from the printed lines
COMMAND_VERSION = 1  # raised when the same command would be read to another number


def _words(value: object) -> object:
    """Split a command written as one text into words, as a shell would, without running one."""
    return shlex.split(value) if isinstance(value, str) else value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


NATS = "nats per token"
Unit = Annotated[str, Field(pattern=r"^\w[\w /%-]{0,39}$")]
Expression = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=1000)]


class CommandSpec(Part):
    """The command of a sweep and the conventions of its numbers.

    Attributes:
        run: argument list (or one text, split into words); ``{name}`` is a value of the trial.
        params: N, total parameters: arithmetic over the values; what the trainer itself reports wins.
        params_non_embedding: the same without embeddings; left out when unknown.
        flops: C, training FLOPs: arithmetic over values, ``params`` and ``tokens``. Default ``6 * params * tokens``.
        batch_tokens: tokens in one optimizer step; gives ``{steps}`` and rounds horizons.
        horizons: ``separate``: one run for each, as a decaying schedule needs; ``trunk``: one run passes them all.
        inputs: files whose content decides the result (globs, relative to the sweep file). By default the files
            named in ``run``; ``[]`` declares none.
        stdout: patterns with one group that read numbers from printed lines, for a trainer that writes no metrics.
        anneal: how the reported losses are annealed, for the record.
        unit: of the reported validation losses, such as ``bits per byte``; those in another do not compare.
    """

    run: Annotated[list[str], BeforeValidator(_words), Field(min_length=1, max_length=1000)]
    params: Expression
    params_non_embedding: Expression | None = None
    flops: Expression = "6 * params * tokens"
    batch_tokens: Expression | None = None
    horizons: Literal["separate", "trunk"] = "separate"
    inputs: list[str] | None = None
    stdout: dict[Literal["val_loss", "train_loss", "step", "tokens", "bpb"], str] = Field(default_factory=dict)
    anneal: str = "own"
    unit: Unit = NATS

    @field_validator("params", "params_non_embedding", "flops", "batch_tokens")
    @classmethod
    def _arithmetic(cls, text: str | None) -> str | None:
        if text is not None:
            names_in(text)
        return text

    @field_validator("stdout")
    @classmethod
    def _patterns(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"{name} is not a pattern: {error}") from error
            if groups != 1:
                raise ValueError(f"{name} needs exactly one group, the number: such as 'val loss ([0-9.]+)'")
        return patterns

    def placeholders(self) -> dict[str, int]:
        """Return the names used in the arguments, each with the first argument that uses it."""
        found: dict[str, int] = {}
        for index, word in enumerate(self.run):
            for match in PLACEHOLDER.finditer(word):
                if match.group(1):
                    found.setdefault(match.group(1), index)
        return found


class CommandTrialSpec(Part):
    """One trial of a command sweep: what its process reads, and the source of its id.

    The id is a hash of the argument template, values, seed, declared inputs, patterns and, where they change the run,
    tokens. Label, folder of the command and conventions of counting are not part of it.

    Attributes:
        run: argument template.
        values: value of each placeholder of the sweep.
        cwd: folder the command runs in.
        inputs: declared inputs, by name: sha256.
        stdout: patterns over printed lines.
        horizons: tokens at which a point is published, ascending.
        flops_train: training FLOPs to each horizon.
        flops_convention: how they are counted.
        params_total, params_non_embedding: parameters by the sweep's arithmetic.
        params_convention: how they are counted.
        batch_tokens: tokens in a step, where told.
        anneal: for the record.
        unit: of the losses.
    """

    family: Literal["command"] = "command"
    run: tuple[str, ...]
    values: Mapping[str, Scalar]
    seed: int
    cwd: str
    inputs: Mapping[str, str]
    stdout: Mapping[str, str]
    trunk: bool
    horizons: tuple[int, ...]
    flops_train: tuple[float, ...]
    flops_convention: str
    params_total: int
    params_non_embedding: int | None
    params_convention: str
    batch_tokens: int | None
    anneal: str
    unit: str = NATS
    label: str = ""
    version: int = COMMAND_VERSION

    @property
    def stage(self) -> str:
        """A command trains from its own start: ``pretrain``."""
        return "pretrain"

    @property
    def tune(self) -> None:
        """Nothing: no other trial's weights are tuned by a command."""
        return

    @property
    def inputs_fingerprint(self) -> str:
        """One hash over the declared inputs, for telling sweeps apart."""
        text = "".join(f"{name}={digest}\n" for name, digest in sorted(self.inputs.items()))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def flops_per_token(self) -> float:
        """Training FLOPs of a token, the mean over the run."""
        return self.flops_train[-1] / self.horizons[-1]

    def argv(self, *, out_dir: str, metrics: str) -> list[str]:
        """Return the arguments with every placeholder replaced; each stays one argument whatever it holds."""
        tokens = self.horizons[-1]
        steps = "" if self.batch_tokens is None else str(tokens // self.batch_tokens)
        values: dict[str, Scalar] = dict(self.values)
        values |= {"seed": self.seed, "tokens": tokens, "steps": steps, "params": self.params_total}
        values |= {"out_dir": out_dir, "metrics": metrics}
        return [PLACEHOLDER.sub(lambda match: _fill(match, values), word) for word in self.run]


def _fill(match: re.Match[str], values: Mapping[str, Scalar]) -> str:
    name = match.group(1)
    if name is None:
        return match.group(0)[0]  # {{ and }} stand for the braces themselves
    value = values[name]
    return str(value).lower() if isinstance(value, bool) else str(value)
