"""``--shard 3/16``: a fixed part of a sweep's trials, for schedulers that this project has no engine for.

The split depends on the plan alone, so that sixteen machines agree on it without talking to each other. Shards of one
store run side by side; the whole sweep and a shard, or two different splits, do not.
"""

import fcntl
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, TypeVar

from scaling.errors import UsageError
from scaling.store.claims import Claim, StoreLock, lock_holder
from scaling.store.files import unwritable
from scaling.store.layout import StoreFolder

_TEXT = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")
_LOCK = re.compile(r"\.lock-([0-9]+)-of-([0-9]+)")


class Sized(Protocol):
    """Something with a cost."""

    @property
    def flops_total(self) -> float:
        """Training FLOPs to the last horizon."""


_T = TypeVar("_T", bound=Sized)


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` of ``count``, from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``3/16``. Raises ``UsageError``."""
        match = _TEXT.fullmatch(text)
        if match is None or int(match[1]) > int(match[2]):
            raise UsageError(
                "run.bad_shard",
                f"cannot read the shard {text[:40]!r}",
                hint="write --shard I/N with I from 1 to N, such as --shard 3/16",
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def part(self, trials: Sequence[_T]) -> list[_T]:
        """Return this shard's trials, in the plan's order: the largest first, each to the shard with least to do.

        So no shard has more than the even share and one trial (Graham 1969, the LPT rule, is within a third).
        """
        loads = [0.0] * self.count
        mine: set[int] = set()
        for place in sorted(range(len(trials)), key=lambda i: (-trials[i].flops_total, i)):
            least = loads.index(min(loads))
            loads[least] += trials[place].flops_total
            if least == self.index - 1:
                mine.add(place)
        return [trial for place, trial in enumerate(trials) if place in mine]


class ShardLock:
    """The right to run one shard of a store: with other shards of the same split, without anything else.

    Args:
        store: the store.
        shard: the part.
    """

    def __init__(self, store: StoreFolder, shard: Shard) -> None:
        self._store, self._shard = store, shard
        self._own = StoreLock(store.root / f".lock-{shard.index}-of-{shard.count}")
        self._common: int | None = None

    @property
    def path(self) -> Path:
        """The file that tells who holds this shard."""
        return self._own.path

    def acquire(self) -> bool:
        """Take the lock if it is free. Raises ``UsageError`` where another split runs, and ``MachineError``."""
        path = self._store.lock_path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._common = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._common, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        except OSError as error:
            raise unwritable(path, error) from error
        if not self._own.acquire():
            self.release()
            return False
        self._refuse_other_split()
        return True

    def _refuse_other_split(self) -> None:
        for path in self._store.root.glob(".lock-*-of-*"):
            match = _LOCK.fullmatch(path.name)
            if match is None or int(match[2]) == self._shard.count:
                continue
            other = StoreLock(path)
            if other.acquire():
                other.release()
                continue
            self.release()
            raise UsageError(
                "run.other_split",
                f"this store is being run in {match[2]} shards, not {self._shard.count}",
                where=str(self._store.root),
                why="two splits would train the same trials",
                hint=f"use --shard I/{match[2]}, or wait for those to end",
            )

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        self._own.release()
        if self._common is not None:
            os.close(self._common)
            self._common = None


def holders(store: StoreFolder) -> list[tuple[Shard | None, Claim]]:
    """Return who runs the store's trials now: one process all of them (no shard), or some a shard each."""
    found = lock_holder(store.lock_path)
    if found is not None:
        return [(None, found)]
    locks = ((match, lock_holder(path)) for path in store.root.glob(".lock-*") if (match := _LOCK.fullmatch(path.name)))
    parts = [(Shard(int(match[1]), int(match[2])), claim) for match, claim in locks if claim is not None]
    return [*sorted(parts, key=lambda part: (part[0].count, part[0].index))]
