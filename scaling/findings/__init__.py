"""Findings: a sentence, a grade, the numbers, and the rule that decided. The command line and the report print them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from scaling.findings import abilities, compared, energy, fitted, measured, tuning
from scaling.findings.case import NO_TUNING, Case, Finding, Grade, Verdict
from scaling.findings.monotone import monotone
from scaling.findings.rules import RULE, RULES, Rule
from scaling.laws.analysis import Analysis
from scaling.laws.emergence import AbilityResult
from scaling.laws.selection import quantity_of
from scaling.laws.tuning import Tuned

_LOSS = re.compile(r"\bloss(es)?\b")
_JUDGES: Mapping[str, Callable[[Case, Rule], Verdict]] = {
    "power_law": fitted.power_law,
    "monotone": monotone,
    "held_out": fitted.held_out,
    "irreducible_loss": fitted.irreducible_loss,
    "compute_optimal": fitted.compute_optimal,
    "approaches": compared.approaches,
    "form": compared.form,
    "returns": fitted.returns,
    "seed_noise": measured.seed_noise,
    "learning_rate": measured.learning_rate,
    "energy": measured.energy,
    "isojoule": energy.isojoule_size,
    "abilities": abilities.appear,
    "emergence": abilities.foretold,
    "transfer": tuning.transfer,
    "preference": tuning.preference,
    "overoptimised": tuning.overoptimised,
}


def findings(
    analysis: Analysis,
    points: pd.DataFrame,
    trials: pd.DataFrame,
    sweep: Mapping[str, Any],
    results: Sequence[AbilityResult] = (),
    tuned: Tuned = NO_TUNING,
) -> list[Finding]:
    """Return every finding, in the order of ``RULES``.

    Args:
        analysis: of these points.
        points: one row per annealed evaluation, as the store gives them.
        trials: one row per trial; ``lr_hidden`` and ``lr_embedding`` tell a learning-rate check.
        sweep: the resolved sweep.
        results: its judged abilities.
        tuned: what came after pre-training.
    """
    case = Case(analysis=analysis, points=points, trials=trials, sweep=sweep, abilities=results, tuning=tuned)
    return [_find(case, rule) for rule in RULE.values()]


def law_finding(analysis: Analysis, points: pd.DataFrame) -> Finding:
    """Return the finding on whether one power law describes the points, alone."""
    return _find(Case(analysis=analysis, points=points, trials=points.iloc[:0], sweep={}), RULE["power_law"])


def _find(case: Case, rule: Rule) -> Finding:
    verdict, quantity = _JUDGES[rule.id](case, rule), quantity_of(case.points)
    return Finding(
        id=rule.id,
        question=_naming(quantity, rule.question),
        sentence=_naming(quantity, verdict.sentence),
        grade=verdict.grade,
        numbers=verdict.numbers,
        figure=rule.figure,
        rule=_naming(quantity, rule.text),
    )


def _naming(quantity: str, text: str) -> str:
    return text if quantity == "loss" else _LOSS.sub(lambda word: quantity + ("s" if word[1] else ""), text)


__all__ = ["RULE", "RULES", "Finding", "Grade", "Rule", "findings", "law_finding"]
