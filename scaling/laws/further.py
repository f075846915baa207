"""Forms beyond a sum of power terms, each as the record that every fit is: Kaplan's joint law, repeated data, breaks.

So they print, export and compare like L(N,D), with the same held-out error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.errors import NotEnoughData, UsageError
from scaling.laws import merit
from scaling.laws.analysis import Fit, Interval
from scaling.laws.broken import BrokenLaw, fit_broken
from scaling.laws.choice import JOINT_FORM
from scaling.laws.curves import Curve, compute_curve, data_curve, envelope_weights, size_curve
from scaling.laws.fit import Sample
from scaling.laws.forms import Array
from scaling.laws.joint import JointLaw, fit_joint, joint_loss
from scaling.laws.repeated import RepeatedFit, fit_repeated, repeated_loss, usable
from scaling.laws.robust import DELTA
from scaling.laws.selection import Selection, conventions_of
from scaling.laws.surface import surface_sample

REPEATED_FORM = "E + A/N'^alpha + B/D'^beta, alpha = beta; N', D' worn by R_N*, R_D* (Muennighoff et al. 2023)"
_CONVERGED = 1e-2  # share of the residuals' pull that may be left at an optimum
_BROKEN_DELTA = 0.01
_AXES: Mapping[str, tuple[str, Callable[[pd.DataFrame], Curve]]] = MappingProxyType(
    {"params": ("N", size_curve), "tokens": ("D", data_curve), "flops": ("C", compute_curve)}
)
AXES = tuple(_AXES)

Rows = NDArray[np.bool_]


class _Found(Protocol):
    """What the answers of all three have in common."""

    @property
    def objective_value(self) -> float: ...
    @property
    def gradient_norm(self) -> float: ...
    @property
    def starts(self) -> int: ...
    @property
    def starts_agreed(self) -> int: ...
    @property
    def interval_method(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Form:
    """One form fitted to some points: its formula, the answer, its parameters, and its loss at given rows."""

    name: str
    text: str
    delta: float
    found: _Found
    params: dict[str, Interval]
    predict: Callable[[Rows], Array]
    warnings: tuple[str, ...] = ()


def fit_form(
    form: str, selection: Selection, *, axis: str = "params", breaks: int = 1, resamples: int = 100, seed: int = 0
) -> Fit:
    """Fit a further form to the selected points.

    Args:
        form: ``joint``, ``repeated`` or ``broken``.
        selection: the points; for ``repeated`` with ``tokens_unique``.
        axis: of ``broken``: ``params`` (at the largest shared horizon), ``tokens`` (of the largest size) or ``flops``
            (the lower envelope).
        breaks: of ``broken``, 0 to 3.
        resamples: bootstrap resamples by trial; 0 for no intervals.
        seed: of the resampling.

    Raises:
        UsageError: no such form or axis.
        NotEnoughData: the points are too few, or hold no repeated text.
    """
    if form not in FORMS:
        raise UsageError("laws.form", f"{form!r} is no form", hint=f"one of {', '.join(FORMS)}")
    if axis not in _AXES:
        raise UsageError("laws.axis", f"{axis!r} is no axis", hint=f"one of {', '.join(AXES)}")
    return FORMS[form](_Request(selection, resamples, seed, axis, breaks))


@dataclass(frozen=True, slots=True)
class _Request:
    selection: Selection
    resamples: int
    seed: int
    axis: str
    breaks: int

    def sample(self, used: pd.DataFrame) -> Sample:
        return surface_sample(used, conventions_of(self.selection), self.selection.dropped)

    def fit(self, sample: Sample, compute: Array, fitted: Callable[[Rows, int], _Form]) -> Fit:
        """Fit all points, and once more without those of the largest compute.

        Args:
            sample: the points.
            compute: what orders them.
            fitted: fits some rows with a number of resamples.
        """
        everything = np.ones(len(sample.losses), dtype=bool)
        form, held = fitted(everything, self.resamples), merit.largest(sample, compute)
        residual = np.log(form.predict(everything) / sample.losses)
        return Fit(
            name=form.name,
            form=form.text,
            params=form.params,
            objective=f"huber_log({form.delta:g}) sum",
            objective_value=form.found.objective_value,
            gradient_norm=form.found.gradient_norm,
            starts=form.found.starts,
            starts_agreed=form.found.starts_agreed,
            converged=form.found.gradient_norm < _CONVERGED,
            n_points=len(sample.losses),
            n_trials=len(np.unique(sample.trials)),
            dropped=sample.dropped,
            conventions=sample.conventions,
            residual_rms=float(np.sqrt(np.mean(residual**2))),
            interval_method=form.found.interval_method,
            warnings=form.warnings,
            heldout_error=_heldout(sample, held, fitted),
        )


def _heldout(sample: Sample, held: Rows, fitted: Callable[[Rows, int], _Form]) -> float | None:
    try:
        predicted = fitted(~held, 0).predict(held)
    except NotEnoughData:
        return None
    return float(np.abs(predicted / sample.losses[held] - 1).mean())


def _joint(request: _Request) -> Fit:
    used = request.selection.used
    sample = request.sample(used)
    (n, d), loss = sample.variables.T, sample.losses

    def fitted(rows: Rows, resamples: int) -> _Form:
        law: JointLaw = fit_joint(
            n[rows], d[rows], loss[rows], sample.trials[rows], resamples=resamples, seed=request.seed
        )
        alpha_n, alpha_d, n_c, d_c = (p.value for p in law.params.values())
        return _Form(
            name="L(N,D) joint",
            text=f"{JOINT_FORM} (Kaplan et al. 2020, eq. 1.5)",
            delta=DELTA,
            found=law,
            params=law.params,
            predict=lambda asked: joint_loss(alpha_n, alpha_d, n_c, d_c, n[asked], d[asked]),
        )

    return request.fit(sample, used["flops_train"].to_numpy(dtype=float), fitted)


def _repeated(request: _Request) -> Fit:
    used = request.selection.used
    if "tokens_unique" not in used or used["tokens_unique"].isna().any():
        raise NotEnoughData(
            "laws.no_unique_tokens",
            "the points do not tell their unique tokens, so repetition cannot be told from fresh text",
            hint="add the column: --column tokens_unique=NAME",
        )
    columns = ("params", "tokens", "tokens_unique", "loss_nats")
    kept, left = usable(*(used[c].to_numpy(dtype=float) for c in columns))
    used = used[kept].reset_index(drop=True)
    sample = request.sample(used)
    n, d, u, loss = (used[c].to_numpy(dtype=float) for c in columns)
    outside = tuple(f"{count} points left out: {rule}." for rule, count in left.items() if count)

    def fitted(rows: Rows, resamples: int) -> _Form:
        law: RepeatedFit = fit_repeated(
            n[rows], d[rows], u[rows], loss[rows], sample.trials[rows], resamples=resamples, seed=request.seed
        )
        if law.data_decay is None or law.params_decay is None:
            raise NotEnoughData("laws.too_few_points", f"the data-constrained law cannot be fitted: {law.reason}")
        data, excess = law.data_decay, law.params_decay
        return _Form(
            name="L(N,D,U)",
            text=REPEATED_FORM,
            delta=DELTA,
            found=law,
            params={**{k: Interval(value=v) for k, v in law.law.items()}, "R_D*": data, "R_N*": excess},
            predict=lambda asked: repeated_loss(law.law, n[asked], d[asked], u[asked], data.value, excess.value),
            warnings=(*law.warnings, *outside),
        )

    return request.fit(sample, used["flops_train"].to_numpy(dtype=float), fitted)


def _broken(request: _Request) -> Fit:
    letter, choose = _AXES[request.axis]
    curve = choose(request.selection.used)
    frame = curve.points.sort_values([curve.abscissa, "loss_nats"], ignore_index=True)
    if curve.envelope:
        every = np.ones((1, len(frame)))
        frame = frame[envelope_weights(frame["loss_nats"].to_numpy(dtype=float), every)[0] > 0].reset_index(drop=True)
    sample = request.sample(frame)
    sample.conventions["points"] = curve.description
    x, loss = frame[curve.abscissa].to_numpy(dtype=float), sample.losses

    def fitted(rows: Rows, resamples: int) -> _Form:
        law = fit_broken(
            x[rows], loss[rows], sample.trials[rows], breaks=request.breaks, resamples=resamples, seed=request.seed
        )
        return _Form(
            name=f"L({letter}) broken",
            text=f"a + b/{letter}^c0 prod_i (1 + ({letter}/d_i)^(1/f_i))^(-c_i f_i) (Caballero et al. 2022, eq. 1)",
            delta=_BROKEN_DELTA,
            found=law,
            params=_broken_params(law),
            predict=lambda asked: law.predict(x[asked]),
            warnings=() if law.reason is None else (f"{law.reason[0].upper()}{law.reason[1:]}.",),
        )

    return request.fit(sample, x, fitted)


def _broken_params(law: BrokenLaw) -> dict[str, Interval]:
    found = {"a": law.floor, "b": Interval(value=law.factor), "c0": law.exponent}
    for i, part in enumerate(law.breaks, start=1):
        found |= {f"d{i}": part.position, f"c{i}": Interval(value=part.change), f"f{i}": Interval(value=part.width)}
    return found


FORMS: Mapping[str, Callable[[_Request], Fit]] = MappingProxyType(
    {"joint": _joint, "repeated": _repeated, "broken": _broken}
)
