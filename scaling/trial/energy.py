"""The joules of one attempt's training on a GPU: per horizon, per token of steady training, and as a trace on disk.

Windows are trusted from ``TRUSTED_S`` on: the counter steps every 100 ms, so that their ends cost at most 1 %. A
shorter training has its joules prorated from a replay: one and the same step trained for that long on a copy of the
state, once for all trials of a shape in a store.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scaling.meters.gpu import GpuMeter
from scaling.meters.host import BoardTracker
from scaling.meters.window import TOO_SHORT, GpuWindow
from scaling.provenance import Provenance, Reading
from scaling.spec.schema import TrialSpec
from scaling.store.files import publish, read_json
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.records import SteadyEnergy

TRUSTED_S = 20.0
_THROTTLED = "throttled: "  # as the meter begins such a note
STEADY_AFTER_STEPS = 20  # as in training.loop
_DIFFERENCE = 0.02
_COUNTED = (Provenance.MEASURED_COUNTER, Provenance.SAMPLED_POWER)

Replay = Callable[[float, GpuMeter], tuple[GpuWindow, int]]
"""Trains one step again and again for so many seconds in a window of its own; returns it and the tokens trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Joules per token of a shape, from one step trained over and over.

    Attributes:
        energy_per_token_j: the figure; missing with its reason where the meter gave none.
        energy_j, seconds, tokens: of the replay.
        notes: throttling and sharing.
    """

    energy_per_token_j: Reading
    energy_j: Reading
    seconds: float
    tokens: int
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Sum:
    """Windows of one kind so far: joules (missing once one of them is), seconds, tokens, notes."""

    energy_j: Reading | None = None
    seconds: float = 0.0
    tokens: int = 0
    notes: list[str] = field(default_factory=list)

    def plus(self, window: GpuWindow) -> "tuple[Reading, float]":
        """Return joules and seconds with a window added, the sum itself unchanged."""
        energy = window.energy_j if self.energy_j is None else self.energy_j + window.energy_j
        return energy, self.seconds + window.seconds

    def add(self, window: GpuWindow, tokens: int = 0) -> None:
        """Add a window."""
        self.energy_j, self.seconds = self.plus(window)
        self.tokens += tokens
        self.notes += [note for note in window.notes if note not in self.notes]


class TrainingEnergy:
    """Books the joules of a trial's training.

    Args:
        meter: of the trial's GPU; without one every figure is missing and nothing is replayed.
        tracker: the same board through codecarbon; ``None`` without a GPU.
        folder: the trial in its store, where replays are shared.
        attempt: where ``power.csv`` goes.
        spec: the trial.
        device: name of the GPU.
        resumed_from: step at which this attempt goes on; the joules before it were another attempt's.
        may_replay: a step may be replayed when the training is too short; otherwise its joules stand as they are.
    """

    def __init__(
        self,
        meter: GpuMeter,
        tracker: BoardTracker | None,
        folder: TrialFolder,
        attempt: AttemptFolder,
        spec: TrialSpec,
        device: str,
        resumed_from: int,
        may_replay: bool = True,
    ) -> None:
        self._meter, self._tracker = meter, tracker
        self._folder, self._attempt, self._spec = folder, attempt, spec
        self._key = _shape_key(spec, device)
        self._resumed_from = resumed_from
        self._may_replay = may_replay
        self._trunk, self._steady = _Sum(), _Sum()
        self._before_branch: GpuWindow | None = None
        self._steady_from: int | None = None
        self._replayed: Replayed | None = None
        self._traced_s = 0.0

    def begin(self) -> None:
        """Open the windows of the whole trial."""
        if self._tracker is not None:
            self._tracker.start()  # reads the counter last; ours is read right after
        self._meter.begin("trial")
        self._meter.begin("train")

    def resume(self, step: int) -> None:
        """Open the window of training again, with the trunk at ``step``."""
        self._meter.begin("train")
        self._open_steady(step)

    def pause(self, step: int) -> None:
        """Note the end of a logged interval of the trunk at ``step``."""
        if self._spec.train.anneal == "cooldown":
            self._before_branch = self._meter.peek("train")  # a branch may leave the trunk here
        if self._steady_from is None:
            self._open_steady(step)

    def horizon(self, step: int, replay: Replay) -> Reading:
        """Close the window of training at ``step`` and return the joules that a run to this horizon alone costs."""
        if self._steady_from is not None:
            self._steady.add(self._meter.end("steady"), (step - self._steady_from) * self._spec.train.batch_tokens)
            self._steady_from = None
        window = self._meter.end("train")
        self._trace(window, "train")
        energy, seconds = self._trunk.plus(window)
        if self._spec.train.anneal == "average":
            self._trunk.add(window)
        elif self._before_branch is not None:  # what a branch cost belongs to its own horizon, not to later ones
            self._trunk.add(self._before_branch)
        self._before_branch = None
        if self._may_replay and _is_short(energy, seconds):
            return self._shared_replay(replay).energy_per_token_j.scaled(step * self._spec.train.batch_tokens)
        if self._resumed_from == 0:
            return energy
        if step == self._resumed_from:
            return Reading.missing("the attempt that trained to here ended before it read its meter")
        text = f"resumed at step {self._resumed_from}: the joules of the steps since, scaled to all {step}"
        return _prorated(energy, step / (step - self._resumed_from), text)

    def finish(self) -> tuple[Reading, SteadyEnergy | None]:
        """Close the windows of the whole trial and return its joules, and those of a steady token."""
        if self._steady_from is not None:
            self._meter.end("steady")
        whole = self._meter.end("trial")
        if self._tracker is None:
            return whole.energy_j, None
        codecarbon = self._tracker.stop()
        notes = (*self._steady.notes, *_difference(whole.energy_j, codecarbon))
        return whole.energy_j, self._steady_energy(whole.energy_j, codecarbon, notes)

    def _open_steady(self, step: int) -> None:
        if step >= STEADY_AFTER_STEPS:
            self._meter.begin("steady")
            self._steady_from = step

    def _steady_energy(self, counter: Reading, codecarbon: Reading, notes: tuple[str, ...]) -> SteadyEnergy:
        own = self._steady
        if own.energy_j is not None and own.energy_j.value is not None and own.seconds >= TRUSTED_S:
            return SteadyEnergy(
                energy_per_token_j=own.energy_j.scaled(1 / own.tokens),
                energy_j=own.energy_j,
                seconds=own.seconds,
                tokens=own.tokens,
                replayed=False,
                codecarbon_j=codecarbon,
                counter_j=counter,
                notes=notes,
            )
        replayed = self._replayed or Replayed(
            energy_per_token_j=Reading.missing("the steady window is too short, and nothing was replayed"),
            energy_j=Reading.missing("nothing was replayed"),
            seconds=0.0,
            tokens=0,
            notes=(),
        )
        return SteadyEnergy(
            energy_per_token_j=replayed.energy_per_token_j,
            energy_j=replayed.energy_j,
            seconds=replayed.seconds,
            tokens=replayed.tokens,
            replayed=True,
            codecarbon_j=codecarbon,
            counter_j=counter,
            notes=(*notes, *replayed.notes),
        )

    def _shared_replay(self, replay: Replay) -> Replayed:
        """Return this shape's replay: this trial's, another trial's, or one made now."""
        path = self._folder.replay_path(self._key)
        if self._replayed is None and path.exists():
            self._replayed = _replayed_from_json(read_json(path))
        if self._replayed is None:
            window, tokens = replay(TRUSTED_S, self._meter)
            self._trace(window, "replay")
            self._replayed = _replayed(window, tokens)
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._replayed.energy_per_token_j.value is not None:
                publish(path, _replayed_to_json(self._replayed))
        return self._replayed

    def _trace(self, window: GpuWindow, kind: str) -> None:
        """Add a window's power samples to ``power.csv``: seconds of metered work, watts, what was done, throttling."""
        if not window.power_samples:
            return
        path = self._attempt.power_path
        fresh = not path.exists()
        with path.open("a", encoding="ascii") as file:
            if fresh:
                file.write("seconds,power_w,window,throttled\n")
            told = "; ".join(n.removeprefix(_THROTTLED) for n in window.notes if n.startswith(_THROTTLED)).replace(
                ",", ""
            )
            file.writelines(f"{self._traced_s + t:.3f},{w:.1f},{kind},{told}\n" for t, w in window.power_samples)
        self._traced_s += window.seconds


def _is_short(energy: Reading, seconds: float) -> bool:
    if energy.provenance in _COUNTED:
        return seconds < TRUSTED_S
    return energy.reason is not None and energy.reason.startswith(TOO_SHORT)


def _prorated(reading: Reading, factor: float, text: str) -> Reading:
    """Scale a reading and say so; what was counted is then prorated, what was sampled stays sampled."""
    if reading.value is None:
        return reading
    counted = reading.provenance is Provenance.MEASURED_COUNTER
    kind = Provenance.MEASURED_PRORATED if counted else reading.provenance
    return dataclasses.replace(reading.scaled(factor), provenance=kind, reason=text)


def _shape_key(spec: TrialSpec, device: str) -> str:
    """Name what decides the joules of a token: shape, recipe and device, not seed, rates or text."""
    train = spec.train.model_dump(mode="json", exclude={"lr", "warmup_steps", "weight_decay", "clip", "average_lag"})
    shape = [spec.family, dict(spec.model), spec.data.vocab_size, spec.data.context, train, device]
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]


def _replayed(window: GpuWindow, tokens: int) -> Replayed:
    text = f"{tokens:,} tokens of one step replayed for {window.seconds:.0f} s: the run itself was shorter"
    return Replayed(
        energy_per_token_j=_prorated(window.energy_j, 1 / tokens, text),
        energy_j=window.energy_j,
        seconds=window.seconds,
        tokens=tokens,
        notes=window.notes,
    )


def _replayed_to_json(replayed: Replayed) -> dict[str, object]:
    return {
        "energy_per_token_j": replayed.energy_per_token_j.to_json(),
        "energy_j": replayed.energy_j.to_json(),
        "seconds": replayed.seconds,
        "tokens": replayed.tokens,
        "notes": list(replayed.notes),
    }


def _replayed_from_json(data: dict[str, Any]) -> Replayed:
    readings = {name: Reading.from_json(data[name]) for name in ("energy_per_token_j", "energy_j")}
    return Replayed(**{**data, **readings, "notes": tuple(data["notes"])})


def _difference(counter: Reading, codecarbon: Reading) -> tuple[str, ...]:
    """Say where two readings of one counter differ by more than 2 %."""
    if counter.value is None or codecarbon.value is None:
        return ()
    share = codecarbon.value / counter.value - 1
    if abs(share) <= _DIFFERENCE:
        return ()
    return (f"codecarbon reads {share:+.1%} of the counter read directly, more than {_DIFFERENCE:.0%} apart",)
