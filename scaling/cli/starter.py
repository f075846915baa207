"""The text of a first sweep file: a design that fits the machine and the corpus, with a comment on every choice."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from scaling.errors import UsageError
from scaling.families import get_family
from scaling.spec.advice import MAX_EPOCHS
from scaling.spec.schema import DataIdentity, TrainSpec
from scaling.units import format_flops, format_si

PRESETS = {
    "ladder": "sizes x horizons: the law L(N,D), with replicates of the small sizes",
    "tiny": "the same, smaller: a first look",
    "isoflop": "compute budgets x sizes: the best size at each budget",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the design depends on: cores, and the names of the GPUs."""

    cores: int
    gpus: tuple[str, ...]

    def describe(self) -> str:
        """Return one phrase, such as ``8 CPU cores, no GPU``."""
        boards = ", ".join(self.gpus) if self.gpus else "no GPU"
        return f"{self.cores} CPU core{'s' * (self.cores != 1)}, {boards}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Shapes and amounts that suit a kind of machine.

    Attributes:
        shapes: (width, depth) of the ladder.
        tiny: those of the small ladder.
        fine: a finer grid of shapes for compute budgets.
        budgets: training FLOPs.
        tokens: the last horizon; of the small ladder a quarter.
    """

    context: int
    batch_tokens: int
    head_dim: int
    precision: str
    compile: bool
    shapes: tuple[tuple[int, int], ...]
    tiny: tuple[tuple[int, int], ...]
    fine: tuple[tuple[int, int], ...]
    budgets: tuple[float, ...]
    tokens: float


def _two_layers(*widths: int) -> tuple[tuple[int, int], ...]:
    return tuple((width, 2) for width in widths)


_CPU = _Scale(
    context=128,
    batch_tokens=1024,
    head_dim=16,
    precision="float32",
    compile=False,
    shapes=_two_layers(12, 16, 24, 32, 48, 64, 96, 128),
    tiny=_two_layers(8, 16, 32, 64, 96),
    fine=_two_layers(12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 112, 128),
    budgets=(3e10, 1.1e11, 4e11, 1.5e12),
    tokens=2.26e6,
)
_GPU = _Scale(
    context=512,
    batch_tokens=32_768,
    head_dim=64,
    precision="bfloat16",
    compile=True,
    shapes=((128, 2), (192, 3), (256, 4), (384, 6), (512, 8), (640, 10), (768, 12)),
    tiny=((128, 2), (192, 3), (256, 4), (384, 6), (512, 8)),
    fine=(
        *((64, 2), (96, 2), (112, 2), (128, 2), (160, 2), (192, 2), (192, 3), (256, 3), (256, 4), (320, 3), (320, 4)),
        *((320, 5), (384, 6), (448, 7), (512, 8)),
    ),
    budgets=(1e13, 3.6e13, 1.3e14, 4.6e14),
    tokens=33.6e6,
)
_RATIOS = (1.5, 250.0)  # tokens per parameter inside which a size can be best at a budget
_MIN_FITTING = 3  # a parabola needs three sizes at a budget
_HORIZONS = 7  # half-octaves: the first is an eighth of the last


def scale_for(machine: Machine) -> _Scale:
    """Return the amounts that suit a machine."""
    return _GPU if machine.gpus else _CPU


def starter_text(
    *, name: str, file: str, preset: str, machine: Machine, identity: DataIdentity, data_path: str | None
) -> str:
    """Return the commented sweep file.

    Args:
        name: of the sweep; its store is ``runs/NAME``.
        file: the file's own path, for the commands in its head.
        preset: a key of ``PRESETS``.
        machine: decides shapes, precision and amounts.
        identity: the corpus, prepared with this machine's context; decides how far to train.
        data_path: the user's text as seen from the file, or ``None`` for the standard library.
    """
    scale = scale_for(machine)
    blocks = _isoflop(scale, identity) if preset == "isoflop" else _ladder(scale, identity, preset == "tiny")
    parts = [_head(name, file, preset, machine), _data(scale, identity, data_path), _recipe(scale), blocks, _rest()]
    return "\n".join(parts)


def safe_sweep_name(stem: str) -> str:
    """Return the nearest name that a sweep may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:64] or "sweep"


def _head(name: str, file: str, preset: str, machine: Machine) -> str:
    return f"""\
# {PRESETS[preset]}
# Written by `scaling init` for a machine with {machine.describe()}. Every line may be changed.
#   what it would run:  scaling plan {file}
#   run it, resume it:  scaling run {file}
schema: 1
name: {name}  # its store is runs/{name}, its report runs/{name}/report.html
"""


def _data(scale: _Scale, identity: DataIdentity, data_path: str | None) -> str:
    tokens = format_si(float(identity.train_tokens))
    if data_path is None:
        source = "source: python-stdlib  # the interpreter's own sources; for your text write: path: my.txt"
    else:
        source = f"path: {json.dumps(data_path, ensure_ascii=False)}  # file, folder or glob, relative to this file"
    return f"""\
data:  # {tokens} training tokens; a token is one byte
  {source}
  context: {scale.context}  # tokens in a window
  validation_tokens: 65536  # a fixed set, held out by hash of the text
"""


def _recipe(scale: _Scale) -> str:
    depth = "" if _varied_depth(scale) else "\n  n_layer: 2"
    train = TrainSpec()
    return f"""\
model:
  family: gpt{depth}
  head_dim: {scale.head_dim}
  # also: activation (relu2, gelu, swiglu), norm (rmsnorm, layernorm), position, n_kv_head, tied …

train:  # one recipe for all sizes
  optimizer: {train.optimizer}  # muon or adamw
  lr: {{hidden: {train.lr.hidden:g}, embedding: {train.lr.embedding:g}}}
  batch_tokens: {scale.batch_tokens}  # a multiple of data.context
  warmup_steps: {train.warmup_steps}
  anneal: {train.anneal}  # average: every horizon of a size from one run; or cooldown
  precision: {scale.precision}
  compile: {str(scale.compile).lower()}
"""


def _ladder(scale: _Scale, identity: DataIdentity, tiny: bool) -> str:
    shapes = scale.tiny if tiny else scale.shapes
    horizons = _horizons(scale.tokens / 4 if tiny else scale.tokens, scale, identity)
    small = shapes[: max(2, len(shapes) // 2)]
    return f"""\
trials:
  - ladder:
      sizes: [{_shapes(shapes, scale)}]
      horizons: [{horizons}]  # tokens; also 20x (tokens per parameter) or 1e12 FLOPs
      seeds: [0]
  - ladder:  # a second seed of the small sizes measures the noise
      sizes: [{_shapes(small, scale)}]
      horizons: [{horizons}]
      seeds: [1]
"""


def _horizons(last: float, scale: _Scale, identity: DataIdentity) -> str:
    """Half-octaves up to what the corpus carries, in whole steps."""
    most = min(last, MAX_EPOCHS * identity.train_tokens)
    steps = [int(most / scale.batch_tokens / 2 ** (k / 2)) for k in range(_HORIZONS)]
    return ", ".join(str(n * scale.batch_tokens) for n in sorted({max(1, n) for n in steps}))


def _isoflop(scale: _Scale, identity: DataIdentity) -> str:
    blocks = [_budget(budget, scale, identity) for budget in scale.budgets]
    if not all(blocks):
        raise UsageError(
            "init.little_text",
            f"{identity.train_tokens:,} training tokens are too few for compute budgets",
            why=f"the smallest sizes would pass over the text more than {MAX_EPOCHS:g} times",
            hint="give more text, or use --preset ladder",
        )
    blocks.append(_budget(scale.budgets[0], scale, identity, seed=1, remark="  # a second seed measures the noise"))
    return "trials:  # at each budget the sizes between too small and too large\n" + "".join(blocks)


def _budget(budget: float, scale: _Scale, identity: DataIdentity, seed: int = 0, remark: str = "") -> str:
    family = get_family("gpt")
    fitting: list[tuple[int, int]] = []
    for width, depth in scale.fine:
        keys = {"d_model": width, "n_layer": depth, "head_dim": scale.head_dim}
        config = family.build_config(keys, identity.vocab_size, scale.context)
        tokens = budget / family.flops_per_token(config).train
        ratio = tokens / family.params(config).total
        enough_text = tokens <= MAX_EPOCHS * identity.train_tokens
        if _RATIOS[0] <= ratio <= _RATIOS[1] and enough_text and tokens >= scale.batch_tokens:
            fitting.append((width, depth))
    if len(fitting) < _MIN_FITTING:
        return ""
    return f"""\
  - isoflop:{remark}
      budgets: [{format_flops(budget, 2).removesuffix(" FLOPs")}]  # training FLOPs
      sizes: [{_shapes(fitting, scale)}]
      seeds: [{seed}]
"""


def _shapes(shapes: Sequence[tuple[int, int]], scale: _Scale) -> str:
    varied = _varied_depth(scale)
    return ", ".join(f"{{d_model: {w}, n_layer: {d}}}" if varied else f"{{d_model: {w}}}" for w, d in shapes)


def _varied_depth(scale: _Scale) -> bool:
    return len({depth for _, depth in scale.shapes}) > 1


def _rest() -> str:
    return """\
samples:  # the same prompts, seed and temperature for every size
  prompts: ["The ", "def "]
  tokens: 120
  temperature: 0.7

# limits: {trial_time: 30m, sweep_time: 2h}
# fit: {min_tokens: 500k}  # points below are drawn, not fitted: choose before the run
"""
