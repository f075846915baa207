"""Everything that is read off the trials after pre-training, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from scaling.laws.tuning.pressed import Cell, PressLaw, Run, fit_best_of, press_laws, runs
from scaling.laws.tuning.transfer import Amount, Pair, ScratchCurve, best_losses, pairs, scratch_curves, transfers


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What fine-tuning and preference tuning came to; empty where there was none.

    Attributes:
        curves: from random weights.
        amounts: what pre-training was worth to every fine-tuned model.
        pairs: every fine-tuned model beside random weights on the same items.
        runs: every preference-tuned policy along its way.
        laws: R_RL of each cell of runs, DPO among them for comparison.
        best_of: R_bon by size and comparisons.
    """

    curves: tuple[ScratchCurve, ...] = ()
    amounts: tuple[Amount, ...] = ()
    pairs: tuple[Pair, ...] = ()
    runs: tuple[Run, ...] = ()
    laws: Mapping[Cell, PressLaw] = field(default_factory=dict)
    best_of: Mapping[tuple[int, int], PressLaw] = field(default_factory=dict)


def analyse_tuned(tuned: pd.DataFrame, best_of: pd.DataFrame) -> Tuned:
    """Analyse the frames ``tuned`` and ``best_of`` of a store."""
    if tuned.empty:
        return Tuned()
    found, best = runs(tuned), best_losses(tuned)
    return Tuned(
        curves=tuple(scratch_curves(best)),
        amounts=tuple(transfers(tuned)),
        pairs=tuple(pairs(best)),
        runs=tuple(found),
        laws=press_laws(found),
        best_of=_best_of_laws(best_of),
    )


def _best_of_laws(best_of: pd.DataFrame) -> dict[tuple[int, int], PressLaw]:
    """Fit best-of-n; two methods on one reward model drew the same answers, of which one trial is kept."""
    one = best_of.drop_duplicates(["params_total", "comparisons", "seed", "n"])
    laws = {}
    for (params, comparisons), part in one.groupby(["params_total", "comparisons"], sort=True):
        law = fit_best_of(part)
        if law is not None:
            laws[int(str(params)), int(str(comparisons))] = law
    return laws
