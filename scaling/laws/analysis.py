"""What the analysis of a sweep yields: fits, frontier, held-out errors, returns. Plain frozen data.

``findings``, the report and the ``fit`` command read this and nothing else of ``laws``.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with its 95 % interval; ``low``/``high`` are ``None`` where no interval can be given."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A point that a fit left out, and by which rule."""

    trial: str
    params: float
    tokens: float
    loss: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One fitted law.

    Attributes:
        name: ``L(N,D)``, ``L(N)``, ``L(D)``, ``L(C)``.
        form: the formula as text, ``E + A/N^alpha + B/D^beta``.
        params: parameter name -> value with interval.
        objective: name, such as ``huber_log(1e-3) sum``.
        objective_value: its minimum.
        gradient_norm: infinity norm of the gradient at the optimum, scaled parameters; small means converged.
        starts: starts tried.
        starts_agreed: starts that reached the optimum within 1e-6 relative.
        converged: the gradient test passed (a solver's own flag is never used).
        n_points: points fitted.
        n_trials: trials they come from (the unit of resampling).
        dropped: points left out, with the rule.
        conventions: ``params``, ``flops``, ``loss_unit``, ``points`` in words.
        residual_rms: root mean square of log residuals.
        interval_method: in words, with the number of resamples.
        draws: parameter draws of the bootstrap, one tuple per resample, in the order of ``params``.
        warnings: assumptions that fail, in prose, each with what to do.
        heldout_error: mean absolute relative error on the trials of the largest compute (on a single trial: its last
            points), left out of a refit; ``None`` when too few are left to fit, or it was not asked for.
        aicc: corrected Akaike criterion, normal errors of one scale in log loss, effective n = trials; ``None`` with
            too few trials.
    """

    name: str
    form: str
    params: dict[str, Interval]
    objective: str
    objective_value: float
    gradient_norm: float
    starts: int
    starts_agreed: int
    converged: bool
    n_points: int
    n_trials: int
    dropped: tuple[Dropped, ...]
    conventions: dict[str, str]
    residual_rms: float
    interval_method: str
    draws: tuple[tuple[float, ...], ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()
    heldout_error: float | None = None
    aicc: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Seen and fitted loss of one point."""

    trial: str
    params: float
    tokens: float
    flops: float
    loss: float
    fitted: float
    log_residual: float
    seed: int
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimumRow:
    """Compute-optimal size, data and loss at one budget, from L(N,D), by exact and by 6ND FLOPs."""

    flops: float
    params: Interval
    tokens: Interval
    tokens_per_param: Interval
    loss: Interval
    extrapolation_factor: float
    flops_convention: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Prediction of points left out of the fit.

    Attributes:
        rule: ``largest size left out with its whole trunk``.
        rows: (trial, params, tokens, loss seen, loss predicted, signed relative error).
        mean_abs_error: mean of |relative error|.
        max_abs_error: maximum.
        naive_mean_abs_error: error of "same loss as the next smaller size at the same tokens".
        extrapolation_factor: largest left-out FLOPs over largest fitted FLOPs.
    """

    rule: str
    rows: tuple[tuple[str, float, float, float, float, float], ...]
    mean_abs_error: float
    max_abs_error: float
    naive_mean_abs_error: float
    extrapolation_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnsRow:
    """Diminishing returns at one compute on the compute-optimal path.

    Attributes:
        flops: compute.
        loss: predicted loss.
        local_exponent: -d ln(L - E) / d ln C.
        gain_per_doubling_nats: loss bought by the next doubling of compute.
        factor_next_percent: compute factor for the next 1 % of loss; ``None`` when E forbids it.
        factor_next_001_nat: compute factor for the next 0.01 nat; ``None`` when E forbids it.
        gain_per_cost_nats: loss bought by the next unit of money at the price given; ``None`` without a price.
    """

    flops: float
    loss: Interval
    local_exponent: Interval
    gain_per_doubling_nats: Interval
    factor_next_percent: float | None
    factor_next_001_nat: float | None
    gain_per_cost_nats: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a user pays for compute and would pay for loss. A power law has no knee: this price is where it ends.

    Attributes:
        cost_per_flop: money for one training FLOP.
        nat_worth: money that one nat per token less is worth.
    """

    cost_per_flop: float
    nat_worth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRow:
    """The compute from which more of it no longer pays, by one rule.

    Attributes:
        rule: ``seed noise``, ``one percent`` or ``price``.
        threshold: in words, with its number.
        flops: compute where the gain falls to the threshold, with its interval; ``None`` when it lies beyond reach.
        params, tokens, loss: the best split there.
        extrapolation_factor: that compute over the largest fitted one.
        reason: why there is none.
    """

    rule: str
    threshold: str
    flops: Interval | None = None
    params: Interval | None = None
    tokens: Interval | None = None
    loss: Interval | None = None
    extrapolation_factor: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What one approach says about one budget.

    Attributes:
        flops: training compute.
        params, tokens, tokens_per_param: compute-optimal, with 95 % intervals.
        loss: loss at the optimum; ``None`` where too few optima were found to extrapolate it.
        extrapolation_factor: budget over the largest compute of the points.
    """

    flops: float
    params: Interval
    tokens: Interval
    tokens_per_param: Interval
    loss: Interval | None
    extrapolation_factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """One approach to the compute-optimal split under one convention of FLOPs.

    Attributes:
        name: ``1 envelope``, ``2 IsoFLOP`` or ``3 parametric``.
        flops_convention: ``exact training FLOPs`` or ``6ND``.
        a, b: exponents of N*(C) and D*(C), 95 % intervals; ``None`` when the approach is refused.
        rows: N*, D* and L* at each budget asked for.
        reason: why the approach is refused.
        warnings: what biases it, in prose.
        interval_method: in words.
        bias: of approach 2 only: relative error of D* at the largest budget were the fitted L(N,D) the truth.
    """

    name: str
    flops_convention: str
    a: Interval | None = None
    b: Interval | None = None
    rows: tuple[Allocation, ...] = ()
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    interval_method: str = ""
    bias: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormRow:
    """One form of the loss against size and data, judged.

    Attributes:
        name: ``L(N,D)``, the same with a constraint, or ``Kaplan's joint law``.
        form: the formula.
        free: parameters fitted.
        params: parameter -> value.
        heldout_error: mean absolute relative error on the trials of the largest compute, left out of the fit.
        aicc: corrected Akaike criterion.
    """

    name: str
    form: str
    free: int
    params: dict[str, float]
    heldout_error: float | None
    aicc: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormChoice:
    """Which form the data prefer: held-out error first, AICc where that does not decide.

    Attributes:
        rows: every form tried.
        favours: name of the preferred one; ``L(N,D)`` where nothing tells them apart.
        decided: whether the data tell them apart.
        why: in words.
    """

    rows: tuple[FormRow, ...]
    favours: str
    decided: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedNoise:
    """Spread of the loss over seeds of one size at one horizon."""

    params: float
    tokens: float
    n_seeds: int
    std_log: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow:
    """L(N,D) under another choice.

    Attributes:
        choice: ``objective`` or ``highest losses left out``.
        variant: the objective's name, or how many points were left out.
        n_points: points fitted.
        E, alpha, beta: parameters.
        a: exponent of the optimal size, ``beta / (alpha + beta)``; ``None`` when both are zero.
        objective_value: minimum of that objective.
        converged: its gradient vanishes.
    """

    choice: str
    variant: str
    n_points: int
    E: float
    alpha: float
    beta: float
    a: float | None
    objective_value: float
    converged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorTest:
    """Is there a floor? L(N,D) with E >= 0 against the same law with E = 0.

    Attributes:
        heldout_with, heldout_without: mean absolute relative error on the trials of the largest compute, left out of
            both fits; ``None`` where too few are left to fit.
        aicc_with, aicc_without: AICc under normal errors of one scale in log loss, effective n = trials; ``None``
            with too few trials.
        p_no_floor: p-value of E = 0 by profile likelihood, the boundary counted; ``None`` with too few trials.
        favours: ``floor``, ``no floor`` or ``undecided``: held-out error first, AICc where it does not decide.
        why: that judgement in words.
    """

    heldout_with: float | None
    heldout_without: float | None
    aicc_with: float | None
    aicc_without: float | None
    p_no_floor: float | None
    favours: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollOut:
    """Trials up to one compute fitted, the rest predicted.

    Attributes:
        cut_flops: largest compute fitted.
        extrapolation_factor: largest predicted over largest fitted compute.
        n_fitted, n_predicted: points.
        n_trials: trials fitted.
        mean_abs_error: mean of |relative error| of the predicted points.
        max_abs_error: maximum.
        level: of the prediction intervals, such as 0.9.
        coverage: share of predicted points inside them.
        stretch: factor by which the intervals' half-widths would have had to grow to hold ``level`` of the points;
            below 1 when they were wider than needed.
    """

    cut_flops: float
    extrapolation_factor: float
    n_fitted: int
    n_predicted: int
    n_trials: int
    mean_abs_error: float
    max_abs_error: float
    level: float
    coverage: float
    stretch: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything the analysis of one sweep found, or why a part is missing.

    ``missing`` maps the name of a part (``L(N,D)``, ``frontier``, ``heldout``, …) to the reason it is absent.
    """

    fits: dict[str, Fit]
    residuals: tuple[Residual, ...]
    frontier: tuple[OptimumRow, ...]
    heldout: HeldOut | None
    returns: tuple[ReturnsRow, ...]
    seed_noise: tuple[SeedNoise, ...]
    missing: dict[str, str]
    notes: tuple[str, ...] = ()
    sensitivity: tuple[SensitivityRow, ...] = ()
    floor: FloorTest | None = None
    profile: dict[str, Interval] = field(default_factory=dict)
    rollouts: tuple[RollOut, ...] = ()
    approaches: tuple[Approach, ...] = ()
    choice: FormChoice | None = None
    stops: tuple[StopRow, ...] = ()
