"""A study on the command line: its sweeps one after another, and one page that compares them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from scaling.answers import Comparison
    from scaling.cli.run import Asked
    from scaling.spec.study import Study

FILE = "study.json"  # in the study's folder: its name, title, and the folders of its stores
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What a study's folder says of itself: a line, and the folders of its stores."""

    title: str
    sweeps: list[str]


def run_study(study: "Study", asked: "Asked", run_one: "Callable[[Asked], None]") -> None:
    """Run each sweep into a store of its own, then write the page of all. Exits with 1 where trials failed.

    Raises:
        UsageError: ``--only``, which names trials of one sweep; what a sweep itself is refused for.
        Interrupted: a sweep was; the same command goes on from there.
    """
    from scaling.cli.output import say
    from scaling.errors import UsageError

    root = asked.out or Path("runs") / study.spec.name
    if asked.only:
        first = next(iter(study.sweeps))
        raise UsageError(
            "study.only",
            "--only names trials of one sweep, and this is a study of several",
            hint=f"scaling run {study.sweeps[first]} --out {root / first} --only {asked.only[0]}",
        )
    _write(study, root)
    unfinished = []
    for place, (name, file) in enumerate(study.sweeps.items(), start=1):
        say(f"sweep {place} of {len(study.sweeps)}: {name}")
        try:
            run_one(replace(asked, sweep=file, out=root / name))
        except typer.Exit as end:
            unfinished += [name] if end.exit_code else []
    if asked.report and not asked.shard:
        _compare(root, asked.resamples)
    if unfinished:
        say(f"not all done in {', '.join(unfinished)}")
        raise typer.Exit(1)


def _write(study: "Study", root: Path) -> None:
    from scaling.store.files import dump_json, write_atomic

    root.mkdir(parents=True, exist_ok=True)
    about = {"format": FORMAT, "name": study.spec.name, "title": study.spec.title, "sweeps": [*study.sweeps]}
    write_atomic(root / FILE, dump_json(about))


def _compare(root: Path, resamples: int) -> None:
    """Print how the sweeps compare and write the page; those without any law are named and left out."""
    from scaling.answers import compare, side_of
    from scaling.cli.compare import show
    from scaling.cli.output import say
    from scaling.errors import NotEnoughData
    from scaling.findings import law_finding
    from scaling.report import render_comparison
    from scaling.report.material import Tariff
    from scaling.report.tables.cost import Account
    from scaling.store import load
    from scaling.units import format_bytes

    sides, accounts = [], []
    for seed, path in enumerate(stores(root)):
        store = load(path)
        try:
            sides.append(side_of(store, path.name, seed, resamples=resamples))
        except NotEnoughData as error:
            say(f"left out of the comparison: {error.what}")
        else:
            accounts.append(Account.of(store, path.name, Tariff()))
    if len(sides) < 2:
        say("fewer than two sweeps have a law: there is nothing to compare")
        return
    found: Comparison = compare(sides)
    show(found, [law_finding(side.analysis, account.points) for side, account in zip(sides, accounts, strict=True)])
    page = render_comparison(found, root / "report.html", accounts=accounts, title=title(root))
    say(f"report of all: {page} ({format_bytes(page.stat().st_size)})")


def is_study(path: Path) -> bool:
    """Return whether a folder is a study's."""
    return (path / FILE).is_file()


def stores(root: Path) -> list[Path]:
    """Return the stores of a study, in the order of its file."""
    return [root / name for name in _read(root).sweeps]


def title(root: Path) -> str:
    """Return the line that a study says of itself; empty without."""
    return _read(root).title


def spread(sources: Sequence[Path]) -> list[Path]:
    """Return the sources with the stores of every study in its place."""
    return [path for source in sources for path in (stores(source) if is_study(source) else [source])]


def whole_sweep(path: Path) -> Path:
    """Return a path that is no study's. Raises ``UsageError`` that names the sweeps of one."""
    from scaling.errors import UsageError

    if not is_study(path):
        return path
    inside = stores(path)
    raise UsageError(
        "study.several",
        f"{path} is a study of {len(inside)} sweeps, and this looks at one",
        hint=f"name one of {', '.join(map(str, inside))}; or compare them all: scaling compare {path}",
    )


def _read(root: Path) -> _About:
    """Read a study's file. Raises ``UsageError`` where it is none."""
    from scaling.errors import UsageError

    try:
        found = json.loads((root / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    names = found.get("sweeps") if isinstance(found, dict) else None
    if not isinstance(names, list) or not all(isinstance(n, str) and n and Path(n).name == n for n in names):
        raise UsageError(
            "study.unreadable",
            f"{FILE} does not list the sweeps of a study",
            where=str(root / FILE),
            hint="`scaling run` of the study writes it again",
        )
    return _About(title=str(found.get("title") or ""), sweeps=names)
