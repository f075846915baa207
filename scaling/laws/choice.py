"""Which form do the data prefer? Held-out error on the largest compute first, then AICc (``merit``).

The forms are those people use for the loss against size and data: Hoffmann's sum of terms, the same with one exponent
or without a floor, with an interaction of both, and Kaplan's joint law. They agree inside most data and part beyond, so
the answer is often that nothing tells them apart; then the sum of terms stands and the others say how much hangs on it.
"""

import numpy as np
import pandas as pd

from scaling.errors import NotEnoughData
from scaling.laws import merit
from scaling.laws.analysis import FormChoice, FormRow
from scaling.laws.fit import Sample, fit_sample
from scaling.laws.forms import SURFACE, Array, PowerLaw
from scaling.laws.interaction import FORM, FREE, fit_interaction, interacting_loss
from scaling.laws.joint import fit_joint, joint_loss
from scaling.laws.surface import surface_sample

INTERACTING = "L(N,D) interacting"
JOINT, JOINT_FORM = "Kaplan's joint law", "((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D"
_JOINT_FREE = 4
_LEAST_SQUARES = 1e3  # a Huber delta that no log residual reaches


def choose_form(used: pd.DataFrame) -> FormChoice:
    """Compare the forms on the fitted points of a sweep, as ``selection`` gives them.

    Raises:
        NotEnoughData: the points are too few for L(N,D) itself.
    """
    sample, compute = surface_sample(used), used["flops_train"].to_numpy(dtype=float)
    tied = SURFACE.constrained(tied=True)
    laws = {SURFACE.name: SURFACE, "L(N,D) tied": tied, "L(N,D) E=0": SURFACE.without_floor()}
    rows = [_sum_row(name, law, sample, compute) for name, law in laws.items()]
    rows += [_interacting_row(rows[0].params, sample, compute), _joint_row(sample, compute)]
    return _verdict(rows)


def _sum_row(name: str, law: PowerLaw, sample: Sample, compute: Array) -> FormRow:
    fit, found = fit_sample(law, sample, resamples=0), merit.merit_of(law, sample, compute)
    return FormRow(
        name=name,
        form=law.text,
        free=law.freedom,
        params={key: p.value for key, p in fit.params.items()},
        heldout_error=found.heldout_error,
        aicc=found.aicc,
    )


def _interacting_row(start: dict[str, float], sample: Sample, compute: Array) -> FormRow:
    (n, d), loss = sample.variables.T, sample.losses
    law, _ = fit_interaction(n, d, loss, start)
    _, squares = fit_interaction(n, d, loss, law, delta=_LEAST_SQUARES)
    held = merit.largest(sample, compute)
    error = None
    if (~held).sum() > FREE:
        without, _ = fit_interaction(n[~held], d[~held], loss[~held], law)
        error = float(np.abs(interacting_loss(without, n[held], d[held]) / loss[held] - 1).mean())
    return FormRow(
        name=INTERACTING,
        form=FORM,
        free=FREE,
        params=law,
        heldout_error=error,
        aicc=merit.corrected(2 * squares.value / len(loss), len(np.unique(sample.trials)), FREE),
    )


def interaction_warning(choice: FormChoice) -> str | None:
    """Say that size and data interact, where that beats the plain sum of terms; else ``None``."""
    rows = {row.name: row for row in choice.rows}
    bent, plain = rows[INTERACTING], rows[SURFACE.name]
    if not _beats(bent, plain):
        return None
    return (
        f"Size and data interact in these points (kappa = {bent.params['kappa']:.2f}, 1 without): the sum of terms "
        "bends away beyond them by more than its intervals say. Train nearer to the target, or predict inside the data."
    )


def _joint_row(sample: Sample, compute: Array) -> FormRow:
    (n, d), loss = sample.variables.T, sample.losses
    fit = fit_joint(n, d, loss, resamples=0)
    squares = fit_joint(n, d, loss, delta=_LEAST_SQUARES, resamples=0)
    trials = len(np.unique(sample.trials))
    return FormRow(
        name=JOINT,
        form=JOINT_FORM,
        free=_JOINT_FREE,
        params={key: p.value for key, p in fit.params.items()},
        heldout_error=_joint_heldout(sample, compute),
        aicc=merit.corrected(squares.residual_rms**2, trials, _JOINT_FREE),
    )


def _joint_heldout(sample: Sample, compute: Array) -> float | None:
    held = merit.largest(sample, compute)
    (n, d), loss = sample.variables.T, sample.losses
    try:
        fit = fit_joint(n[~held], d[~held], loss[~held], resamples=0)
    except NotEnoughData:
        return None
    alpha_n, alpha_d, n_c, d_c = (p.value for p in fit.params.values())
    predicted = joint_loss(alpha_n, alpha_d, n_c, d_c, n[held], d[held])
    return float(np.abs(predicted / loss[held] - 1).mean())


def _verdict(rows: list[FormRow]) -> FormChoice:
    """Keep the forms that no other beats; the first of them is favoured, and decided on when it stands alone."""
    beaten = [row.name for row in rows if any(_beats(other, row) for other in rows)]
    plain, bent = rows[0], next(row for row in rows if row.name == INTERACTING)
    if bent.name not in beaten and not _beats(bent, plain):
        beaten.append(bent.name)  # it holds the sum of terms, so it must earn its parameter
    standing = [row.name for row in rows if row.name not in beaten]
    said = (
        "each is beaten by another"
        if not standing
        else f"beaten: {', '.join(beaten)}"
        if beaten
        else "none beats another"
    )
    favours = standing[0] if standing else rows[0].name
    return FormChoice(rows=tuple(rows), favours=favours, decided=len(standing) == 1, why=f"{said}; {_shown(rows)}")


def _beats(one: FormRow, other: FormRow) -> bool:
    return merit.Merit(one.heldout_error, one.aicc).beats(merit.Merit(other.heldout_error, other.aicc))


def _shown(rows: list[FormRow]) -> str:
    known = [f"{r.name} {100 * r.heldout_error:.2f} %" for r in rows if r.heldout_error is not None]
    return "held-out error " + ", ".join(known) if known else "too few trials to hold the largest out"
