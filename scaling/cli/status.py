"""``scaling status``: how far a sweep is, derived from its files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

    from scaling.executor.budget import Use
    from scaling.executor.overview import Seen
    from scaling.store.layout import StoreFolder

FORMAT = 1  # version of the JSON document
EVERY_S = 2.0
MOST_ROWS = 200  # of the table: more nobody reads, and drawing them takes longer than finding them out
_FEW = 4
_UNMETERED = "no counter was read for some or all of it"


def command(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A store; the newest under runs/ by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Draw it again every 2 s while somebody runs it.")] = False,
) -> None:
    """Show every trial of a sweep, running or not: its state, where it runs, time left, energy. Changes nothing.

    Example:  scaling status runs/quickstart --live
    """
    from scaling.cli.output import print_json
    from scaling.cli.study import whole_sweep
    from scaling.store.layout import StoreFolder

    store = StoreFolder(newest_store() if directory is None else whole_sweep(directory))
    if as_json:
        print_json(document(store))
    elif live:
        follow(store)
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
    from scaling.executor.budget import Use
    from scaling.executor.overview import look, time_left_s
    from scaling.executor.shards import holders

    sweep = store.read_sweep()
    seen = [look(store, planned) for planned in sweep.get("trials", [])]
    planned = {trial.id for trial in seen}
    states = [trial.state.state.value for trial in seen]
    return {
        "format": FORMAT,
        "name": sweep.get("name"),
        "store": str(store.root),
        "run_by": [
            {"host": claim.host, "pid": claim.pid, "shard": None if shard is None else str(shard)}
            for shard, claim in holders(store)
        ],
        "counts": {state: states.count(state) for state in dict.fromkeys(states)},
        "stages": _stages(seen),
        "flops_train": sum(trial.flops for trial in seen),
        "flops_train_done": sum(trial.flops * trial.share for trial in seen),
        "eta_s": time_left_s(seen),
        **_use(sum((trial.use for trial in seen), Use())),
        "trials": [_trial(trial) for trial in seen],
        "orphaned": [name for name in store.trial_ids() if name not in planned],
    }


def _stages(seen: "list[Seen]") -> dict[str, dict[str, int]]:
    """Return for each stage how many trials it has, and how many of them are done."""
    from scaling.store.state import State

    stages = dict.fromkeys(trial.stage for trial in seen)
    return {
        stage: {
            "trials": sum(trial.stage == stage for trial in seen),
            "done": sum(trial.stage == stage and trial.state.state is State.DONE for trial in seen),
        }
        for stage in stages
    }


def _trial(trial: "Seen") -> dict[str, Any]:
    return {
        "id": trial.id,
        "label": trial.label,
        "stage": trial.stage,
        "state": trial.state.state.value,
        "reason": trial.state.reason,
        "attempts": trial.state.attempts,
        "place": trial.place,
        "host": trial.host,
        "horizons": list(trial.horizons),
        "points": trial.points,
        "step": trial.step,
        "loss_nats": trial.loss_nats,
        "flops_train": trial.flops,
        "share": trial.share,
        "seconds": trial.seconds,
        **_use(trial.use),
    }


def _use(use: "Use") -> dict[str, Any]:
    """GPU-hours and measured joules of the ended attempts, failed ones included."""
    measured = use.gpu_s > 0 and use.unmetered_gpu_s == 0
    reason = None if measured else _UNMETERED if use.gpu_s else "no GPU was used"
    return {
        "gpu_hours": use.gpu_s / 3600,
        "energy_gpu_j": use.energy_j if measured else None,
        "energy_gpu_reason": reason,
    }


def show(store: "StoreFolder") -> None:
    """Print the status for people. Raises ``UsageError`` when there is no store."""
    from scaling.cli.output import stdout

    stdout().print(view(document(store)))


def follow(store: "StoreFolder") -> None:
    """Draw the status again and again while somebody runs the sweep; Ctrl-C ends the looking, not the sweep."""
    import time

    from rich.live import Live

    from scaling.cli.output import stdout

    console = stdout()
    status = document(store)
    if not console.is_terminal:
        console.print(view(status))
        return
    try:
        with Live(view(status, _rows(console)), console=console, auto_refresh=False) as drawn:
            while status["run_by"]:
                time.sleep(EVERY_S)
                status = document(store)
                drawn.update(view(status, _rows(console)), refresh=True)
    except KeyboardInterrupt:
        return


def _rows(console: "Console") -> int:
    """Rows that leave room on the screen for what is said below them."""
    return max(5, console.height - 6)


def view(status: dict[str, Any], most: int = MOST_ROWS) -> "Group":
    """Return what people see of a status document, with ``most`` trials in its table."""
    from rich.console import Group
    from rich.text import Text

    trials = status["trials"]
    few = shown(trials, most)
    lines = [Text(line) for line in summary(status)]
    if len(few) < len(trials):
        lines.insert(0, Text(f"… and {len(trials) - len(few)} more; --json lists all"))
    return Group(table(few), *lines)


def summary(status: dict[str, Any]) -> list[str]:
    """Return the sweep as a whole in lines for people."""
    from scaling.units import format_duration, format_energy

    counts = ", ".join(f"{number} {state}" for state, number in status["counts"].items())
    share = status["flops_train_done"] / status["flops_train"] if status["flops_train"] else 0.0
    left = "" if status["eta_s"] is None else f", about {format_duration(status['eta_s'])} left"
    lines = [f"{status['name']}: {counts}; {share:.0%} of the FLOPs{left}; {_holders(status['run_by'])}"]
    if len(status["stages"]) > 1:
        told = (f"{stage} {count['done']} of {count['trials']}" for stage, count in status["stages"].items())
        lines.append(f"done by stage: {', '.join(told)}")
    if status["gpu_hours"]:
        energy = status["energy_gpu_j"]
        joules = status["energy_gpu_reason"] if energy is None else format_energy(energy)
        lines.append(f"used by ended attempts: {status['gpu_hours']:.3g} GPU-hours, energy of the GPUs: {joules}")
    if status["orphaned"]:
        lines.append(f"orphaned (no longer in the spec): {len(status['orphaned'])}")
    return lines


def _holders(run_by: list[dict[str, Any]]) -> str:
    """Say who runs it; of many shards, how many."""
    if len(run_by) > _FEW:
        return f"run by {len(run_by)} shards on {len({by['host'] for by in run_by})} hosts"
    processes = [
        f"process {by['pid']} on {by['host']}" + (f" (shard {by['shard']})" if by["shard"] else "") for by in run_by
    ]
    return f"run by {', '.join(processes)}" if processes else "nobody runs it now"


def shown(trials: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the trials to list: all, or of many those that run or need somebody first; in the plan's order."""
    urgent = ("running", "failed", "interrupted", "diverged", "pending", "done")
    chosen = sorted(range(len(trials)), key=lambda i: urgent.index(trials[i]["state"]))[:most]
    return [trials[i] for i in sorted(chosen)]


def table(trials: list[dict[str, Any]]) -> "Table":
    """Return one row per trial."""
    from rich.table import Table
    from rich.text import Text

    result = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "id", "state", "where"):
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
            Text(_where(trial)),
            f"{trial['points']}/{len(trial['horizons'])}",
            "–" if trial["step"] is None else f"{trial['step']:,}",
            "–" if loss is None else f"{loss:.3f}",
            Text((trial["reason"] or "").partition("\n")[0]),
        )
    return result


def _where(trial: dict[str, Any]) -> str:
    """Where a trial runs; of one that does not, nothing."""
    if trial["state"] != "running":
        return ""
    return ", ".join(part for part in (trial["place"], trial["host"]) if part)
