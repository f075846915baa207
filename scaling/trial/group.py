"""One attempt at a group: trials of one shape trained by one process, each publishing its own records.

The process belongs to the attempt of the first member, whose folder lists the others (``group.json``). Every member has
an attempt folder of its own with its claim, curve and checkpoints, in the form of a trial alone: what is left of a
killed group is resumed together, in another group, or alone.
"""

import math
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import torch
from torch import nn

from scaling.data import Corpus, load
from scaling.errors import UsageError
from scaling.hardware import environment, git_state, not_measured
from scaling.meters.gpu import GpuMeter, open_gpu_meter
from scaling.meters.rapl import CpuMeter, open_cpu_meter
from scaling.models import build
from scaling.provenance import Reading
from scaling.store import claims
from scaling.store.files import append_line, bad_record, publish, read_json
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.records import CurveLine, Sample, to_json
from scaling.training.checkpoint import restore_together, save_checkpoint
from scaling.training.evaluate import evaluate
from scaling.training.group import GroupTrainer
from scaling.training.loop import Diverged, TrainState, fresh_state
from scaling.training.stacked import StackedState
from scaling.trial import device as hardware
from scaling.trial.attempt import CHECKPOINT_EVERY_S, IDLE_S, StopRequested
from scaling.trial.member import Member, Metered
from scaling.trial.probes import measure_all, open_probes


def read_group(folder: TrialFolder, attempt: AttemptFolder) -> list[tuple[TrialFolder, AttemptFolder]]:
    """Return trial and attempt of every member, the first included. Raises ``BadRecord``."""
    try:
        members = [(str(m["trial"]), int(m["attempt"])) for m in read_json(attempt.group_path)["members"]]
        places = [TrialFolder(folder.root, trial) for trial, _ in members]
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise bad_record(attempt.group_path, f"group.json does not list a group: {error}") from error
    return [(place, place.attempt(number)) for place, (_, number) in zip(places, members, strict=True)]


class Seat:
    """One member in a group: its trial, its attempt, and what it has measured so far."""

    def __init__(self, folder: TrialFolder, attempt: AttemptFolder, corpus: Corpus) -> None:
        self.folder, self.attempt = folder, attempt
        self.member = Member(folder)
        self.spec = self.member.spec
        self.probes = open_probes(self.spec)
        self.stream = self.member.open_stream(corpus)
        self.seconds = {"evaluate": 0.0, "samples": 0.0, "save": 0.0}
        self.annealed: nn.Module | None = None

    def claim(self) -> None:
        """Say who trains this member; the first member's supervisor has said so for it."""
        publish(self.attempt.claim_path, claims.to_json(claims.this_process()))


class Group:
    """One attempt at several trials; observes their common loop and publishes what comes out.

    Args:
        places: trial and attempt of each member; the first is the one whose process this is.
        started: ``time.perf_counter()`` at the start of the process.
    """

    def __init__(self, places: Sequence[tuple[TrialFolder, AttemptFolder]], started: float) -> None:
        self.started = started
        spec = places[0][0].read_spec()
        self.train = spec.train
        self.corpus: Corpus = load(spec.data, spec.data_location)
        self.seats = [Seat(folder, attempt, self.corpus) for folder, attempt in places]
        self.device = hardware.pick_device()
        first = self.seats[0].member
        self.objective, self.validation = first.objective, first.validation_rows(self.corpus)
        self.gpu: GpuMeter = open_gpu_meter(hardware.gpu_uuid(self.device), hardware.synchroniser(self.device))
        self.cpu: CpuMeter = open_cpu_meter()
        self.train_j: Reading | None = None  # joules of training so far, of all members
        self.before_bytes = hardware.host_rss_bytes()
        self.resumed_from = 0
        self._stop = False
        self._checkpointed = time.perf_counter()

    def run(self) -> None:
        """Train, publish, and leave an end record of each member."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        for seat in self.seats[1:]:
            seat.claim()
        self.idle = self.gpu.idle_power_w(IDLE_S)
        states = [self._fresh(seat) for seat in self.seats]
        self._resume(states)
        state = StackedState(states, [seat.spec.train for seat in self.seats])
        self.trainer = GroupTrainer(
            state, self.objective.losses, [seat.stream for seat in self.seats], self.train, self.device, observer=self
        )
        self.start_s = time.perf_counter() - self.started
        for i in range(len(self.seats)):
            self.cpu.begin(f"trial {i}")
            self.gpu.begin(f"trial {i}")
        self.gpu.begin("train")
        self.trainer.run(self.seats[0].member.horizon_steps)
        for i in sorted(self.trainer.alive):
            self._finish(i)

    # -- observer of the training loop ------------------------------------------------------------

    def on_curve(self, member: int, line: CurveLine) -> None:
        """Append a line to a member's curve."""
        append_line(self.seats[member].attempt.curve_path, to_json(line))

    def on_evaluation(self, evaluating: bool) -> None:
        """Keep the evaluation of the members out of the window of training."""
        if not evaluating:
            self.gpu.begin("train")
            return
        energy = self.gpu.end("train").energy_j
        self.train_j = energy if self.train_j is None else self.train_j + energy

    def on_horizon(self, member: int, step: int, model: nn.Module, train_s: float) -> None:
        """Evaluate a member and publish its point; keep the weights of the last one."""
        seat, began = self.seats[member], time.perf_counter()
        measured = evaluate(model, self.objective.measure, self.validation, self.device)
        if not math.isfinite(measured.loss_nats):
            raise Diverged(step, measured.loss_nats)
        probes = measure_all(seat.probes, model, self.device)
        measured = seat.member.judged(measured, model)
        seat.seconds["evaluate"] += time.perf_counter() - began
        energy = self._energy_of_run(train_s)
        seat.member.publish_point(step, measured, seat.stream, train_s=train_s, energy_gpu_j=energy, probes=probes)
        seat.annealed = model

    def on_diverged(self, member: int, error: Diverged) -> None:
        """Publish a member's end; the others go on."""
        seat = self.seats[member]
        tokens = error.step * self.train.batch_tokens
        seat.member.publish_end("diverged", str(error), tokens, self._metered(member))
        shutil.rmtree(seat.attempt.checkpoint_dir, ignore_errors=True)
        print(f"{seat.spec.label} diverged: {error}", flush=True)  # noqa: T201  # goes to the attempt's log.txt

    def on_pause(self, states: Sequence[TrainState]) -> None:
        """Write a checkpoint of each member when one is due; obey a request to stop."""
        now = time.perf_counter()
        if self._stop or now - self._checkpointed > CHECKPOINT_EVERY_S:
            for i in sorted(self.trainer.alive):
                save_checkpoint(self.seats[i].attempt.checkpoint_dir, states[i])
            self._checkpointed = time.perf_counter()
            for seat in self.seats:
                seat.seconds["save"] += (self._checkpointed - now) / len(self.seats)
        if self._stop:
            raise StopRequested

    # -- parts -------------------------------------------------------------------------------------

    def _on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        self._stop = True

    def _fresh(self, seat: Seat) -> TrainState:
        torch.manual_seed(seat.spec.seed)
        return fresh_state(build(seat.member.family, seat.member.config).to(self.device), seat.spec.train)

    def _resume(self, states: Sequence[TrainState]) -> None:
        """Go on from the last step that every member has saved."""
        folders = [
            [seat.folder.attempt(n).checkpoint_dir for n in seat.folder.attempts() if n < seat.attempt.number]
            for seat in self.seats
        ]
        step, damaged = restore_together(folders, states)
        for line in damaged:
            print(line, flush=True)  # noqa: T201  # goes to the attempt's log.txt
        self.resumed_from = step
        if step:
            print(f"resuming {len(states)} trials at step {step}", flush=True)  # noqa: T201

    def _energy_of_run(self, train_s: float) -> Reading:
        """Joules of one member's run to a horizon: its share of the seconds that all steps so far took."""
        assert self.train_j is not None
        if self.resumed_from:
            return Reading.missing(f"the joules before step {self.resumed_from} were booked by an earlier attempt")
        part = min(1.0, train_s / self.trainer.train_s) if self.trainer.train_s else 1.0
        return self.train_j.share(part, f"a group of {len(self.seats)} trials trained together")

    def _share(self, energy: Reading) -> Reading:
        count = len(self.seats)
        return energy.share(1 / count, f"a group of {count} trials trained together")

    def _finish(self, member: int) -> None:
        seat = self.seats[member]
        assert seat.annealed is not None
        began = time.perf_counter()
        samples: tuple[Sample, ...] = seat.member.write_samples(seat.annealed)
        seat.seconds["samples"] = time.perf_counter() - began
        began = time.perf_counter()
        weights = seat.member.write_weights(seat.annealed)
        seat.seconds["save"] += time.perf_counter() - began
        tokens = seat.spec.horizons[-1]
        seat.member.publish_end("done", None, tokens, self._metered(member), samples=samples, weights=weights)
        shutil.rmtree(seat.attempt.checkpoint_dir, ignore_errors=True)  # the end is published: nothing to resume

    def _metered(self, member: int) -> Metered:
        """Close a member's windows; what the group used is shared out evenly."""
        seat, count = self.seats[member], len(self.seats)
        slots = hardware.trials_at_once()
        energy_cpu = self.cpu.end(f"trial {member}", alone=slots == 1).energy_j
        steady = self.trainer.steady.close(self.train.batch_tokens * count).unless(not_measured())
        state = self.trainer.state.members[member]
        elapsed = time.perf_counter() - self.started
        return Metered(
            steady=steady,
            utilisation=hardware.utilisation(
                self.device, self.train.precision, seat.member.flops, steady.tokens_per_s, slots
            ),
            memory_peak_bytes=hardware.memory_peak_bytes(self.device, self.before_bytes),
            energy_gpu_j=self._share(self.gpu.end(f"trial {member}").energy_j),
            energy_cpu_j=self._share(energy_cpu),
            energy_ram_j=Reading.missing("memory has no counter here; the sweep's host meter models it"),
            power_idle_w=self.idle,
            seconds={
                **seat.seconds,
                "start": self.start_s / count,
                "train": state.train_s,
                "data_wait": state.data_wait_s,
                "total": elapsed / count,
            },
            environment=self._environment(),
            resumed_from_step=self.resumed_from,
        )

    def _environment(self) -> dict[str, object]:
        return {
            **environment(),
            "device": hardware.device_name(self.device),
            "torch_threads": torch.get_num_threads(),
            "git": git_state(Path.cwd()),
            "group": [seat.folder.id for seat in self.seats],  # trained together: seconds and joules are shares
        }
