"""The sweep file as checked data: what was asked, before it is expanded into trials.

Frozen, strict, unknown keys forbidden. Loading with file:line:column is in ``spec.load``; expansion into ordered
trials is in ``spec.plan``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from scaling.spec.abilities import AbilitiesSpec
from scaling.spec.command import CommandSpec
from scaling.spec.corpus import DataIdentity as DataIdentity
from scaling.spec.corpus import DataSpec as DataSpec
from scaling.spec.corpus import GrammarSpec as GrammarSpec
from scaling.spec.corpus import MarkovSpec as MarkovSpec
from scaling.spec.corpus import MelodySpec as MelodySpec
from scaling.spec.corpus import MovingSpec as MovingSpec
from scaling.spec.corpus import PointsSpec as PointsSpec
from scaling.spec.corpus import ScenesSpec as ScenesSpec
from scaling.spec.corpus import ShapesSpec as ShapesSpec
from scaling.spec.corpus import SmilesSpec as SmilesSpec
from scaling.spec.fields import Count, HorizonText, Joules, Part, Seconds, Seed, Whole
from scaling.spec.tuning import AfterSpec, Base, Tune

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"  # of a sweep; a folder is called like it
Scalar = bool | int | float | str
DEFAULT_FAMILY = "gpt"
SPECIAL_AXES = ("size", "seed", "horizon")  # keys of axes and items beside model.* and train.*


class LearningRates(Part):
    """Peak learning rates, the same for every size.

    Attributes:
        hidden: matrices inside the blocks (Muon's update, or AdamW's).
        embedding: embedding, unembedding and gains (always Adam).
    """

    hidden: Count = 0.01
    embedding: Count = 0.016


class TrainSpec(Part):
    """The recipe, one for all sizes of the sweep.

    Attributes:
        optimizer: ``muon`` (hidden matrices; Adam for the rest) or ``adamw``.
        lr: peak learning rates.
        batch_tokens: tokens in one optimizer step.
        warmup_steps: linear warm-up of the learning rate.
        anneal: ``average`` (constant rate; the points use a growing weight average), or ``cooldown``
            (constant rate, then a linear decay to zero over the last ``cooldown_share`` before each horizon).
        average_lag: the weight average looks back this share of the steps so far.
        cooldown_share: share of a horizon that decays, for ``anneal: cooldown``.
        weight_decay: decoupled weight decay on hidden matrices.
        clip: gradient norm limit.
        precision: ``float32`` or ``bfloat16`` (autocast).
        compile: use torch.compile.
    """

    optimizer: Literal["muon", "adamw"] = "muon"
    lr: LearningRates = LearningRates()
    batch_tokens: Whole = 1024
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    anneal: Literal["average", "cooldown"] = "average"
    average_lag: Annotated[float, Field(gt=0, lt=0.5)] = 0.07
    cooldown_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Count = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False


class _Block(Part):
    horizons: list[HorizonText] = Field(default_factory=list)
    seeds: list[Seed] = Field(default=[0])


class Ladder(_Block):
    """Sizes times horizons: each size is one trunk with a point at every horizon.

    Attributes:
        sizes: total parameters (``3M``), or mappings of model keys (``{d_model: 64}``).
        horizons: ``2.26M`` tokens, ``20x`` tokens per parameter, or ``1e15 FLOPs``.
        seeds: one trial per seed.
    """

    sizes: list[Count | dict[str, Scalar]] = Field(min_length=1)


class IsoFlop(_Block):
    """Budgets times sizes: each cell trains to the tokens its budget buys.

    Attributes:
        budgets: training FLOPs.
        sizes: as in a ladder.
        seeds: one trial per seed.
    """

    budgets: list[Count] = Field(min_length=1)
    sizes: list[Count | dict[str, Scalar]] = Field(min_length=1)


class Axes(_Block):
    """Dotted keys to lists of values: crossed in a ``grid``, paired in a ``zip``.

    Keys are ``model.d_model``, ``train.lr.hidden`` and the like, or ``size`` (total parameters), ``seed`` (instead
    of ``seeds``), ``horizon`` (instead of ``horizons``).
    """

    axes: dict[str, list[Scalar]] = Field(min_length=1)


class Listed(_Block):
    """Trials one by one: each a mapping of dotted keys to values; keys as in ``Axes``."""

    items: list[dict[str, Scalar]] = Field(min_length=1)


class TrialBlock(Part):
    """Exactly one way to list trials. Blocks add up; trials that coincide are merged."""

    ladder: Ladder | None = None
    isoflop: IsoFlop | None = None
    grid: Axes | None = None
    zip: Axes | None = None
    list: Listed | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "TrialBlock":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"each item of `trials` has exactly one of ladder, isoflop, grid, zip, list; "
                f"found {', '.join(given) or 'none'}"
            )
        return self


class SamplesSpec(Part):
    """Text generated after training: the same prompts, seed and temperature for every size."""

    prompts: list[str] = Field(default_factory=list)
    tokens: Whole = 120
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    seed: Seed = 0


class LimitsSpec(Part):
    """Where a sweep stops by itself; never part of a trial's identity.

    Attributes:
        trial_time: one attempt of a trial.
        sweep_time: one run of the sweep.
        hang_time: silence after which a trial counts as hung; longer before its first step, or where it logs seldom.
        gpu_hours, energy, cost: budgets over all runs of the sweep, failed attempts included; energy as measured.
        price_per_gpu_hour, price_per_kwh, currency: what ``cost`` is made of.
        same_failures: equal failures in a row that stop the sweep.
    """

    trial_time: Seconds | None = None
    sweep_time: Seconds | None = None
    hang_time: Seconds = 300.0
    gpu_hours: Count | None = None
    energy: Joules | None = None
    cost: Count | None = None
    price_per_gpu_hour: Annotated[float, Field(ge=0)] = 0.0
    price_per_kwh: Annotated[float, Field(ge=0)] = 0.0
    currency: Annotated[str, Field(max_length=8)] = "USD"
    same_failures: Whole = 3

    @model_validator(mode="after")
    def _priced(self) -> "LimitsSpec":
        if self.cost is not None and not (self.price_per_gpu_hour or self.price_per_kwh):
            raise ValueError("a budget of cost needs price_per_gpu_hour or price_per_kwh")
        return self


def _one_line(text: str) -> str:
    if not _ONE_LINE.fullmatch(text):
        raise ValueError(f"{text[:60]!r} has characters that no option of an engine needs, or is longer than 200")
    return text


_ONE_LINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:;=_@%/+*&|!()\[\]-]{0,199}")  # no quotes, no line breaks
EngineText = Annotated[str, AfterValidator(_one_line)]


class SlurmSpec(Part):
    """Options of ``sbatch``, by their names there. None can name a file or a command.

    Attributes:
        time: limit of one job; a trial that needs longer checkpoints and is queued again.
        grace: how long before that limit, or before a preemption's end, a trial is asked to checkpoint.
        at_once: jobs of the array that run at the same time; all by default.
        mem: memory of a job, such as ``16G``.
        gres: instead of ``gpu:N``, for a type: ``gpu:h100:1``.
        exclusive: a whole node for each trial: for energy that no neighbour shares.
    """

    partition: EngineText | None = None
    account: EngineText | None = None
    qos: EngineText | None = None
    time: Seconds = 14_400
    grace: Seconds = 120
    at_once: Whole | None = None
    mem: EngineText | None = None
    gres: EngineText | None = None
    constraint: EngineText | None = None
    nodelist: EngineText | None = None
    exclude: EngineText | None = None
    reservation: EngineText | None = None
    comment: EngineText | None = None
    exclusive: bool = False


class RaySpec(Part):
    """The user's own Ray cluster.

    Attributes:
        address: ``auto`` (the one this machine belongs to), or ``HOST:PORT``.
    """

    address: EngineText = "auto"


class ExecutorSpec(Part):
    """Who runs the trials. Never changes a trial's identity.

    Attributes:
        kind: ``local`` (this machine), ``slurm``, ``ray``, or ``debug`` (in this process, for a debugger).
        slots: trials at once on a machine without a GPU; ``auto`` is as many as the cores allow.
        gpus_per_trial: GPUs that train one trial together; 0 trains on the CPU. Without a GPU: processes.
        cpus_per_trial: cores of one trial; by default one, or a GPU's share of the machine.
        use_busy_gpus: take GPUs that other processes use.
        measure: ``all``, or ``loss``: neither speed nor energy of a trial, which are then recorded as missing.
        trials_per_gpu: trials at once on each GPU of this machine; more than one needs ``measure: loss``.
        group: trials that differ in seed and learning rates alone, trained by one process in one batched program:
            ``off``, ``auto`` (where it pays), or how many at most. Losses then agree to rounding, not to the bit.
        slurm: options of ``kind: slurm``.
        ray: options of ``kind: ray``.
    """

    kind: Literal["local", "slurm", "ray", "debug"] = "local"
    slots: Literal["auto"] | Whole = "auto"
    gpus_per_trial: Annotated[int, Field(ge=0, le=1024)] = 1
    cpus_per_trial: Whole | None = None
    use_busy_gpus: bool = False
    measure: Literal["all", "loss"] = "all"
    trials_per_gpu: Whole = 1
    group: Literal["off", "auto"] | Whole = "off"
    slurm: SlurmSpec = SlurmSpec()
    ray: RaySpec = RaySpec()

    @model_validator(mode="after")
    def _alone_when_measured(self) -> "ExecutorSpec":
        if self.measure == "loss" and self.kind != "local":
            raise ValueError(f"measure: loss is for kind: local; {self.kind} gives each trial what it asks for")
        if self.trials_per_gpu > 1 and self.measure != "loss":
            raise ValueError(
                "trials that share a GPU have no speed and no energy of their own: trials_per_gpu needs measure: loss"
            )
        if self.trials_per_gpu > 1 and self.gpus_per_trial != 1:
            raise ValueError("trials_per_gpu needs gpus_per_trial: 1")
        return self


class FitSpec(Part):
    """Cuts of the fit, fixed before the sweep is run.

    Attributes:
        min_tokens: points below this horizon are recorded and drawn, not fitted.
        min_params: sizes below this are recorded and drawn, not fitted.
    """

    min_tokens: Count | None = None
    min_params: Count | None = None


class BeforeSpec(Part):
    """The one trial that all trials of the sweep stand on, for a family of two stages, such as ``dalle``.

    Attributes:
        model: keys of the first stage's family.
        train: its recipe; the sweep's by default.
        horizon: how far it is trained: tokens, tokens per parameter or FLOPs, as in a ladder.
        seed: of its weights and order of data.
    """

    model: dict[str, Scalar]
    train: TrainSpec | None = None
    horizon: HorizonText
    seed: Seed = 0


class SweepSpec(Part):
    """One sweep file.

    Attributes:
        schema_version: version of this format, written ``schema: 1``.
        name: the sweep's name; its store is ``runs/NAME``.
        title: one line for the report.
        data, model, train: defaults of every trial; ``model`` holds ``family`` and that family's keys.
        trials: blocks that list the trials.
        abilities: probes mixed into the corpus; part of a trial's identity where given.
        lr_check: also train the smallest and the largest size at half and twice the learning rates (``--lr-check``).
        before: the first stage of a family that has two: one trial, on which all others stand.
        after: fine-tuning and preference tuning of the weights that the trials leave behind.
        command: somebody else's trainer to sweep instead of the built-in one.
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=NAME)]
    title: str = ""
    data: DataSpec = DataSpec()
    model: dict[str, Scalar] = Field(default={"family": DEFAULT_FAMILY})  # pydantic copies defaults
    train: TrainSpec = TrainSpec()
    trials: list[TrialBlock] = Field(min_length=1)
    abilities: AbilitiesSpec | None = None
    before: BeforeSpec | None = None
    after: AfterSpec | None = None
    lr_check: bool = False
    command: CommandSpec | None = None
    samples: SamplesSpec = SamplesSpec()
    limits: LimitsSpec = LimitsSpec()
    executor: ExecutorSpec = ExecutorSpec()
    fit: FitSpec = FitSpec()


class TrialSpec(Part):
    """One trial, fully resolved: what its process reads, and the source of its id.

    The id is a hash of ``family``, ``model``, ``data``, ``train``, ``seed`` and ``trainer_version``: everything that
    changes the number; of ``abilities``, ``base`` and ``tune`` too, where there are any. Horizons, label, samples and
    where the corpus lies are not part of it.

    Attributes:
        label: short name for people, such as ``d64 s1``.
        horizons: tokens at which a point is published, ascending, each a multiple of the batch.
        data_location: how to load the corpus again: the keys of ``DataSpec`` that are not at their default.
        tune: what it does to the weights of another trial; ``None`` for pre-training.
        base: the trial whose frozen weights it stands on.
        before: it is what the sweep's own trials stand on; no part of the id.
    """

    family: str
    model: Mapping[str, Scalar]
    data: DataIdentity
    train: TrainSpec
    seed: int
    trainer_version: int
    label: str
    horizons: tuple[int, ...]
    data_location: Mapping[str, object]
    samples: SamplesSpec
    abilities: AbilitiesSpec | None = None
    tune: Tune | None = None
    base: Base | None = None
    before: bool = False

    @property
    def stage(self) -> str:
        """``before`` (what pre-training stands on), ``pretrain``, ``finetune`` or ``rlhf``."""
        if self.before:
            return "before"
        return "pretrain" if self.tune is None else self.tune.stage
