"""What a command tells of its training: JSON lines in a file, or numbers read from what it prints.

One line for each report. Keys that are understood, all optional: ``step``, ``tokens``, ``train_loss`` (or ``loss``),
``val_loss``, ``val_loss_se``, ``bpb``, ``params_total``, ``params_non_embedding``, ``flops_train``, ``grad_norm``;
losses in nats per token. Other numbers are kept as further metrics of the point.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ALIASES = {"loss": "train_loss", "validation_loss": "val_loss", "eval_loss": "val_loss", "params": "params_total"}
_LOSSES = ("train_loss", "val_loss", "val_loss_se", "bpb")
KNOWN = frozenset(("step", "tokens", *_LOSSES, "params_total", "params_non_embedding", "flops_train", "grad_norm"))
_MAX_LINE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """Numbers told together; NaN and infinity may be among them, since that is how a divergence is told."""

    numbers: Mapping[str, float]

    def get(self, name: str) -> float | None:
        """Return a number by its name, or ``None`` when it was not told."""
        return self.numbers.get(name)

    def whole(self, name: str) -> int | None:
        """Return a count, or ``None`` when it was not told."""
        value = self.numbers.get(name)
        return None if value is None else round(value)

    @property
    def further(self) -> dict[str, float]:
        """Numbers beyond the protocol, by name."""
        return {name: value for name, value in self.numbers.items() if name not in KNOWN}


def parse_report(line: bytes) -> Report | None:
    """Read one line of the protocol; ``None`` when it is not an object with numbers in it."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    numbers = {
        _ALIASES.get(str(key), str(key)): float(value)
        for key, value in told.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Report(numbers) if numbers else None


@dataclass(slots=True)
class Tail:
    """Yields the whole lines that were appended to a file since the last look."""

    path: Path
    _offset: int = 0

    def lines(self) -> Iterator[bytes]:
        """Return new lines; one that is still being written waits for the next look."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                found = file.read()
        except FileNotFoundError:
            return
        whole, newline, rest = found.rpartition(b"\n")
        if not newline and len(rest) < _MAX_LINE_BYTES:
            return
        taken = whole if newline else rest
        self._offset += len(taken) + len(newline)
        yield from taken.split(b"\n")


@dataclass(slots=True)
class Patterns:
    """Reads numbers from printed lines by patterns; what one line tells is one report.

    ``step`` and ``tokens`` hold on from earlier lines, since many trainers print them apart from the losses.
    """

    patterns: Mapping[str, str]
    _compiled: dict[str, re.Pattern[str]] = field(init=False)
    _held: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._compiled = {name: re.compile(pattern) for name, pattern in self.patterns.items()}

    def read(self, line: str) -> Report | None:
        """Return what a line tells of the losses, or ``None``."""
        found: dict[str, float] = {}
        for name, pattern in self._compiled.items():
            match = pattern.search(line[:_MAX_LINE_BYTES])
            if match is not None and (value := _number(match.group(1))) is not None:
                found[name] = value
        self._held |= {name: found[name] for name in ("step", "tokens") if name in found}
        if not found.keys() & {"val_loss", "train_loss", "bpb"}:
            return None
        return Report({**self._held, **found})


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text.replace(",", "").replace("_", ""))
    except ValueError:
        return None


def reports(lines: Iterable[bytes]) -> Iterator[Report]:
    """Parse lines of the protocol; lines that are none of it are passed over."""
    for line in lines:
        report = parse_report(line)
        if report is not None:
            yield report
