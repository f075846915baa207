"""``scaling status``: how far a sweep is, derived from its files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from scaling.store.layout import StoreFolder

FORMAT = 1  # version of the JSON document


def command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A store; the newest under runs/ by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show the state of every trial of a sweep, running or not; changes nothing.

    Example:  scaling status runs/quickstart
    """
    from scaling.cli.output import print_json
    from scaling.store.layout import StoreFolder

    store = StoreFolder(directory or newest_store())
    if as_json:
        print_json(document(store))
    else:
        show(store)


def newest_store(runs: Path = Path("runs")) -> Path:
    """Return the store under ``runs`` whose plan was written last. Raises ``UsageError`` when there is none."""
    from scaling.errors import UsageError

    stores = [path.parent for path in runs.glob("*/sweep.json")]
    if not stores:
        raise UsageError(
            "status.no_store",
            f"no store under {runs}/",
            where=str(runs.resolve()),
            hint="give its folder, or start one with `scaling run quickstart`",
        )
    return max(stores, key=lambda path: (path / "sweep.json").stat().st_mtime)


def document(store: "StoreFolder") -> dict[str, Any]:
    """Return the status as one JSON document. Raises ``UsageError`` when there is no store."""
    from scaling.store.claims import lock_holder

    sweep = store.read_sweep()
    trials = [_trial(store, planned) for planned in sweep.get("trials", [])]
    planned = {trial["id"] for trial in trials}
    states = [trial["state"] for trial in trials]
    holder = lock_holder(store.lock_path)
    return {
        "format": FORMAT,
        "name": sweep.get("name"),
        "store": str(store.root),
        "run_by": None if holder is None else {"host": holder.host, "pid": holder.pid},
        "counts": {state: states.count(state) for state in dict.fromkeys(states)},
        "flops_train": sum(trial["flops_train"] for trial in trials),
        "flops_train_done": sum(trial["flops_train"] * trial["share"] for trial in trials),
        "trials": trials,
        "orphaned": [name for name in store.trial_ids() if name not in planned],
    }


def _trial(store: "StoreFolder", planned: dict[str, Any]) -> dict[str, Any]:
    from scaling.store.files import read_last_line
    from scaling.store.state import State, read_state

    folder = store.trial(str(planned["id"]))
    horizons = [int(h) for h in planned["horizons"]]
    state = read_state(folder, horizons)
    numbers = folder.attempts()
    line = read_last_line(folder.attempt(numbers[-1]).curve_path) if numbers else None
    finished = state.state in (State.DONE, State.DIVERGED)
    return {
        "id": folder.id,
        "label": planned.get("label"),
        "state": state.state.value,
        "reason": state.reason,
        "attempts": state.attempts,
        "horizons": horizons,
        "points": len(folder.record_files("points")),
        "step": None if line is None else line.get("step"),
        "loss_nats": None if line is None else line.get("loss_nats"),
        "flops_train": float(planned.get("flops_train", 0.0)),
        "share": 1.0 if finished else 0.0 if line is None else min(1.0, line.get("tokens", 0) / max(horizons)),
    }


def show(store: "StoreFolder") -> None:
    """Print the status for people. Raises ``UsageError`` when there is no store."""
    from scaling.cli.output import stdout

    status = document(store)
    console = stdout()
    console.print(table(status["trials"]))
    counts = ", ".join(f"{number} {state}" for state, number in status["counts"].items())
    share = status["flops_train_done"] / status["flops_train"] if status["flops_train"] else 0.0
    by = status["run_by"]
    holder = "nobody runs it now" if by is None else f"run by process {by['pid']} on {by['host']}"
    console.print(f"{status['name']}: {counts}; {share:.0%} of the FLOPs; {holder}", markup=False, soft_wrap=True)
    if status["orphaned"]:
        console.print(f"orphaned (no longer in the spec): {len(status['orphaned'])}", markup=False)


def table(trials: list[dict[str, Any]]) -> "Table":
    """Return one row per trial."""
    from rich.table import Table
    from rich.text import Text

    result = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "id", "state"):
        result.add_column(name, no_wrap=True)
    for name in ("points", "step", "train loss"):
        result.add_column(name, justify="right", no_wrap=True)
    result.add_column("why", overflow="fold")
    for trial in trials:
        loss = trial["loss_nats"]
        result.add_row(
            Text(str(trial["label"])),
            trial["id"],
            trial["state"],
            f"{trial['points']}/{len(trial['horizons'])}",
            "–" if trial["step"] is None else f"{trial['step']:,}",
            "–" if loss is None else f"{loss:.3f}",
            Text(trial["reason"] or ""),
        )
    return result
