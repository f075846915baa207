"""What a trial will take on this machine: seconds and joules from a calibration, or nothing and the reason.

The seconds of a step are a sum of costs, fitted with non-negative weights to the shapes that the calibration timed: a
fixed cost, one per block, memory traffic (the activations that training keeps), floating-point work, the optimizer's
pass over the parameters, and Muon's iteration. What the sum misses at a timed shape corrects the shapes near it.
Without a calibration nothing is guessed.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.families import Recipe, get_family
from scaling.spec import PlannedTrial
from scaling.store.calibration import Calibration, StepTiming

UNCALIBRATED = "uncalibrated"
_NEWTON_SCHULZ_ITERATIONS = 4  # as in training.optim


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predicted time and energy of one trial, or of several one after another.

    Attributes:
        seconds: the whole trial: start, training steps and evaluations; samples come on top.
        train_s: training steps alone.
        seconds_reason: why both are missing.
        energy_j: of the calibrated device alone, over ``train_s``.
        energy_reason: why it is missing.
    """

    seconds: float | None
    train_s: float | None
    seconds_reason: str | None
    energy_j: float | None
    energy_reason: str | None

    @classmethod
    def missing(cls, reason: str) -> "Forecast":
        """Return a forecast without figures."""
        return cls(seconds=None, train_s=None, seconds_reason=reason, energy_j=None, energy_reason=reason)


class StepModel:
    """Seconds of a step and of an evaluated token for any shape of the calibrated family.

    Args:
        calibration: with at least one timing.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._timings = calibration.steps
        self._step = _fit([_costs(t) for t in self._timings], [t.step_s for t in self._timings])
        evaluated = [t.evaluate_s_per_token for t in self._timings]
        self._evaluate = _fit([_evaluation_costs(t) for t in self._timings], evaluated)

    def why_not(self, shape: StepTiming) -> str | None:
        """Return why a shape is beyond the calibration; ``None`` when it is not."""
        for name in ("family", "optimizer", "precision", "compile"):
            wanted = getattr(shape, name)
            if all(getattr(t, name) != wanted for t in self._timings):
                return f"not calibrated for {name} {wanted}"
        return None

    def step_s(self, shape: StepTiming) -> float:
        """Return the seconds of an optimizer step."""
        known = [math.log(t.step_s / _sum(self._step, _costs(t))) for t in self._timings]
        return _sum(self._step, _costs(shape)) * math.exp(self._near(shape, known))

    def evaluate_s_per_token(self, shape: StepTiming) -> float:
        """Return the seconds of one evaluated token."""
        known = [math.log(t.evaluate_s_per_token / _sum(self._evaluate, _evaluation_costs(t))) for t in self._timings]
        return _sum(self._evaluate, _evaluation_costs(shape)) * math.exp(self._near(shape, known))

    def _near(self, shape: StepTiming, known: Sequence[float]) -> float:
        """Interpolate what the sum misses (in logarithms) by inverse squared distance; nothing far from all."""
        distance = np.asarray([_distance(shape, t) for t in self._timings])
        weight = 1 / (distance**2 + 1e-6)
        return float(weight @ np.asarray(known) / (weight.sum() + 1.0))


def _sum(weights: NDArray[np.float64], costs: Sequence[float]) -> float:
    return float(weights @ np.asarray(costs))


def _fit(rows: Sequence[Sequence[float]], seconds: Sequence[float]) -> NDArray[np.float64]:
    """Least squares of relative errors with weights that are never negative."""
    from scipy.optimize import nnls  # only a calibrated plan pays for its import

    relative = np.asarray(rows, dtype=float) / np.asarray(seconds)[:, None]
    scale = np.maximum(relative.max(axis=0), 1e-300)
    weights, _ = nnls(relative / scale, np.ones(len(seconds)))
    result: NDArray[np.float64] = weights / scale
    return result


def _costs(shape: StepTiming) -> tuple[float, ...]:
    """What a step costs; models trained together start each kernel once and share nothing else."""
    family = get_family(shape.family)
    config = family.build_config(shape.model, shape.vocab_size, shape.context)
    traffic = family.memory_bytes(config, Recipe(batch_tokens=shape.batch_tokens, precision=shape.precision))
    muon = shape.optimizer == "muon"
    blocks = float(getattr(config, "n_layer", 1))
    return (
        1.0,
        blocks,
        traffic["activations"] * shape.members,
        family.flops_per_token(config).train_full_attention * shape.batch_tokens * shape.members,
        float(family.params(config).total * shape.members),
        blocks * muon,
        _newton_schulz_flops(config.d_model, config.d_ff) * blocks * muon * shape.members,
    )


def _newton_schulz_flops(d_model: int, d_ff: int) -> float:
    """FLOPs of Muon's iteration for one block: per matrix ``(r, c)``, two products with it and one of ``r^3``."""
    small, large = min(d_model, d_ff), max(d_model, d_ff)
    matrices = ((d_model, d_model),) * 4 + ((small, large),) * 2
    return float(_NEWTON_SCHULZ_ITERATIONS * sum(4 * r * r * c + 2 * r * r * r for r, c in matrices))


def _evaluation_costs(shape: StepTiming) -> tuple[float, ...]:
    family = get_family(shape.family)
    config = family.build_config(shape.model, shape.vocab_size, shape.context)
    kept = family.memory_bytes(config, Recipe(batch_tokens=shape.context))["activations"]
    scores = float(config.n_layer * config.n_head * shape.context)
    return (1.0, kept / shape.context, family.flops_per_token(config).forward, scores)


def _distance(a: StepTiming, b: StepTiming) -> float:
    """How far two shapes lie apart: in e-folds of width, depth, window, batch, members; one more for another recipe."""
    sizes = [float(a.model[k]) / float(b.model[k]) for k in ("d_model", "n_layer")]
    sizes += [a.context / b.context, a.batch_tokens / b.batch_tokens, a.members / b.members]
    others: int = sum(getattr(a, k) != getattr(b, k) for k in ("optimizer", "precision", "compile"))
    return math.hypot(*map(math.log, sizes)) + others


def shape_of(trial: PlannedTrial, members: int = 1) -> StepTiming:
    """Return a planned trial, one of so many trained together, as a shape whose seconds are not known."""
    spec = trial.spec
    return StepTiming(
        family=spec.family,
        model=spec.model,
        vocab_size=spec.data.vocab_size,
        context=spec.data.context,
        batch_tokens=spec.train.batch_tokens,
        optimizer=spec.train.optimizer,
        precision=spec.train.precision,
        compile=spec.train.compile,
        step_s=math.nan,
        evaluate_s_per_token=math.nan,
        members=members,
    )


def forecast(trial: PlannedTrial, calibration: Calibration | None) -> Forecast:
    """Predict one trial. Without a calibration both figures are ``None``, reason ``uncalibrated``."""
    return forecasts([trial], calibration)[0]


def forecasts(
    trials: Sequence[PlannedTrial], calibration: Calibration | None, members: Mapping[str, int] | None = None
) -> list[Forecast]:
    """Predict several trials with one model of the device.

    Args:
        trials: what is planned.
        calibration: of the device that will run it.
        members: by trial id, of how many trained together it is one; each has an even share of their time.
    """
    if calibration is None:
        return [Forecast.missing(UNCALIBRATED) for _ in trials]
    model = StepModel(calibration)
    return [_forecast(trial, calibration, model, (members or {}).get(trial.id, 1)) for trial in trials]


def _forecast(trial: PlannedTrial, calibration: Calibration, model: StepModel, members: int) -> Forecast:
    shape = shape_of(trial, members)
    reason = model.why_not(shape)
    if reason is not None:
        return Forecast.missing(reason)
    train_s = _steps(trial) * model.step_s(shape) / members * _work(trial)
    evaluated = len(trial.spec.horizons) * trial.spec.data.validation_tokens
    power = calibration.power_w
    return Forecast(
        seconds=calibration.start_s / members + train_s + evaluated * model.evaluate_s_per_token(shape),
        train_s=train_s,
        seconds_reason=None,
        energy_j=None if power.value is None else train_s * power.value,
        energy_reason=power.reason if power.value is None else None,
    )


def _work(trial: PlannedTrial) -> float:
    """Return the FLOPs of a step over those of training on its tokens: more where answers are sampled and judged."""
    return trial.flops_total / (trial.flops_per_token.train * trial.tokens)


def _steps(trial: PlannedTrial) -> int:
    """Steps of the trunk, and of the cooldown branches that leave it."""
    train, steps = trial.spec.train, trial.steps
    if train.anneal == "cooldown":
        horizons = [tokens // train.batch_tokens for tokens in trial.spec.horizons]
        branches = [max(1, math.ceil(h * train.cooldown_share)) for h in horizons]
        steps += sum(branches[:-1])  # the last branch ends where the trunk would
    return steps


def total(forecasts: Iterable[Forecast]) -> Forecast:
    """Add forecasts up; a figure that one of them lacks is missing in the sum, with that reason."""
    forecasts = list(forecasts)
    seconds, seconds_reason = _total([(f.seconds, f.seconds_reason) for f in forecasts])
    train_s, _ = _total([(f.train_s, f.seconds_reason) for f in forecasts])
    energy_j, energy_reason = _total([(f.energy_j, f.energy_reason) for f in forecasts])
    return Forecast(
        seconds=seconds,
        train_s=train_s,
        seconds_reason=seconds_reason,
        energy_j=energy_j,
        energy_reason=energy_reason,
    )


def _total(figures: list[tuple[float | None, str | None]]) -> tuple[float | None, str | None]:
    values = [value for value, _ in figures if value is not None]
    if len(values) == len(figures):
        return math.fsum(values), None
    return None, next(reason for value, reason in figures if value is None)


def makespan_s(forecasts: Sequence[Forecast], slots: int) -> float | None:
    """Return the seconds until the last of the trials ends, started in this order on so many slots.

    Returns:
        ``None`` when one of them has no forecast, or they run where there are no slots of this machine.
    """
    if slots < 1:
        return None
    free = [0.0] * min(slots, max(len(forecasts), 1))
    for predicted in forecasts:
        if predicted.seconds is None:
            return None
        heapq.heapreplace(free, free[0] + predicted.seconds)
    return max(free)
