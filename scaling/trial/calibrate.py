"""Measures a device for forecasts: ``python -m scaling.trial.calibrate OUT.json``, in the place of a trial.

Times whole training steps of a few shapes with the trainer itself, evaluation, the start of a process, and the best
square matrix product in each precision. About ten seconds. Several of these at once, one in each slot, measure what
trials slow each other down.
"""

import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from scaling.data import TokenStream, WindowStream
from scaling.families import get_family
from scaling.hardware import package_version, process_age_s
from scaling.meters.gpu import GpuMeter, open_gpu_meter
from scaling.models import build, objective_of
from scaling.models.objective import Losses, Measure
from scaling.provenance import Reading
from scaling.spec.schema import TrainSpec
from scaling.store.calibration import Calibration, StepTiming
from scaling.store.files import dump_json, write_atomic
from scaling.training.evaluate import evaluate
from scaling.training.group import GroupTrainer
from scaling.training.loop import Trainer, TrainState, fresh_state
from scaling.training.stacked import StackedState
from scaling.trial import device as hardware
from scaling.trial.replay import Unobserved, UnobservedGroup

_MATMUL_S = 0.25  # per precision and size
_TIMED_S = 0.36  # per shape, in three parts
_PARTS = 3
_FEWEST_STEPS = 4
_WARM_UP_STEPS = 3
_VOCAB = 128
_EVALUATED_WINDOWS = 64
_GPT = {"head_dim": 16, "norm": "layernorm", "activation": "relu2", "position": "rotary"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One shape to time: what differs from the others."""

    d_model: int
    n_layer: int = 2
    context: int = 128
    batch_tokens: int = 1024
    optimizer: str = "muon"
    precision: str = "float32"
    head_dim: int = 16
    members: int = 1

    def model(self) -> dict[str, Any]:
        """Return the ``model`` keys."""
        return {**_GPT, "d_model": self.d_model, "n_layer": self.n_layer, "head_dim": self.head_dim}


# The forecast is linear in a few quantities of a shape (see ``cost.forecast``): each must vary on its own here.
CPU_SHAPES = (
    *(Shape(d_model=d) for d in (8, 16, 32, 64, 128)),
    Shape(d_model=32, n_layer=6),
    Shape(d_model=32, batch_tokens=4096),
    Shape(d_model=32, context=512, batch_tokens=2048),
    *(Shape(d_model=d, optimizer="adamw") for d in (16, 64, 128)),
    Shape(d_model=16, members=2),
)
_GPU = Shape(d_model=256, n_layer=6, context=1024, batch_tokens=32_768, precision="bfloat16", head_dim=64)
GPU_SHAPES = (
    *(replace(_GPU, d_model=d) for d in (128, 256, 512, 1024)),
    replace(_GPU, n_layer=12),
    replace(_GPU, batch_tokens=131_072),
    *(replace(_GPU, d_model=d, optimizer="adamw") for d in (256, 1024)),
    replace(_GPU, members=8),
)
_MATMUL_SIZES = {"cpu": (128, 256, 512), "cuda": (2048, 4096, 8192)}
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def matmul_peak_flops_per_s(device: torch.device, dtype: torch.dtype) -> float:
    """Return the best rate of a square matrix product over a few sizes, in FLOP/s."""
    return max(_matmul_rate(device, dtype, size) for size in _MATMUL_SIZES[device.type])


def _matmul_rate(device: torch.device, dtype: torch.dtype, size: int) -> float:
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    synchronise = hardware.synchroniser(device) or (lambda: None)
    best, began, repeats = 0.0, time.perf_counter(), 1
    while time.perf_counter() - began < _MATMUL_S or best == 0.0:
        synchronise()
        t0 = time.perf_counter()
        for _ in range(repeats):
            torch.mm(a, b)
        synchronise()
        seconds = time.perf_counter() - t0
        best = max(best, repeats * 2.0 * size**3 / seconds)
        repeats = max(1, min(100, int(0.01 / seconds * repeats)))  # a hundredth of a second at a time
    return best


def time_shape(shape: Shape, device: torch.device) -> StepTiming:
    """Time training steps and evaluation of a shape on random tokens, with the trainer of a trial."""
    family = get_family("gpt")
    train = TrainSpec.model_validate(
        {"optimizer": shape.optimizer, "precision": shape.precision, "batch_tokens": shape.batch_tokens}
    )
    tokens = np.random.default_rng(0).integers(0, _VOCAB, 64 * shape.batch_tokens + 1, dtype=np.uint8)
    stream = WindowStream(tokens, shape.context, shape.batch_tokens // shape.context, seed=0)
    config = family.build_config(shape.model(), _VOCAB, shape.context)
    objective = objective_of(family, config)
    states = [fresh_state(build(family, config).to(device), train) for _ in range(shape.members)]
    model, trainer = states[0].model, _trainer(states, objective.losses, stream, train, device)
    windows = torch.from_numpy(tokens[: _EVALUATED_WINDOWS * (shape.context + 1)]).int().view(-1, shape.context + 1)
    return StepTiming(
        family=family.name,
        model=shape.model(),
        vocab_size=_VOCAB,
        context=shape.context,
        batch_tokens=shape.batch_tokens,
        optimizer=shape.optimizer,
        precision=shape.precision,
        compile=False,
        members=shape.members,
        step_s=_step_s(trainer),
        evaluate_s_per_token=_evaluate_s(model, objective.measure, windows, device)
        / (windows.shape[0] * shape.context),
    )


def _trainer(
    states: list[TrainState], losses: Losses, stream: TokenStream, train: TrainSpec, device: torch.device
) -> Trainer | GroupTrainer:
    if len(states) == 1:
        return Trainer(states[0], losses, stream, train, device, Unobserved())
    together = StackedState(states, [train] * len(states))
    return GroupTrainer(together, losses, [stream] * len(states), train, device, UnobservedGroup())


def _step_s(trainer: Trainer | GroupTrainer) -> float:
    """Return the seconds of a step, of all members where there are several: the median of a few parts."""
    _train(trainer, _WARM_UP_STEPS)
    steps = max(_FEWEST_STEPS, int(_TIMED_S / _PARTS / _train(trainer, 1)))
    return median(_train(trainer, steps) / steps for _ in range(_PARTS))


def _train(trainer: Trainer | GroupTrainer, steps: int) -> float:
    """Train so many steps and return their seconds; the evaluation after them is not counted."""
    counted = trainer if isinstance(trainer, GroupTrainer) else trainer.state
    before = counted.train_s
    trainer.run([trainer.state.step + steps])
    return counted.train_s - before


def _evaluate_s(model: nn.Module, measure: Measure, windows: torch.Tensor, device: torch.device) -> float:
    found = []
    for _ in range(3):
        began = time.perf_counter()
        evaluate(model, measure, windows, device)
        found.append(time.perf_counter() - began)
    return min(found[1:])


def calibrate(device: torch.device, name: str, start_s: float, meter: GpuMeter) -> Calibration:
    """Measure a device; ``slots`` is one until the slots' results are merged."""
    began = time.perf_counter()
    peaks = {precision: matmul_peak_flops_per_s(device, dtype) for precision, dtype in _DTYPES.items()}
    meter.begin("steps")
    steps = tuple(time_shape(shape, device) for shape in (GPU_SHAPES if device.type == "cuda" else CPU_SHAPES))
    return Calibration(
        device=name,
        slots=1,
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        torch=package_version("torch"),
        seconds=time.perf_counter() - began,
        start_s=start_s,
        peak_flops_per_s=peaks,
        steps=steps,
        power_w=_mean_power(meter),
    )


def _mean_power(meter: GpuMeter) -> Reading:
    window = meter.end("steps")
    if window.energy_j.value is None:
        return window.energy_j
    return window.energy_j.scaled(1 / window.seconds)


def main(argv: list[str]) -> int:
    """Measure and write the calibration to the file named by the only argument."""
    device = hardware.pick_device()
    build(get_family("gpt"), get_family("gpt").build_config(CPU_SHAPES[0].model(), _VOCAB, 128)).to(device)
    start_s = process_age_s()
    meter = open_gpu_meter(hardware.gpu_uuid(device), hardware.synchroniser(device))
    found = calibrate(device, hardware.calibrated_name(device), start_s, meter)
    meter.close()
    write_atomic(Path(argv[0]), dump_json(found.to_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
