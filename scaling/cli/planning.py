"""The first half of ``plan`` and ``run``: a sweep, its corpus and its trials."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaling.cli.foreign import CommandSweep
from scaling.cli.output import say
from scaling.data import Corpus, prepare
from scaling.errors import UsageError
from scaling.spec import LoadedSweep, PlannedTrial, expand, load_sweep
from scaling.spec.load import find_sweep
from scaling.spec.schema import DataIdentity, SweepSpec
from scaling.units import format_bytes, format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Everything that is known before the first trial.

    Attributes:
        loaded: the sweep with the places of its values.
        identity: the corpus.
        location: how a trial finds it again.
        trials: in the order to run them.
    """

    loaded: LoadedSweep
    identity: DataIdentity
    location: Mapping[str, object]
    trials: Sequence[PlannedTrial]

    @property
    def data(self) -> dict[str, Any]:
        """The corpus and its place, as the store keeps them."""
        return {**self.identity.model_dump(mode="json"), "location": dict(self.location)}

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


def resolve_any(sweep: str, sets: Sequence[str] = ()) -> Resolved | CommandSweep:
    """Load a sweep of either kind; raises as ``resolve`` does."""
    from scaling.spec.commands import expand_command

    loaded = load_sweep(sweep, sets)
    if loaded.spec.command is None:
        return _resolved(loaded)
    folder = find_sweep(sweep).resolve().parent
    return CommandSweep(loaded=loaded, trials=expand_command(loaded.spec, folder, loaded.raise_problems))


def resolve(sweep: str, sets: Sequence[str] = ()) -> Resolved:
    """Load a sweep by path or name, read its corpus, and expand it into trials.

    Raises:
        SpecError: everything that is wrong in the file or keeps a trial from being planned.
        UsageError: no such sweep; no such corpus, or too small a one; a sweep of somebody else's trainer.
        MachineError: no standard library sources to train on.
    """
    loaded = load_sweep(sweep, sets)
    if loaded.spec.command is not None:
        raise UsageError(
            "plan.command",
            "this sweep runs a command, of which only the run itself can tell the numbers",
            where=loaded.source,
            hint=f"scaling plan {sweep}, or scaling run {sweep}",
        )
    return _resolved(loaded)


def _resolved(loaded: LoadedSweep) -> Resolved:
    corpus = _corpus(loaded)
    trials = expand(loaded.spec, corpus.identity, corpus.location, report=loaded.raise_problems)
    return Resolved(loaded=loaded, identity=corpus.identity, location=corpus.location, trials=trials)


class ReadingLine:
    """Says on stderr how far the reading of a large corpus is, every few seconds."""

    def __init__(self, every_s: float = 3.0) -> None:
        self._every_s = every_s
        self._began = self._said = time.monotonic()
        self._read_bytes = 0
        self._total_bytes: int | None = None

    def begin(self, total_bytes: int | None) -> Callable[[int], None]:
        """Start to count."""
        self._total_bytes = total_bytes
        return self._more

    def _more(self, more_bytes: int) -> None:
        self._read_bytes += more_bytes
        now = time.monotonic()
        if now - self._said >= self._every_s:
            self._said = now
            say(f"reading the corpus: {format_bytes(self._read_bytes)}{self._rest(now - self._began)}")

    def _rest(self, elapsed_s: float) -> str:
        total = self._total_bytes
        if total is None or total <= self._read_bytes:
            return ""
        left_s = elapsed_s * (total - self._read_bytes) / self._read_bytes
        return f" of {format_bytes(total)}, about {format_duration(left_s)} left"


def _corpus(loaded: LoadedSweep) -> Corpus:
    """Prepare the corpus; an error about it also names the line that asked for it."""
    try:
        return prepare(loaded.spec.data, ReadingLine())
    except UsageError as error:
        origin = loaded.origins["data.path"]
        if origin != "default":
            error.where = f"{error.where or loaded.spec.data.path} (data.path from {origin})"
        raise
