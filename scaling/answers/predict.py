"""What a budget or a run will reach, by L(N,D): never without its interval, and not beyond 100x the fitted compute."""

import math
from dataclasses import dataclass

import numpy as np

from scaling.answers.analysed import Law
from scaling.errors import NotEnoughData
from scaling.laws.analysis import Interval
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array
from scaling.laws.frontier import MAX_EXTRAPOLATION, Surface, best_split
from scaling.laws.prediction import predict_loss
from scaling.laws.rollout import stretch_needed
from scaling.units import format_flops, format_si

_FAR = 10.0  # times the fitted range of N or D from which a prediction says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the law says of one budget or one run.

    Attributes:
        optimal: whether N and D are the best split of the budget, or were given.
        flops: training compute.
        params, tokens, tokens_per_param: N, D and D/N; without intervals where they were given.
        loss: loss by the law, in its unit, with the interval of the law itself.
        loss_of_run: the same value with the interval that one further run falls into.
        stretch: factor on that interval's half-widths: what roll-outs of the same data needed this far out.
        residual_rms: how far single runs lie from the law in the fitted points, relative.
        extrapolation_factor: compute over the largest fitted compute.
        params_factor, tokens_factor: N and D over the largest fitted ones.
        flops_convention: how FLOPs are counted, in words.
        largest_flops: largest fitted compute, in that convention.
        warnings: what a reader must know before using it.
    """

    optimal: bool
    flops: float
    params: Interval
    tokens: Interval
    tokens_per_param: Interval
    loss: Interval
    loss_of_run: Interval
    stretch: float
    residual_rms: float
    extrapolation_factor: float
    params_factor: float
    tokens_factor: float
    flops_convention: str
    largest_flops: float
    warnings: tuple[str, ...]


def predict_budget(law: Law, flops: float, *, extrapolate: bool = False) -> Prediction:
    """Return the best size, data and loss for a compute budget.

    Args:
        law: L(N,D) of a store.
        flops: the budget, in the law's convention of FLOPs.
        extrapolate: answer beyond 100x the largest fitted compute too.

    Raises:
        NotEnoughData: the budget is beyond reach, or the law has no best split.
    """
    _refuse_too_far(law, flops, extrapolate, f"--flops {_floor(MAX_EXTRAPOLATION * law.largest)}")
    found = best_split(Surface.of(law.fit), np.array([flops]), law.flops)
    if not np.isfinite(found.params[0, 0]):
        raise NotEnoughData(
            "predict.no_optimum",
            "the fitted L(N,D) does not fall with both N and D, so no split of a budget is best",
            where=law.name,
            hint="predict one run instead: --params N --tokens D; or add sizes and horizons",
        )
    return _prediction(law, flops, found.params[:, 0], found.tokens[:, 0], found.loss[:, 0], optimal=True)


def predict_run(law: Law, params: float, tokens: float, *, extrapolate: bool = False) -> Prediction:
    """Return the loss of one run of a given size and number of tokens.

    Raises:
        NotEnoughData: its compute is beyond reach.
    """
    per_token = float(np.exp(law.flops.log_value(np.array([math.log(params)])))[0])
    flops = per_token * tokens
    reach = _floor(MAX_EXTRAPOLATION * law.largest / per_token)
    _refuse_too_far(law, flops, extrapolate, f"--params {params:g} --tokens {reach}")
    surface = Surface.of(law.fit)
    loss = surface.loss(np.array([[params]]), np.array([[tokens]]))[:, 0]
    n, d = np.array([params]), np.array([tokens])
    return _prediction(law, flops, n, d, loss, optimal=False)


def _prediction(law: Law, flops: float, n: Array, d: Array, loss: Array, *, optimal: bool) -> Prediction:
    """Return a prediction from its draws; row 0 is the point fit."""
    params, tokens = _spread(n), _spread(d)
    stretch = stretch_needed(law.rollouts, flops / law.largest)
    factors = (params.value / float(law.params.max()), tokens.value / float(law.tokens.max()))
    return Prediction(
        optimal=optimal,
        flops=flops,
        params=params,
        tokens=tokens,
        tokens_per_param=_spread(d / n),
        loss=_spread(loss),
        loss_of_run=predict_loss(law.fit, [params.value], [tokens.value], stretch=stretch)[0],
        stretch=stretch,
        residual_rms=law.fit.residual_rms,
        extrapolation_factor=flops / law.largest,
        params_factor=factors[0],
        tokens_factor=factors[1],
        flops_convention=law.convention,
        largest_flops=law.largest,
        warnings=tuple(_warnings(law, flops, params.value, tokens.value)),
    )


def _warnings(law: Law, flops: float, params: float, tokens: float) -> list[str]:
    found = []
    if flops > MAX_EXTRAPOLATION * law.largest:
        found.append(
            f"{flops / law.largest:.3g}x the largest fitted compute: nothing checks the law that far, and its interval "
            "only tells how well the data fix the parameters, not whether the form holds."
        )
    if flops < law.smallest:
        found.append(f"Below the smallest fitted compute, {format_flops(law.smallest)}: laws bend there.")
    for name, value, seen in (("parameters", params, law.params), ("tokens", tokens, law.tokens)):
        low, high = float(seen.min()), float(seen.max())
        if not low / _FAR <= value <= high * _FAR:
            span = f"{format_si(low)} to {format_si(high)}"
            found.append(f"{format_si(value)} {name} lie far outside the fitted {span}.")
    return [*found, *(f"{law.fit.name}: {text}" for text in law.fit.warnings)]


def _refuse_too_far(law: Law, flops: float, extrapolate: bool, nearest: str) -> None:
    factor = flops / law.largest
    if factor <= MAX_EXTRAPOLATION * (1 + 1e-9) or extrapolate:
        return
    raise NotEnoughData(
        "predict.too_far",
        f"{format_flops(flops)} is {factor:.3g}x the largest fitted compute, {format_flops(law.largest)}",
        where=law.name,
        why=f"beyond {MAX_EXTRAPOLATION:g}x no part of the data checks the law, and its interval would look too sure",
        hint=f"the nearest that can be answered is {nearest}; train larger trials, or take the risk with --extrapolate",
    )


def _floor(value: float) -> str:
    """Return a number in three digits that is not above the value."""
    exponent = math.floor(math.log10(value))
    return f"{math.floor(value / 10.0 ** (exponent - 2) * (1 + 1e-12)) / 100:g}e{exponent}"


def _spread(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])
