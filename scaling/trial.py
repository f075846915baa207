"""The process of one trial: ``python -m scaling.trial STORE TRIAL ATTEMPT``.

Assembles model, data and meters, trains through the horizons, publishes a point at each and an end record, and exits:
0 done or diverged (both are results) · 1 failed, with ``failure.json`` saying why · 75 stopped by SIGTERM after
writing a checkpoint: start another attempt and it continues from there.
"""

import math
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import torch
from torch import nn

from scaling.data import Corpus, WindowStream, load
from scaling.families import Config, Family, FlopsPerToken, Params, get_family
from scaling.hardware import environment, git_state, peak_flops_per_s
from scaling.meters.gpu import GpuMeter, open_gpu_meter
from scaling.meters.rapl import CpuMeter, open_cpu_meter
from scaling.models import build
from scaling.provenance import Reading
from scaling.spec.schema import TrialSpec
from scaling.store.files import append_line, dump_json, write_atomic
from scaling.store.layout import AttemptFolder, TrialFolder
from scaling.store.records import CurveLine, EndRecord, Failure, Point, Sample, Utilisation, to_json
from scaling.training.checkpoint import restore_newest, save_checkpoint, save_weights
from scaling.training.evaluate import Objective, evaluate, next_token_losses
from scaling.training.loop import Diverged, Trainer, TrainState, fresh_state
from scaling.training.sampling import generate

EXIT_CONTINUE = 75  # "start me again": stopped on request, with a checkpoint
CHECKPOINT_EVERY_S = 30.0
_IDLE_S = 2.0


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
        self.spec: TrialSpec = folder.read_spec()
        self.family: Family = get_family(self.spec.family)
        self.config: Config = self._config()
        self.params: Params = self.family.params(self.config)
        self.flops: FlopsPerToken = self.family.flops_per_token(self.config)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.corpus: Corpus = load(self.spec.data, self.spec.data_location)
        self.validation = torch.from_numpy(self.corpus.validation).int()
        self.stream = WindowStream(self.corpus.train, self.spec.data.context, self._batch_windows(), self.spec.seed)
        self.gpu: GpuMeter = open_gpu_meter(_gpu_uuid(self.device), _synchroniser(self.device))
        self.cpu: CpuMeter = open_cpu_meter()
        self.gpu_j: Reading | None = None  # joules of training so far
        self.seconds = {"evaluate": 0.0, "samples": 0.0, "save": 0.0}
        self.resumed_from = 0
        self._stop = False
        self._checkpointed = time.perf_counter()

    def run(self) -> None:
        """Train, publish, and leave an end record; a divergence is an end like any other."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        idle = self.gpu.idle_power_w(_IDLE_S)
        torch.manual_seed(self.spec.seed)
        state = fresh_state(build(self.family, self.config).to(self.device), self.spec.train)
        self._resume(state)
        trainer = Trainer(state, self._objective(), self.stream, self.spec.train, self.device, observer=self)
        self.seconds["start"] = time.perf_counter() - self.started
        self.cpu.begin("trial")
        self.gpu.begin("trial")
        self.gpu.begin("train")
        outcome, reason = "done", None
        try:
            trainer.run([tokens // self.spec.train.batch_tokens for tokens in self.spec.horizons])
        except Diverged as diverged:
            outcome, reason = "diverged", str(diverged)
        self._finish(trainer, outcome, reason, idle)

    # -- observer of the training loop ------------------------------------------------------------

    def on_curve(self, line: CurveLine) -> None:
        """Append a line to the attempt's curve."""
        append_line(self.attempt.curve_path, to_json(line))

    def on_horizon(self, step: int, model: nn.Module, train_s: float) -> None:
        """Evaluate and publish a point; keep the weights of the last one."""
        gpu_j = self._close_train_window()
        began = time.perf_counter()
        measured = evaluate(model, next_token_losses, self.validation, self.device)
        self.seconds["evaluate"] += time.perf_counter() - began
        if not math.isfinite(measured.loss_nats):
            raise Diverged(step, measured.loss_nats)
        tokens = step * self.spec.train.batch_tokens
        unique = self.stream.tokens_unique(tokens)
        data = self.spec.data
        point = Point(
            trial=self.folder.id,
            tokens=tokens,
            step=step,
            tokens_unique=unique,
            epochs=tokens / unique,
            flops_train=self.flops.train * tokens,
            flops_train_full_attention=self.flops.train_full_attention * tokens,
            flops_6nd=self.flops.rough_6n * tokens,
            loss_nats=measured.loss_nats,
            loss_se_nats=measured.loss_se_nats,
            bpb=measured.loss_nats / math.log(2) * data.validation_tokens / data.validation_bytes,
            anneal=self.spec.train.anneal,
            train_s=train_s,
            energy_gpu_j=gpu_j,
            validation_fingerprint=data.validation_fingerprint,
        )
        self.folder.publish_point(point)
        self._annealed = model
        self.gpu.begin("train")

    def on_pause(self, state: TrainState) -> None:
        """Write a checkpoint when one is due; obey a request to stop."""
        now = time.perf_counter()
        if self._stop or now - self._checkpointed > CHECKPOINT_EVERY_S:
            save_checkpoint(self.attempt.checkpoint_dir, state)
            self._checkpointed = time.perf_counter()
            self.seconds["save"] += self._checkpointed - now
        if self._stop:
            raise StopRequested

    # -- parts -------------------------------------------------------------------------------------

    def _config(self) -> Config:
        return self.family.build_config(self.spec.model, self.spec.data.vocab_size, self.spec.data.context)

    def _objective(self) -> Objective:
        return torch.compile(next_token_losses) if self.spec.train.compile else next_token_losses

    def _batch_windows(self) -> int:
        return self.spec.train.batch_tokens // self.spec.data.context

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

    def _close_train_window(self) -> Reading:
        energy = self.gpu.end("train").energy_j
        self.gpu_j = energy if self.gpu_j is None else self.gpu_j + energy
        return self.gpu_j

    def _finish(self, trainer: Trainer, outcome: str, reason: str | None, idle: Reading) -> None:
        state = trainer.state
        tokens = state.step * self.spec.train.batch_tokens if outcome == "diverged" else self.spec.horizons[-1]
        weights, samples = None, tuple[Sample, ...]()
        if outcome == "done":
            began = time.perf_counter()
            samples = self._samples(self._annealed)
            self.seconds["samples"] = time.perf_counter() - began
            weights = self._save_weights(self._annealed, tokens)
        energy_gpu = self.gpu.end("trial").energy_j
        energy_cpu = self.cpu.end("trial").energy_j
        if os.environ.get("SCALING_SLOTS", "1") != "1":
            energy_cpu = Reading.missing("the processor's counter covers every trial that ran beside this one")
        steady = trainer.steady.close(self.spec.train.batch_tokens)
        end = EndRecord(
            trial=self.folder.id,
            state=outcome,
            reason=reason,
            tokens=tokens,
            params_total=self.params.total,
            params_non_embedding=self.params.non_embedding,
            params_matmul=self.params.matmul,
            param_groups=dict(self.params.groups),
            flops_per_token=_flops_json(self.flops),
            steady=steady,
            utilisation=self._utilisation(steady.tokens_per_s),
            memory_peak_bytes=_memory_peak_bytes(self.device),
            memory_predicted_bytes=self._memory_predicted_bytes(),
            energy_gpu_j=energy_gpu,
            energy_cpu_j=energy_cpu,
            energy_ram_j=Reading.missing("memory has no counter here; the sweep's host meter models it"),
            power_idle_w=idle,
            seconds=self._phases(state),
            environment=self._environment(),
            samples=samples,
            weights=weights,
            resumed_from_step=self.resumed_from,
        )
        self.folder.publish_end(end)
        shutil.rmtree(self.attempt.checkpoint_dir, ignore_errors=True)  # the end is published: nothing to resume

    def _phases(self, state: TrainState) -> dict[str, float]:
        return {
            **self.seconds,
            "train": state.train_s,
            "data_wait": state.data_wait_s,
            "total": time.perf_counter() - self.started,
        }

    def _samples(self, model: nn.Module) -> tuple[Sample, ...]:
        s = self.spec.samples
        texts = [
            generate(model, p.encode(), s.tokens, s.temperature, s.seed + i, self.spec.data.context)
            for i, p in enumerate(s.prompts)
        ]
        return tuple(
            Sample(prompt=p, text=t.decode("utf-8", errors="replace")) for p, t in zip(s.prompts, texts, strict=True)
        )

    def _save_weights(self, model: nn.Module, tokens: int) -> dict[str, str]:
        began = time.perf_counter()
        path = self.folder.weights_path(tokens)
        digest = save_weights(path, model)
        self.seconds["save"] += time.perf_counter() - began
        return {"file": str(path.relative_to(self.folder.path)), "sha256": digest}

    def _memory_predicted_bytes(self) -> dict[str, float]:
        value_bytes = 2 if self.spec.train.precision == "bfloat16" else 4
        return self.family.memory_bytes(self.config, self.spec.train.batch_tokens, value_bytes)

    def _utilisation(self, tokens_per_s: float | None) -> Utilisation:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        peak = peak_flops_per_s(name, self.spec.train.precision) if name else None
        reason = None
        if name is None:
            reason = "the peak FLOP/s of this CPU is not known"
        elif peak is None:
            reason = f"the peak FLOP/s of {name} in {self.spec.train.precision} is not in the catalogue"
        elif tokens_per_s is None:
            reason = "no steady window"
        mfu = None
        if peak is not None and tokens_per_s is not None:
            mfu = self.flops.train * tokens_per_s / peak.value
            if mfu > 1:
                mfu, reason = None, f"computed {mfu:.0%} of {peak.source}: a count or a peak is wrong"
        return Utilisation(
            mfu=mfu,
            flops_convention="flops_train",
            peak_flops_per_s=peak.value if peak else None,
            peak_source=f"data_sheet:{peak.source}" if peak else None,
            reason=reason,
        )

    def _environment(self) -> dict[str, object]:
        device = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return {
            **environment(),
            "device": device,
            "torch_threads": torch.get_num_threads(),
            "git": git_state(Path.cwd()),
        }


def _gpu_uuid(device: torch.device) -> str | None:
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}" if device.type == "cuda" else None


def _synchroniser(device: torch.device) -> Callable[[], None] | None:
    return torch.cuda.synchronize if device.type == "cuda" else None


def _memory_peak_bytes(device: torch.device) -> dict[str, float | None]:
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    return {"host_rss": host, "device": torch.cuda.max_memory_allocated() if device.type == "cuda" else None}


def _flops_json(flops: FlopsPerToken) -> dict[str, float]:
    names = ("train", "train_full_attention", "rough_6n", "forward")
    return {name: getattr(flops, name) for name in names}


def _fail(attempt: AttemptFolder, error: Exception) -> None:
    """Write why the attempt failed, for the runner and for people."""
    out_of_memory = isinstance(error, torch.cuda.OutOfMemoryError)
    text = str(error).strip().splitlines()
    failure = Failure(
        cause="cuda_oom" if out_of_memory else "error",
        message=f"{type(error).__name__}: {text[0] if text else 'no message'}",
        exit_code=1,
        detail=traceback.format_exc(limit=20),
    )
    write_atomic(attempt.failure_path, dump_json(to_json(failure)))


def main(argv: list[str]) -> int:
    """Run one attempt. Returns the exit code."""
    started = time.perf_counter()
    store, trial, number = argv
    folder = TrialFolder(store, trial)
    attempt = folder.attempt(int(number))
    try:
        Trial(folder, attempt, started).run()
    except StopRequested:
        return EXIT_CONTINUE
    except Exception as error:  # noqa: BLE001  # the boundary of the process: recorded, shown, never lost
        traceback.print_exc()
        _fail(attempt, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
