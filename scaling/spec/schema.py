"""The sweep file as checked data: what was asked, before it is expanded into trials.

Frozen, strict, unknown keys forbidden. Loading with file:line:column is in ``spec.load``; expansion into ordered
trials is in ``spec.plan``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from scaling.units import Horizon, parse_count, parse_duration_s, parse_horizon


def _count(value: object) -> object:
    if not isinstance(value, str) or _is_number(value):
        return value  # "4" in quotes is text and stays wrong; 4k and 2e18 are counts
    return parse_count(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _whole(value: object) -> object:
    number = _count(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number


def _duration(value: object) -> object:
    return parse_duration_s(value) if isinstance(value, str) else value


def _horizon(value: object) -> object:
    return parse_horizon(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


Count = Annotated[float, BeforeValidator(_count, json_schema_input_type=float | str), Field(gt=0)]
Whole = Annotated[int, BeforeValidator(_whole, json_schema_input_type=int | str), Field(gt=0)]
Seconds = Annotated[float, BeforeValidator(_duration, json_schema_input_type=float | str), Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
HorizonText = Annotated[
    Horizon,
    BeforeValidator(_horizon, json_schema_input_type=float | str),
    PlainSerializer(str, return_type=str),
]
Scalar = bool | int | float | str
DEFAULT_FAMILY = "gpt"
SPECIAL_AXES = ("size", "seed", "horizon")  # keys of axes and items beside model.* and train.*


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class MarkovSpec(_Part):
    """A made-up language of known entropy: each token depends on the ``order`` tokens before it.

    Attributes:
        order: tokens that the next one depends on.
        symbols: size of the vocabulary; their frequencies follow Zipf's law.
        successors: likely next tokens of each context.
        noise: share of tokens drawn regardless of the context.
        tokens: length of the training text.
        seed: of the language and its text.
    """

    order: Literal[1, 2] = 2
    symbols: Annotated[Whole, Field(ge=2, le=256)] = 64
    successors: Whole = 4
    noise: Annotated[float, Field(gt=0, le=1)] = 0.1
    tokens: Whole = 8_000_000
    seed: Seed = 0


class GrammarSpec(_Part):
    """A made-up language of known entropy: sentences of ``2 ** depth`` tokens from an unambiguous grammar.

    Attributes:
        depth: levels of the tree; each symbol of a level expands to two of the level below.
        symbols: size of the vocabulary, the same at every level.
        rules: expansions of each symbol; their frequencies follow Zipf's law.
        tokens: length of the training text.
        seed: of the language and its text.
    """

    depth: Annotated[Whole, Field(le=12)] = 4
    symbols: Annotated[Whole, Field(ge=2, le=256)] = 32
    rules: Whole = 8
    tokens: Whole = 8_000_000
    seed: Seed = 0


class DataSpec(_Part):
    """Where tokens come from.

    Attributes:
        source: a corpus that needs no file: ``python-stdlib``; ``python-installed``, every source file of this
            Python and its packages; ``markov`` and ``grammar``, languages of known entropy; ``huggingface``, the
            dataset that ``dataset`` names. Ignored when ``path`` is given.
        path: own text or tokens: a file, a folder or a glob; or a list of them; ``.gz`` and ``.zst`` are unpacked.
        format: of those files; ``auto`` goes by their names: ``.jsonl``, ``.parquet``, ``.bin`` (tokens), else text.
        field: the column of JSONL, Parquet or a dataset that holds the text.
        validation_path: own validation text or tokens; without it a tenth of the documents is held out by hash.
        dataset: name of a Hugging Face dataset, or its folder.
        subset: configuration of that dataset.
        split: split of that dataset.
        revision: commit, tag or branch of that dataset.
        max_bytes: read no more text than this.
        tokenizer: ``bytes``; ``bpe``, trained on the training text; ``tiktoken:NAME``, ``tiktoken:FILE.tiktoken``;
            ``hf:NAME``, ``hf:FILE.json``.
        vocab_size: tokens of ``bpe`` (8,192 by default); of token files without a tokenizer.
        context: tokens in a window.
        validation_tokens: size of the fixed validation set, chosen by hash of the document.
        markov: settings of ``source: markov``.
        grammar: settings of ``source: grammar``.
    """

    source: Literal["python-stdlib", "python-installed", "markov", "grammar", "huggingface"] = "python-stdlib"
    path: str | list[str] | None = None
    format: Literal["auto", "text", "jsonl", "parquet", "tokens"] = "auto"
    field: str = "text"
    validation_path: str | list[str] | None = None
    dataset: str | None = None
    subset: str | None = None
    split: str = "train"
    revision: str | None = None
    max_bytes: Whole | None = None
    tokenizer: str = "bytes"
    vocab_size: Annotated[Whole, Field(ge=2, le=2**31)] | None = None
    context: Whole = 128
    validation_tokens: Whole = 65_536
    markov: MarkovSpec = MarkovSpec()
    grammar: GrammarSpec = GrammarSpec()


class LearningRates(_Part):
    """Peak learning rates, the same for every size.

    Attributes:
        hidden: matrices inside the blocks (Muon's update, or AdamW's).
        embedding: embedding, unembedding and gains (always Adam).
    """

    hidden: Count = 0.01
    embedding: Count = 0.016


class TrainSpec(_Part):
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


class _Block(_Part):
    horizons: list[HorizonText] = Field(default_factory=list)
    seeds: list[Seed] = [0]


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


class TrialBlock(_Part):
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


class SamplesSpec(_Part):
    """Text generated after training: the same prompts, seed and temperature for every size."""

    prompts: list[str] = Field(default_factory=list)
    tokens: Whole = 120
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    seed: Seed = 0


class LimitsSpec(_Part):
    """Where a sweep stops by itself."""

    trial_time: Seconds | None = None
    sweep_time: Seconds | None = None


def _one_line(text: str) -> str:
    if not _ONE_LINE.fullmatch(text):
        raise ValueError(f"{text[:60]!r} has characters that no option of an engine needs, or is longer than 200")
    return text


_ONE_LINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:;=_@%/+*&|!()\[\]-]{0,199}")  # no quotes, no line breaks
EngineText = Annotated[str, AfterValidator(_one_line)]


class SlurmSpec(_Part):
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


class RaySpec(_Part):
    """The user's own Ray cluster.

    Attributes:
        address: ``auto`` (the one this machine belongs to), or ``HOST:PORT``.
    """

    address: EngineText = "auto"


class ExecutorSpec(_Part):
    """Who runs the trials. Never changes a trial's identity.

    Attributes:
        kind: ``local`` (this machine), ``slurm``, ``ray``, or ``debug`` (in this process, for a debugger).
        slots: trials at once on a machine without a GPU; ``auto`` is as many as the cores allow.
        gpus_per_trial: GPUs that train one trial together; 0 trains on the CPU. Without a GPU: processes.
        cpus_per_trial: cores of one trial; by default one, or a GPU's share of the machine.
        use_busy_gpus: take GPUs that other processes use.
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
    group: Literal["off", "auto"] | Whole = "off"
    slurm: SlurmSpec = SlurmSpec()
    ray: RaySpec = RaySpec()


class FitSpec(_Part):
    """Cuts of the fit, fixed before the sweep is run.

    Attributes:
        min_tokens: points below this horizon are recorded and drawn, not fitted.
        min_params: sizes below this are recorded and drawn, not fitted.
    """

    min_tokens: Count | None = None
    min_params: Count | None = None


class SweepSpec(_Part):
    """One sweep file.

    Attributes:
        schema_version: version of this format, written ``schema: 1``.
        name: the sweep's name; its store is ``runs/NAME``.
        title: one line for the report.
        data, model, train: defaults of every trial; ``model`` holds ``family`` and that family's keys.
        trials: blocks that list the trials.
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    title: str = ""
    data: DataSpec = DataSpec()
    model: dict[str, Scalar] = {"family": DEFAULT_FAMILY}  # pydantic copies defaults
    train: TrainSpec = TrainSpec()
    trials: list[TrialBlock] = Field(min_length=1)
    samples: SamplesSpec = SamplesSpec()
    limits: LimitsSpec = LimitsSpec()
    executor: ExecutorSpec = ExecutorSpec()
    fit: FitSpec = FitSpec()


class DataIdentity(_Part):
    """The corpus as the trial must find it again. Made by ``scaling.data``; part of every trial id.

    Attributes:
        source: what it is called: ``python-stdlib-3.11.7``, ``path``, ``markov`` …
        fingerprint: sha256 of the training tokens in order.
        validation_fingerprint: sha256 of the validation windows.
        tokenizer: ``ascii`` (7-bit corpus, 128 tokens), ``bytes`` (256), or kind and hash: ``bpe-1f2e…``.
        vocab_size: tokens in the vocabulary.
        train_tokens: distinct training tokens available.
        validation_tokens: tokens predicted in one evaluation.
        validation_bytes: bytes those tokens stand for; ``None`` for tokens whose text is not known.
        context: tokens in a window.
        entropy_nats: of a made-up language: the exact conditional entropy of a token, given those before it in a
            window of this context; no model can do better on average.
        validation_entropy_nats: the loss of the language itself on the validation windows.
    """

    source: str
    fingerprint: str
    validation_fingerprint: str
    tokenizer: str
    vocab_size: int
    train_tokens: int
    validation_tokens: int
    validation_bytes: int | None
    context: int
    entropy_nats: float | None = None
    validation_entropy_nats: float | None = None

    def hashed(self) -> dict[str, Any]:
        """Return what identifies the corpus: what only follows from it, such as its entropy, is left out."""
        return self.model_dump(mode="json", exclude={"entropy_nats", "validation_entropy_nats"})


class TrialSpec(_Part):
    """One trial, fully resolved: what its process reads, and the source of its id.

    The id is a hash of ``family``, ``model``, ``data``, ``train``, ``seed`` and ``trainer_version``: everything that
    changes the number. Horizons, label, samples and where the corpus lies are not part of it.

    Attributes:
        label: short name for people, such as ``d64 s1``.
        horizons: tokens at which a point is published, ascending, each a multiple of the batch.
        data_location: how to load the corpus again: the keys of ``DataSpec`` that are not at their default.
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
