"""What the fit would complain about later, said before the sweep is paid for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scaling.spec.resolve import PlannedTrial
from scaling.spec.schema import FitSpec, SweepSpec
from scaling.units import format_flops, format_si

MIN_SIZES = 5
MIN_DECADES = 1.5
MIN_HORIZONS = 4
MAX_EPOCHS = 4.0  # Muennighoff et al. 2023 (2305.16264): up to 4 passes are about as good as fresh text
MIN_VALIDATION_TOKENS = 32_768
_RATIO_SPREAD = 1.1  # tokens per parameter that differ by less than this are one ratio


@dataclass(frozen=True, slots=True)
class _Sweep:
    """The points that a fit would see."""

    spec: SweepSpec
    trials: Sequence[PlannedTrial]
    points: Sequence[tuple[int, int]]  # (total parameters, tokens) after the cuts of the fit

    @property
    def sizes(self) -> list[int]:
        return sorted({params for params, _ in self.points})


def design_warnings(spec: SweepSpec, trials: Sequence[PlannedTrial]) -> list[str]:
    """Return what makes this sweep a weak one, each as a sentence with a remedy; empty for a sound one."""
    trials = [trial for trial in trials if trial.spec.stage == "pretrain"]  # what a law is fitted to
    sweep = _Sweep(spec, trials, [point for trial in trials for point in _points(trial, spec.fit)])
    if not sweep.points:
        return ["every point lies below fit.min_tokens or fit.min_params: nothing is left to fit"]
    return [warning for check in _CHECKS if (warning := check(sweep))]


def _points(trial: PlannedTrial, cuts: FitSpec) -> list[tuple[int, int]]:
    if trial.params.total < (cuts.min_params or 0):
        return []
    return [(trial.params.total, tokens) for tokens in trial.spec.horizons if tokens >= (cuts.min_tokens or 0)]


def _few_sizes(sweep: _Sweep) -> str | None:
    number = len(sweep.sizes)
    if number >= MIN_SIZES:
        return None
    return f"{number} size{'s' * (number != 1)}: a law in N needs at least {MIN_SIZES}; add sizes"


def _narrow(sweep: _Sweep) -> str | None:
    decades = math.log10(sweep.sizes[-1] / sweep.sizes[0])
    if decades >= MIN_DECADES:
        return None
    low, high = (format_si(float(n)) for n in (sweep.sizes[0], sweep.sizes[-1]))
    return (
        f"sizes span {decades:.2f} decades ({low} to {high}): exponents need at least {MIN_DECADES}; widen the ladder"
    )


def _no_replicates(sweep: _Sweep) -> str | None:
    shapes = {t.sha256: (tuple(sorted(t.spec.model.items())), t.spec.train) for t in sweep.trials}
    if len(set(map(repr, shapes.values()))) < len(shapes):
        return None
    return "no size has a second seed: seed noise stays unknown; give the small sizes seeds: [0, 1]"


def _one_ratio(sweep: _Sweep) -> str | None:
    ratios = [tokens / params for params, tokens in sweep.points]
    if max(ratios) > _RATIO_SPREAD * min(ratios):
        return None
    middle = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return f"every point has {middle:.3g} tokens per parameter: N and D cannot be told apart; add horizons"


def _few_horizons(sweep: _Sweep) -> str | None:
    if all(block.isoflop is not None for block in sweep.spec.trials):
        return None  # there the budgets give the horizons, and sizes are compared at equal compute
    horizons: dict[int, set[int]] = {}
    for params, tokens in sweep.points:
        horizons.setdefault(params, set()).add(tokens)
    most = max(len(tokens) for tokens in horizons.values())
    if most >= MIN_HORIZONS:
        return None
    return f"at most {most} horizon{'s' * (most != 1)} per size: a law in D needs at least {MIN_HORIZONS}; add horizons"


def _thin_budgets(sweep: _Sweep) -> str | None:
    sizes: dict[float, set[str]] = {}
    for item in sweep.spec.trials:
        if item.isoflop is not None:
            for budget in item.isoflop.budgets:
                sizes.setdefault(budget, set()).update(map(repr, item.isoflop.sizes))
    if not sizes or min(map(len, sizes.values())) >= MIN_SIZES:
        return None
    budget, number = min(((budget, len(at)) for budget, at in sizes.items()), key=lambda pair: pair[1])
    return (
        f"{number} sizes at {format_flops(budget)}: an IsoFLOP profile needs {MIN_SIZES} to show its minimum; add sizes"
    )


def _repeated_data(sweep: _Sweep) -> str | None:
    worst = max(sweep.trials, key=lambda trial: trial.epochs)
    if worst.epochs <= MAX_EPOCHS:
        return None
    return (
        f"{worst.spec.label} passes over its corpus {worst.epochs:.1f} times: beyond {MAX_EPOCHS:g} passes repeated "
        f"text is worth less than new text; give more text or shorter horizons"
    )


def _small_validation(sweep: _Sweep) -> str | None:
    tokens = sweep.trials[0].spec.data.validation_tokens
    if tokens >= MIN_VALIDATION_TOKENS:
        return None
    return (
        f"the validation set has {tokens:,} tokens, fewer than {MIN_VALIDATION_TOKENS:,}: its sampling error may hide "
        f"differences between sizes; give more text or raise data.validation_tokens"
    )


def _short_runs(sweep: _Sweep) -> str | None:
    short = [t for t in sweep.trials if t.spec.horizons[0] // t.spec.train.batch_tokens <= t.spec.train.warmup_steps]
    if not short:
        return None
    steps = short[0].spec.horizons[0] // short[0].spec.train.batch_tokens
    return (
        f"the first horizon of {short[0].spec.label} is {steps} steps, inside the warm-up of "
        f"{short[0].spec.train.warmup_steps}: such points bend the law; lengthen it or lower train.warmup_steps"
    )


_CHECKS: tuple[Callable[[_Sweep], str | None], ...] = (
    _few_sizes,
    _narrow,
    _no_replicates,
    _one_ratio,
    _few_horizons,
    _thin_budgets,
    _repeated_data,
    _small_validation,
    _short_runs,
)
