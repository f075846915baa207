"""The grade rules: one table, printed by the report and read by the code that grades.

Every number that decides a grade stands here and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from scaling.laws.emergence.abilities import CORRECTED_LEVEL
from scaling.laws.emergence.call import P_RISE, Z_RISE
from scaling.laws.emergence.verdict import SURVIVES
from scaling.laws.merit import AICC_MARGIN, HELD_MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one question is graded.

    Attributes:
        id: stable name of the finding.
        question: what it answers.
        figure: anchor of its figure in the report.
        test: when the grade is *supported*; ``{names}`` stand for thresholds.
        needs: what the data must hold, else the grade is *not enough data*.
        thresholds: the numbers of ``test``.
        minimum: the numbers of ``needs``.
    """

    id: str
    question: str
    figure: str
    test: str
    needs: str
    thresholds: Mapping[str, float]
    minimum: Mapping[str, float]

    @property
    def test_text(self) -> str:
        """The test with its numbers."""
        return self.test.format(**self.thresholds).replace("%", " %")

    @property
    def needs_text(self) -> str:
        """The minimum with its numbers."""
        return self.needs.format(**self.minimum).replace("%", " %")

    @property
    def text(self) -> str:
        """The whole rule in words."""
        return f"Supported if {self.test_text}; otherwise not supported. Not enough data without {self.needs_text}."

    def row(self) -> dict[str, str]:
        """Return the rule as one row of the printed table."""
        return {"finding": self.id, "question": self.question, "supported if": self.test_text, "needs": self.needs_text}


_RULES = (
    Rule(
        id="power_law",
        question="Does one power law in size and data describe the losses?",
        figure="fig-surface",
        test="the fit of L(N,D) converged and the rms of its log residuals is at most {rms:.0%}, "
        "or {noise_factor:g} x the seed noise where that is larger",
        needs="L(N,D) fitted to {points:g} points of {trials:g} trials",
        thresholds=MappingProxyType({"rms": 0.01, "noise_factor": 2.0}),
        minimum=MappingProxyType({"points": 15, "trials": 5}),
    ),
    Rule(
        id="monotone",
        question="Does the loss fall at every step up in size and in data?",
        figure="fig-surface",
        test="no step from one size to the next at a common horizon, or from one horizon to the next at a size, raises "
        "the loss (mean over seeds) by more than {noise_factor:g} x the seed noise, where that is known",
        needs="L(N,D) fitted to {sizes:g} sizes",
        thresholds=MappingProxyType({"noise_factor": 2.0}),
        minimum=MappingProxyType({"sizes": 4}),
    ),
    Rule(
        id="held_out",
        question="Does the law predict a size it has not seen?",
        figure="fig-heldout",
        test="the largest size, left out with its whole trunk, is predicted with a mean error of at most {error:.0%} "
        "and at most {naive_share:g} x the error of “same loss as the next smaller size”",
        needs="{points:g} points of the largest size and four sizes below it",
        thresholds=MappingProxyType({"error": 0.02, "naive_share": 0.5}),
        minimum=MappingProxyType({"points": 3}),
    ),
    Rule(
        id="irreducible_loss",
        question="Is there a floor E below which no scale goes?",
        figure="fig-surface",
        test="the 95% interval of E lies above {above_zero:.0%} of the lowest loss seen, is at most {width:g} x E "
        "wide, and E is at least {share:.0%} of the lowest loss seen, so that the floor is in sight; where the corpus "
        "is made up, so that the best possible loss is known, that lies in the interval",
        needs="L(N,D) with intervals from {trials:g} trials",
        thresholds=MappingProxyType({"above_zero": 0.01, "width": 0.5, "share": 0.65}),
        minimum=MappingProxyType({"trials": 8}),
    ),
    Rule(
        id="compute_optimal",
        question="How should a compute budget be split between parameters and tokens?",
        figure="fig-frontier",
        test="the 95% interval of the exponent a in N* ∝ C^a is at most {width:g} wide and some budget, at most the "
        "largest fitted compute, has its optimum inside the sizes and horizons that were fitted",
        needs="a frontier with intervals from {trials:g} trials",
        thresholds=MappingProxyType({"width": 0.2}),
        minimum=MappingProxyType({"trials": 8}),
    ),
    Rule(
        id="approaches",
        question="Do the three approaches to the compute-optimal split agree?",
        figure="fig-frontier",
        test="the 95% intervals of the exponent a of all approaches that can be read overlap, and approach 2 on this "
        "design would miss D* at the largest budget by at most {bias:.0%} without any noise; an interval wider than "
        "{width:g} would overlap with anything and is not read",
        needs="{approaches:g} approaches with an interval of a",
        thresholds=MappingProxyType({"bias": 0.05, "width": 0.5}),
        minimum=MappingProxyType({"approaches": 2}),
    ),
    Rule(
        id="form",
        question="Which form of the law do the data prefer?",
        figure="fig-surface",
        test="one form beats every other: its error on the trials of the largest compute, left out, is {held:g} x "
        "smaller, or else its AICc lower by {aicc:g}",
        needs="{trials:g} trials, so that the largest can be left out",
        thresholds=MappingProxyType({"held": HELD_MARGIN, "aicc": AICC_MARGIN}),
        minimum=MappingProxyType({"trials": 8}),
    ),
    Rule(
        id="returns",
        question="Is the next doubling of compute worth it?",
        figure="fig-returns",
        test="the whole 95% interval of the gain from doubling the largest compute is above {share:.0%} of the loss "
        "and above {se_factor:g} x the standard error of a difference between two runs",
        needs="L(N,D) with intervals and a seed noise from {repeats:g} repeated trials",
        thresholds=MappingProxyType({"share": 0.01, "se_factor": 2.0}),
        minimum=MappingProxyType({"repeats": 2}),
    ),
    Rule(
        id="seed_noise",
        question="Is the noise between seeds known and small?",
        figure="fig-noise",
        test="one standard deviation over seeds is at most {std:.0%} of the loss",
        needs="{repeats:g} repeated trials at {sizes:g} sizes",
        thresholds=MappingProxyType({"std": 0.01}),
        minimum=MappingProxyType({"repeats": 3, "sizes": 2}),
    ),
    Rule(
        id="learning_rate",
        question="Is the learning rate right at every size?",
        figure="fig-coverage",
        test="at every size tested, the sweep's own rate is within {loss:.0%} of the best rate's loss",
        needs="{sizes:g} sizes trained to one horizon at {rates:g} rates, the sweep's own between the others",
        thresholds=MappingProxyType({"loss": 0.01}),
        minimum=MappingProxyType({"sizes": 2, "rates": 3}),
    ),
    Rule(
        id="energy",
        question="What does a FLOP cost in energy?",
        figure="fig-energy",
        test="joules against FLOPs follow a power law with an rms residual of at most {rms:.0%}",
        needs="counted GPU joules, the GPU not shared, of {trials:g} trials over a factor of {span:g} in FLOPs",
        thresholds=MappingProxyType({"rms": 0.15}),
        minimum=MappingProxyType({"trials": 5, "span": 10}),
    ),
    Rule(
        id="isojoule",
        question="Does the best size change when energy, not compute, is the budget?",
        figure="fig-isojoule",
        test="at the largest measured energy the 95% interval of the energy-optimal over the compute-optimal size lies "
        "wholly more than {share:.0%} away from one",
        needs="L(N,D) with intervals, and measured joules at {sizes:g} sizes on the plateau of efficiency",
        thresholds=MappingProxyType({"share": 0.10}),
        minimum=MappingProxyType({"sizes": 3}),
    ),
    Rule(
        id="abilities",
        question="Which abilities appear with scale?",
        figure="sec-abilities",
        test="the largest size scores at least {above_floor:g} above the floor in one probe (above the smallest size, "
        "where no floor is known)",
        needs="scores of a probe at {sizes:g} sizes",
        thresholds=MappingProxyType({"above_floor": 0.1}),
        minimum=MappingProxyType({"sizes": 4}),
    ),
    Rule(
        id="emergence",
        question="Did an ability appear that the smaller sizes did not foretell?",
        figure="fig-abilities",
        test="a probe has an unpredicted rise (score and log-probability beyond what smooth fits of the smaller sizes "
        "promise, z ≥ {z:g}, calibrated p ≤ {p:g}) in each of its seeds and in {items:.0%} of resampled items, and "
        "p corrected for the number of probes is at most {p_corrected:g}",
        needs="scores of a probe at {sizes:g} sizes; a rise needs {seeds:g} seeds",
        thresholds=MappingProxyType({"z": Z_RISE, "p": P_RISE, "items": SURVIVES, "p_corrected": CORRECTED_LEVEL}),
        minimum=MappingProxyType({"sizes": 4, "seeds": 2}),
    ),
    Rule(
        id="transfer",
        question="Does pre-training stand in for data of a new task?",
        figure="fig-transfer",
        test="in {share:.0%} of the combinations of size and data, the fine-tuned model reaches in every seed the loss "
        "of {multiple:g} x its data from random weights, read on their measured curve",
        needs="fine-tuning beside training from scratch at {sizes:g} sizes, {amounts:g} amounts of data and {seeds:g} "
        "seeds",
        thresholds=MappingProxyType({"share": 0.75, "multiple": 1.5}),
        minimum=MappingProxyType({"sizes": 3, "amounts": 3, "seeds": 2}),
    ),
    Rule(
        id="preference",
        question="Does tuning on a learnt reward raise the true one?",
        figure="fig-pressed",
        test="with the most comparisons, at every size and in every seed, reinforcement learning raises the gold score "
        "by {errors:g} standard errors, at the place that the other half of the questions chose",
        needs="reinforcement learning on a learnt reward at {sizes:g} sizes and {seeds:g} seeds",
        thresholds=MappingProxyType({"errors": 2.0}),
        minimum=MappingProxyType({"sizes": 2, "seeds": 2}),
    ),
    Rule(
        id="overoptimised",
        question="Does pressing a learnt reward end up hurting the true one?",
        figure="fig-pressed",
        test="in {share:.0%} of the combinations of size and comparisons, in every seed, the gold score ends "
        "{errors:g} standard errors below its best place, which the other half of the questions chose, and the learnt "
        "reward rose further",
        needs="reinforcement learning at {sizes:g} sizes, {comparisons:g} numbers of comparisons and {seeds:g} seeds, "
        "each to √KL = {d:g}",
        thresholds=MappingProxyType({"share": 0.5, "errors": 2.0}),
        minimum=MappingProxyType({"sizes": 2, "comparisons": 2, "seeds": 2, "d": 1.0}),
    ),
)

RULE: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _RULES})  # what the code grades by
RULES: tuple[Mapping[str, str], ...] = tuple(rule.row() for rule in _RULES)  # the same table, to print
