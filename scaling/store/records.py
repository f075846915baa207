"""What a trial publishes: points and an end record, as plain frozen data with a JSON form.

The store is the waist of the house: the trial wing writes these, the analysis wing reads them; neither knows the
other. Every figure that can be missing is a ``Reading`` or ``None`` with a reason beside it.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scaling.provenance import Reading

FORMAT = 1  # version of the files in a store
BEST_OF_N = ("n", "kl_nats", "proxy", "gold", "gold_se")  # columns of best-of-n sampling in a point's probes


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One annealed evaluation of a trial at one horizon.

    Attributes:
        trial: trial id.
        tokens: D, tokens seen.
        step: optimizer steps taken.
        tokens_unique: distinct tokens seen, ``tokens`` / ``epochs``; ``None`` where a command told none.
        epochs: passes over the training data; ``None`` likewise.
        flops_train: exact training FLOPs to this horizon (causal attention as half).
        flops_train_full_attention: with full attention; ``None`` for a command.
        flops_6nd: six x total parameters x tokens.
        loss_nats: mean loss on the fixed validation set, in ``loss_unit``.
        loss_se_nats: its sampling standard error over validation windows (common to all trials of a sweep).
        bpb: bits per byte of the validation text; ``None`` for tokens whose text is not known. This and the error
            are ``None`` where a command told none.
        anneal: ``average`` or ``cooldown``.
        train_s: seconds of training steps up to this horizon, evaluations left out.
        energy_gpu_j: joules of the trial's GPUs in training up to this horizon.
        validation_fingerprint: sha256 of the validation windows.
        probes: what was measured of the same weights beside the loss: plain JSON by the probe's name.
        objective: what the model is trained on, in words.
        loss_unit: of the losses; those in other units do not compare.
        metrics: what the family measures beside the loss on the same validation set: numbers, or one for each place.
    """

    trial: str
    tokens: int
    step: int
    tokens_unique: int | None
    epochs: float | None
    flops_train: float
    flops_train_full_attention: float | None
    flops_6nd: float
    loss_nats: float
    loss_se_nats: float | None
    bpb: float | None
    anneal: str
    train_s: float
    energy_gpu_j: Reading
    validation_fingerprint: str
    probes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    objective: str = "next token"
    loss_unit: str = "nats per token"
    metrics: Mapping[str, float | list[float]] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyWindow:
    """The part of training that throughput is read from: after warm-up, evaluations left out.

    Attributes:
        step_first: first step inside.
        step_last: last step inside.
        seconds: seconds of those steps.
        tokens_per_s: tokens of those steps over ``seconds``; ``None`` when fewer than 8 steps were left.
        reason: why it is missing.
    """

    step_first: int
    step_last: int
    seconds: float
    tokens_per_s: float | None
    reason: str | None = None

    def unless(self, reason: str | None) -> "SteadyWindow":
        """Return it without its throughput where there is a reason against it."""
        return self if reason is None else replace(self, tokens_per_s=None, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyEnergy:
    """What a token of steady training costs a GPU: warm-up, compilation and evaluation left out.

    Attributes:
        energy_per_token_j: joules of the board per trained token.
        energy_j: joules of the window.
        seconds: its length; 20 s or more where the counter is trusted.
        tokens: tokens trained in it.
        replayed: the trial's own steady training was shorter, so one step was trained again and again, once for all
            trials of this shape.
        codecarbon_j: the board through codecarbon over the whole trial.
        counter_j: our own reading of the counter over the same stretch.
        notes: what a reader should know: throttling, a shared board, a difference above 2 %.
    """

    energy_per_token_j: Reading
    energy_j: Reading
    seconds: float
    tokens: int
    replayed: bool
    codecarbon_j: Reading
    counter_j: Reading
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Utilisation:
    """Model FLOPs utilisation against two peaks, or why there is none.

    Attributes:
        mfu: achieved over the data sheet's dense peak, between 0 and 1; ``None`` when unknown or above 1.
        flops_convention: the count both use (``flops_train``: causal attention as half).
        peak_flops_per_s: the peak of the data sheet.
        peak_source: ``data_sheet:NAME``.
        reason: why ``mfu`` is missing.
        mfu_measured: achieved over the best matrix product measured on this device, as ``mfu``.
        peak_measured_flops_per_s: that rate, in the precision used.
        peak_measured_source: ``measured_matmul:DATE``.
        reason_measured: why ``mfu_measured`` is missing.
        fault: one of the two came out above 1: a count or a peak is wrong, and the run says so.
    """

    mfu: float | None
    flops_convention: str
    peak_flops_per_s: float | None
    peak_source: str | None
    reason: str | None = None
    mfu_measured: float | None = None
    peak_measured_flops_per_s: float | None = None
    peak_measured_source: str | None = None
    reason_measured: str | None = None
    fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the final weights made of a prompt.

    Attributes:
        prompt: what was given.
        text: text that continues it; of a picture, what can be seen in it.
        picture: a PNG file in base64, of a model that draws.
    """

    prompt: str
    text: str
    picture: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndRecord:
    """How a trial ended, with everything that belongs to the whole run.

    Attributes:
        trial: trial id.
        state: ``done`` or ``diverged`` (a result: kept, drawn, left out of fits).
        reason: for ``diverged``, the first bad step and what was seen.
        tokens: tokens reached.
        params_total, params_non_embedding, params_matmul, param_groups: exact; of a command as told or ``None``.
        params_active: parameters that work on one token; ``None`` of a command.
        flops_per_token: ``train``, ``train_full_attention``, ``rough_6n``, ``forward``.
        steady: throughput window.
        utilisation: MFU.
        memory_peak_bytes: ``host_rss``, before there was a model ``host_rss_before``, and on a GPU ``device``.
        memory_predicted_bytes: prediction by component.
        energy_gpu_j, energy_cpu_j, energy_ram_j: joules of the whole trial, by component.
        power_idle_w: GPU power before the trial.
        energy_steady: joules per token of steady training on a GPU, or ``None`` without one.
        seconds: by phase: ``total``, ``start`` (from the start of the process), ``compile``, ``train``, ``data_wait``
            (part of ``train``), ``evaluate``, ``replay``, ``samples``, ``save``.
        environment: hardware, versions, threads, git state, host.
        samples: generated text or pictures.
        weights: file name in the trial's folder and its sha256, or ``None``.
        resumed_from_step: step of the checkpoint this attempt began from; 0 for a fresh start.
        micro_batches: pieces that a step was trained in: more than one where GPU memory ran out (same global batch).
    """

    trial: str
    state: str
    reason: str | None
    tokens: int
    params_total: int
    params_non_embedding: int | None
    params_matmul: int | None
    param_groups: Mapping[str, int]
    flops_per_token: Mapping[str, float]
    steady: SteadyWindow
    utilisation: Utilisation
    memory_peak_bytes: Mapping[str, float | None]
    memory_predicted_bytes: Mapping[str, float]
    energy_gpu_j: Reading
    energy_cpu_j: Reading
    energy_ram_j: Reading
    power_idle_w: Reading
    seconds: Mapping[str, float]
    environment: Mapping[str, Any]
    energy_steady: SteadyEnergy | None = None
    samples: tuple[Sample, ...] = ()
    weights: Mapping[str, str] | None = None
    resumed_from_step: int = 0
    micro_batches: int = 1
    params_active: int | None = None
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveLine:
    """One line of ``curve.jsonl``: training as it went, before any annealing.

    Attributes:
        step: optimizer step, from 1.
        tokens: tokens seen.
        loss_nats: mean training loss since the previous line.
        lr_scale: factor on the peak learning rates.
        grad_norm: gradient norm before clipping.
        train_s: seconds of training so far.
    """

    step: int
    tokens: int
    loss_nats: float
    lr_scale: float | None
    grad_norm: float | None
    train_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt ended without a result.

    Attributes:
        cause: ``error``, ``killed``, ``host_oom``, ``cuda_oom``, ``hang``, ``time_limit``, ``interrupted``.
        message: first line for people.
        exit_code: process exit code, negative for a signal.
        detail: last lines of the log or the traceback.
    """

    cause: str
    message: str
    exit_code: int | None
    detail: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def _plain(value: object) -> object:
    if isinstance(value, Reading):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def to_json(record: Point | EndRecord | CurveLine | Failure) -> dict[str, Any]:
    """Return the JSON form of a record; NaN and infinity are refused by the writer, not hidden here."""
    plain = _plain(record)
    assert isinstance(plain, dict)
    return plain


def point_from_json(data: Mapping[str, Any]) -> Point:
    """Rebuild a point. Raises ``KeyError``/``TypeError``/``ValueError`` on a record that is not one."""
    best_of = data.get("probes", {}).get("preference", {}).get("best_of", {})
    if best_of and len({len(best_of[name]) for name in BEST_OF_N}) > 1:
        raise ValueError("the columns of best_of differ in length")
    return Point(**{**data, "energy_gpu_j": Reading.from_json(data["energy_gpu_j"])})


def end_from_json(data: Mapping[str, Any]) -> EndRecord:
    """Rebuild an end record. Raises ``KeyError``/``TypeError``/``ValueError`` on a record that is not one."""
    readings = ("energy_gpu_j", "energy_cpu_j", "energy_ram_j", "power_idle_w")
    return EndRecord(
        **{
            **data,
            **{name: Reading.from_json(data[name]) for name in readings},
            "steady": SteadyWindow(**data["steady"]),
            "utilisation": Utilisation(**data["utilisation"]),
            "energy_steady": _steady_energy(data.get("energy_steady")),
            "samples": tuple(Sample(**s) for s in data["samples"]),
        }
    )


def _steady_energy(data: Mapping[str, Any] | None) -> SteadyEnergy | None:
    if data is None:
        return None
    readings = ("energy_per_token_j", "energy_j", "codecarbon_j", "counter_j")
    read = {name: Reading.from_json(data[name]) for name in readings}
    return SteadyEnergy(**{**data, **read, "notes": tuple(data["notes"])})


def failure_from_json(data: Mapping[str, Any]) -> Failure:
    """Rebuild a failure."""
    return Failure(**data)
