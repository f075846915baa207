"""How far the parameters depend on choices that nobody can prove: the objective, and which points are outliers.

On the points of Hoffmann et al. 2022 the exponent of the optimal size moves by 1.5 standard errors over objectives and
by 2.5 over the number of points dropped, so both are shown by default. The outlier rule is fixed beforehand: the k
points of the highest loss are left out, k = 0 … 5, whatever that does to the fit.
"""

import numpy as np

from scaling.errors import NotEnoughData
from scaling.laws.analysis import Fit, SensitivityRow
from scaling.laws.fit import Sample, fit_sample
from scaling.laws.forms import SURFACE, PowerLaw
from scaling.laws.merit import subset
from scaling.laws.objectives import Objective, objective

MAX_LEFT_OUT = 5
CHOICES: tuple[Objective, ...] = (
    objective("huber_log", 1e-4),
    objective("huber_log", 1e-3),
    objective("huber_log", 1e-2),
    objective("ls_log"),
    objective("ls_linear"),
    objective("lad_log"),
)


def sensitivity(sample: Sample, law: PowerLaw = SURFACE) -> tuple[SensitivityRow, ...]:
    """Refit L(N,D) under every objective, and under the default one without the k highest losses.

    Args:
        sample: the points.
        law: a form in N and D.

    Raises:
        NotEnoughData: the points are too few for the law itself.
    """
    rows = [_row("objective", goal.name, fit_sample(law, sample, goal=goal, resamples=0)) for goal in CHOICES]
    worst_first = np.argsort(-sample.losses, kind="stable")
    for k in range(MAX_LEFT_OUT + 1):
        kept = np.ones(len(sample.losses), dtype=bool)
        kept[worst_first[:k]] = False
        try:
            fit = fit_sample(law, subset(sample, kept), resamples=0)
        except NotEnoughData:
            if k == 0:
                raise
            break  # leaving out more cannot help
        rows.append(_row("highest losses left out", str(k), fit))
    return tuple(rows)


def _row(choice: str, variant: str, fit: Fit) -> SensitivityRow:
    value = {name: p.value for name, p in fit.params.items()}
    alpha, beta = value["alpha"], value["beta"]
    return SensitivityRow(
        choice=choice,
        variant=variant,
        n_points=fit.n_points,
        E=value.get("E", 0.0),
        alpha=alpha,
        beta=beta,
        a=beta / (alpha + beta) if alpha + beta > 0 else None,
        objective_value=fit.objective_value,
        converged=fit.converged,
    )
