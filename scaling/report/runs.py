"""Which trials the report shows one by one, and what their attempts left beside the records: power and log."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from scaling.report.groups import evenly
from scaling.store import Store
from scaling.store.load import Warnings
from scaling.store.traces import PowerRead, log_tail, read_power

MAX_RUNS = 12
MAX_TROUBLED = 6  # of those, trials that did not end as planned
_MAX_LINE = 240
_TROUBLED = ("failed", "diverged", "interrupted", "running")
_FOLDERS = re.compile(r"(?<![\w./:-])/(?:[^\s/:\"'<>|]+/){2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRun:
    """What a single trial left beside its records.

    Attributes:
        trial, label, state: as in the table of trials.
        reason: why it is in that state; empty where nothing is to be said.
        log: the last lines that its process printed; ``None`` where nothing was kept.
        power: samples of its GPUs' power; ``None`` without.
    """

    trial: str
    label: str
    state: str
    reason: str = ""
    log: str | None = None
    power: PowerRead | None = None


def chosen(trials: pd.DataFrame) -> list[str]:
    """Return the trials shown one by one: some that did not end as planned, and the longest of every size.

    Args:
        trials: one row per trial, as in the store's frame.
    """
    ordered = trials.sort_values(["params_total", "label", "trial"])
    bad = ordered[ordered["state"].isin(_TROUBLED)]
    troubled = [str(bad["trial"].iloc[i]) for i in evenly(len(bad), MAX_TROUBLED)]
    done = ordered[ordered["state"] == "done"].sort_values("tokens", ascending=False, kind="stable")
    longest = done.drop_duplicates("params_total").sort_values("params_total")
    kept = {*troubled, *(str(longest["trial"].iloc[i]) for i in evenly(len(longest), MAX_RUNS - len(troubled)))}
    return [str(trial) for trial in ordered["trial"] if trial in kept]


def read_runs(store: Store, trials: pd.DataFrame) -> tuple[tuple[OneRun, ...], tuple[str, ...]]:
    """Return the chosen trials with their logs and power, and what could not be read."""
    warnings = Warnings()
    records = {record.folder.id: record for record in store.records}
    rows = {row["trial"]: row for row in trials.to_dict("records")}
    found = []
    for name in chosen(trials) if records else ():  # what was imported left nothing but points
        folder, row = records[name].folder, rows[name]
        log = warnings.attempt(partial(log_tail, folder))
        found.append(
            OneRun(
                trial=name,
                label=str(row["label"]),
                state=str(row["state"]),
                reason=row["reason"] if isinstance(row["reason"], str) else "",
                log=None if log is None else at_home(log),
                power=warnings.attempt(partial(read_power, folder)),
            )
        )
    return tuple(found), tuple(warnings)


def at_home(log: str) -> str:
    """Return a log with folders left off its paths, and long lines cut: a page does not tell where it was made."""
    lines: Sequence[str] = _FOLDERS.sub("…/", log).split("\n")
    return "\n".join(line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} …" for line in lines)
