"""One attempt at one trial: assemble, train through the horizons, publish what comes out.

Exit codes: 0 a result · 1 failed, with ``failure.json`` · 74 the store could not be written · 75 stopped on request,
with a checkpoint: start me again. ``SCALING_CHECKPOINT_S`` sets the seconds between checkpoints.
"""

import faulthandler
import math
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType

import torch
from torch import nn

from scaling.data import Corpus, load
from scaling.data.folder import cache_folder
from scaling.hardware import environment, git_state, not_measured, process_age_s
from scaling.meters.gpu import GpuMeter
from scaling.meters.host import BoardTracker
from scaling.meters.rapl import CpuMeter, open_cpu_meter
from scaling.meters.window import GpuWindow
from scaling.models.objective import Losses
from scaling.provenance import Reading
from scaling.store.files import append_line
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.records import CurveLine, Sample, to_json
from scaling.store.state import EXIT_CONTINUE
from scaling.training.checkpoint import restore_newest, save_checkpoint
from scaling.training.evaluate import BATCH_ROWS, evaluate
from scaling.training.loop import Diverged, Trainer, TrainState, fresh_state
from scaling.training.team import PeerLost, join_team
from scaling.trial import device as hardware
from scaling.trial.base import initial_model
from scaling.trial.energy import TrainingEnergy
from scaling.trial.failure import fail
from scaling.trial.gallery import open_gallery
from scaling.trial.member import Member, Metered
from scaling.trial.probes import measure_all, open_probes
from scaling.trial.replay import replay

CHECKPOINT_EVERY_S = float(os.environ.get("SCALING_CHECKPOINT_S", "30"))
IDLE_S = 2.0


class StopRequested(Exception):
    """SIGTERM arrived; the checkpoint is written."""


class Trial:
    """One attempt at one trial; observes its training loop and publishes what comes out.

    Args:
        folder: the trial in its store.
        attempt: this attempt's folder, written by this process alone.
        started: ``time.perf_counter()`` at the start of the process.
    """

    def __init__(self, folder: TrialFolder, attempt: AttemptFolder, started: float) -> None:
        self.folder, self.attempt, self.started = folder, attempt, started
        self.member = Member(folder)
        self.spec = self.member.spec
        self.probes = open_probes(self.spec, self.member.objective.filling)
        self.team = join_team()
        self.device = hardware.pick_device()
        began = time.perf_counter()
        self.corpus: Corpus = self.member.encoded(load(self.spec.data, self.spec.data_location))
        self.validation = self.member.validation_rows(self.corpus)
        self.stream = self.member.open_stream(self.corpus)
        self.gpu: GpuMeter = hardware.open_meters(self.device, self.team)
        self.cpu: CpuMeter = open_cpu_meter()
        self.gallery = open_gallery(self.member, self.validation)
        prepare = time.perf_counter() - began if self.member.objective.encode is not None else 0.0
        self.seconds = {"prepare": prepare, "compile": 0.0, "evaluate": 0.0, "replay": 0.0, "samples": 0.0, "save": 0.0}
        self.slots = hardware.trials_at_once()
        self.before_bytes = hardware.host_rss_bytes()
        self.resumed_from = 0
        self._stop = False
        self._checkpointed = time.perf_counter()

    def run(self) -> None:
        """Train, publish, and leave an end record; a divergence is an end like any other."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        idle = self.gpu.idle_power_w(IDLE_S)
        torch.manual_seed(self.spec.seed)
        state = self._fresh()
        self._resume(state)
        self.trainer = trainer = self._make_trainer(state)
        self.seconds["start"] = time.perf_counter() - self.started
        self._compile(trainer)
        self.energy = self._open_energy()
        self.cpu.begin("trial")
        self.energy.begin()
        self._prepare()
        diverged: Diverged | None = None
        try:
            trainer.run(self.member.horizon_steps)
        except Diverged as error:
            diverged = error
        self._finish(trainer, diverged, idle)

    # -- observer of the training loop ------------------------------------------------------------

    def on_curve(self, line: CurveLine) -> None:
        """Append a line to the attempt's curve."""
        if self.team.leads:
            append_line(self.attempt.curve_path, to_json(line))

    def on_horizon(self, step: int, model: nn.Module, train_s: float) -> None:
        """Evaluate and publish a point; keep the weights of the last one."""
        gpu_j = self.energy.horizon(step, self._replay)
        began = time.perf_counter()
        measured = evaluate(
            model, self.member.objective.measure, self.validation, self.device, self.member.compared or BATCH_ROWS
        )
        if not math.isfinite(measured.loss_nats):
            raise Diverged(step, measured.loss_nats)
        probes = measure_all(self.probes, model, self.device)
        measured = self.member.judged(measured, model)
        if self.gallery is not None:
            measured = replace(measured, metrics={**measured.metrics, **self.gallery.judge(model, self.device)})
        self.seconds["evaluate"] += time.perf_counter() - began
        if self.team.leads:
            self.member.publish_point(step, measured, self.stream, train_s=train_s, energy_gpu_j=gpu_j, probes=probes)
        self._annealed = model
        self.energy.resume(self.trainer.state.step)

    def on_pause(self, state: TrainState) -> None:
        """Write a checkpoint when one is due; obey a request to stop."""
        self.energy.pause(state.step)
        now = time.perf_counter()
        stop = self.team.any(self._stop, self.device)
        if self.team.leads and (stop or now - self._checkpointed > CHECKPOINT_EVERY_S):
            save_checkpoint(self.attempt.checkpoint_dir, state)
            self._checkpointed = time.perf_counter()
            self.seconds["save"] += self._checkpointed - now
        if stop:
            self.team.wait()
            raise StopRequested

    # -- parts -------------------------------------------------------------------------------------

    def _fresh(self) -> TrainState:
        return fresh_state(initial_model(self.member).to(self.device), self.spec.train)

    def _make_trainer(self, state: TrainState) -> Trainer:
        whole = self.member.family.keeps_batches
        return Trainer(state, self._losses(), self.stream, self.spec.train, self.device, self, self.team, whole=whole)

    def _prepare(self) -> None:
        """Do what comes before the first step, inside the windows of the meters."""

    def _losses(self) -> Losses:
        losses = self.member.losses
        if not self.spec.train.compile:
            return losses
        # Kernels of one shape are compiled by its first trial and read from there by the others.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "inductor"))
        return torch.compile(losses)

    def _on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        self._stop = True

    def _resume(self, state: TrainState) -> None:
        earlier = [self.folder.attempt(n) for n in self.folder.attempts() if n < self.attempt.number]
        path, damaged = restore_newest([a.checkpoint_dir for a in earlier], state)
        for line in damaged:
            print(line, flush=True)  # noqa: T201  # goes to the attempt's log.txt
        if path is not None:
            self.resumed_from = state.step
            print(f"resuming at step {state.step} from {path.parent.parent.name}", flush=True)  # noqa: T201

    def _open_energy(self) -> TrainingEnergy:
        uuid = hardware.gpu_uuid(self.device) if self.team.size == 1 and not_measured() is None else None
        return TrainingEnergy(
            self.gpu,
            BoardTracker(uuid) if uuid else None,
            self.folder,
            self.attempt,
            self.spec,
            device=hardware.device_name(self.device),
            resumed_from=self.resumed_from,
            may_replay=self.team.size == 1,  # a step of a team is one of all its processes
        )

    def _replay(self, seconds: float, meter: GpuMeter) -> tuple[GpuWindow, int]:
        began = time.perf_counter()
        found = replay(self.trainer, seconds, meter)
        self.seconds["replay"] += time.perf_counter() - began
        return found

    def _compile(self, trainer: Trainer) -> None:
        """Compile on the first batch before any window opens; no weight moves."""
        if not self.spec.train.compile:
            return
        began = time.perf_counter()
        share = self.team.share(self.stream.batch(trainer.state.step))
        windows = torch.from_numpy(share).int().to(self.device)
        bfloat16 = self.spec.train.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bfloat16):
            trainer.objective(trainer.state.model, windows).mean().backward()
        for optimizer in trainer.state.optimizers:
            optimizer.zero_grad()
        self.seconds["compile"] = time.perf_counter() - began

    def _finish(self, trainer: Trainer, diverged: Diverged | None, idle: Reading) -> None:
        if not self.team.leads:
            return
        samples, weights = tuple[Sample, ...](), None
        if diverged is None:
            began = time.perf_counter()
            samples = self.member.write_samples(self._annealed)
            if self.gallery is not None:
                samples = (*samples, *self.gallery.samples(self._annealed, self.device))
            self.seconds["samples"] = time.perf_counter() - began
            began = time.perf_counter()
            weights = self.member.write_weights(self._annealed)
            self.seconds["save"] += time.perf_counter() - began
        metered = self._metered(trainer, idle)
        if diverged is None:
            self.member.publish_end("done", None, self.spec.horizons[-1], metered, samples=samples, weights=weights)
        else:
            tokens = trainer.state.step * self.spec.train.batch_tokens
            self.member.publish_end("diverged", str(diverged), tokens, metered)
        shutil.rmtree(self.attempt.checkpoint_dir, ignore_errors=True)  # the end is published: nothing to resume

    def _metered(self, trainer: Trainer, idle: Reading) -> Metered:
        """Close every window and return what was metered."""
        energy_gpu, energy_steady = self.energy.finish()
        energy_cpu = self.cpu.end("trial", alone=self.slots == 1).energy_j
        steady = trainer.steady.close(self.spec.train.batch_tokens).unless(not_measured())
        speed = steady.tokens_per_s
        return Metered(
            steady=steady,
            utilisation=hardware.utilisation(
                self.device, self.spec.train.precision, self.member.flops, speed and speed / self.team.size, self.slots
            ),
            memory_peak_bytes=hardware.memory_peak_bytes(self.device, self.before_bytes),
            energy_gpu_j=energy_gpu,
            energy_cpu_j=energy_cpu,
            energy_ram_j=Reading.missing("memory has no counter here; the sweep's host meter models it"),
            power_idle_w=idle,
            energy_steady=energy_steady,
            seconds=self._phases(trainer.state),
            environment=self._environment(),
            resumed_from_step=self.resumed_from,
            micro_batches=trainer.pieces,
        )

    def _phases(self, state: TrainState) -> dict[str, float]:
        return {
            **self.seconds,
            "train": state.train_s,
            "data_wait": state.data_wait_s,
            "total": time.perf_counter() - self.started,
        }

    def _environment(self) -> dict[str, object]:
        return {
            **environment(),
            "device": hardware.device_name(self.device),
            "torch_threads": torch.get_num_threads(),
            "processes": self.team.size,
            "git": git_state(Path.cwd()),
        }


def main(argv: list[str]) -> int:
    """Run one attempt. Returns the exit code."""
    started = time.perf_counter() - process_age_s()  # the interpreter and the imports are part of the start
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # the supervisor of a hung trial asks for its stacks
    store, trial, number = argv
    folder = TrialFolder(store, trial)
    attempt = folder.attempt(int(number))
    attempts = [attempt]
    try:
        if attempt.group_path.exists():
            from scaling.trial.group import Group, read_group

            places = read_group(folder, attempt)
            attempts = [own for _, own in places]
            Group(places, started).run()
        elif folder.read_spec().stage == "rlhf":
            from scaling.trial.preference import PreferenceTrial

            PreferenceTrial(folder, attempt, started).run()
        else:
            Trial(folder, attempt, started).run()
    except StopRequested:
        return EXIT_CONTINUE
    except PeerLost as error:
        print(f"another process of this trial has gone: {error}", flush=True)  # noqa: T201  # its own end is the cause
        return 1
    except Exception as error:  # noqa: BLE001  # the boundary of the process: recorded, shown, never lost
        cause = "cuda_oom" if isinstance(error, torch.cuda.OutOfMemoryError) else "error"
        return max(fail(own, error, cause) for own in attempts)
    return 0
