"""A sweep seen from outside, whoever runs it: states, places, use and time left, read from its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaling.executor.budget import Use
from scaling.executor.handles import read_handle
from scaling.executor.rates import Spent, rates
from scaling.executor.spent import use_of_trial
from scaling.store.claims import read_claim
from scaling.store.files import BadRecord, read_last_line
from scaling.store.layout import AttemptFolder, StoreFolder
from scaling.store.state import State, TrialState, read_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One trial as its files show it.

    Attributes:
        id, label, horizons, flops, stage: as planned.
        state: derived from the files.
        points: how many are published.
        place: where its last attempt was started; ``None`` for a trial that has ended.
        host: the machine that claimed that attempt, or ``None`` likewise.
        step, loss_nats, tokens: of the last logged step; ``None`` before it.
        train_s: seconds of training to that step; ``None`` before it.
        use: GPU seconds and joules of its ended attempts.
        seconds: of its ended attempts.
    """

    id: str
    label: str
    horizons: tuple[int, ...]
    flops: float
    state: TrialState
    points: int
    place: str | None
    host: str | None
    step: int | None
    loss_nats: float | None
    tokens: int | None
    train_s: float | None
    use: Use
    seconds: float
    stage: str = "pretrain"

    @property
    def share(self) -> float:
        """Share of its training that is done, 0 to 1."""
        if self.state.state in (State.DONE, State.DIVERGED):
            return 1.0
        return min(1.0, (self.tokens or 0) / max(self.horizons, default=1))


def look(store: StoreFolder, planned: Mapping[str, Any]) -> Seen:
    """Look at one trial of the plan in ``sweep.json``. Raises ``ScalingError`` on a plan that is none."""
    folder = store.trial(str(planned["id"]))
    horizons = tuple(int(h) for h in planned["horizons"])
    try:
        listing = folder.listing()
    except BadRecord:
        listing = None  # the state names what is wrong
    state = read_state(folder, horizons, listing)
    numbers = folder.attempts() if listing is None else listing.attempts
    last = folder.attempt(numbers[-1]) if numbers else None
    line = read_last_line(last.curve_path) if last else None
    place, host = (None, None) if last is None or state.state.finished else _where(last)
    use, seconds = use_of_trial(folder, numbers)
    return Seen(
        id=folder.id,
        label=str(planned.get("label")),
        horizons=horizons,
        flops=float(planned.get("flops_train", 0.0)),
        state=state,
        points=0 if listing is None else len(listing.points),
        place=place,
        host=host,
        step=None if line is None else line.get("step"),
        loss_nats=None if line is None else line.get("loss_nats"),
        tokens=None if line is None else line.get("tokens"),
        train_s=None if line is None else line.get("train_s"),
        use=use,
        seconds=seconds,
        stage=str(planned.get("stage", "pretrain")),
    )


def _where(attempt: AttemptFolder) -> tuple[str | None, str | None]:
    """Where an attempt was started, and the host that claimed it."""
    try:
        handle, claim = read_handle(attempt), read_claim(attempt.claim_path)
    except BadRecord:
        return None, None  # named by the trial's state
    return None if handle is None else handle.place or handle.executor, None if claim is None else claim.host


def time_left_s(trials: Sequence[Seen]) -> float | None:
    """Return the seconds left at the rates of the trials seen, or ``None`` when nothing runs or nothing is known."""
    running = [t for t in trials if t.state.state is State.RUNNING]
    ended = [t for t in trials if t.state.state is State.DONE and t.state.attempts == 1]
    spent = [Spent(max(t.horizons), t.flops, t.seconds) for t in ended]
    spent += [Spent(t.tokens, t.flops * t.share, t.train_s) for t in running if t.tokens and t.train_s]
    found = rates(spent)
    if found is None or not running:
        return None
    left = [t for t in trials if not t.state.state.finished]
    seconds = sum((1 - t.share) * (found[0] * max(t.horizons) + found[1] * t.flops) for t in left)
    return seconds / len(running)
