"""The trials that tell whether the learning rate is right at every size: half and twice the rate at both ends.

A law of losses under a rate that suits one end of the ladder only is a law of that mistake. These trials are kept out
of the fit (another recipe) and grade it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scaling.spec.identity import trial_hash, trial_id
from scaling.spec.resolve import PlannedTrial

FACTORS = (0.5, 2.0)


def lr_check_trials(trials: Sequence[PlannedTrial], min_params: float | None = None) -> list[PlannedTrial]:
    """Return the smallest and the largest fitted size once more at half and twice the rates, to the last horizon.

    The lowest seed of each size is taken; a sweep of one size is checked at that size alone.

    Args:
        trials: the sweep's own, labelled.
        min_params: sizes below it are not fitted, and not checked.
    """
    fitted = [t for t in trials if t.params.total >= (min_params or 0)] or list(trials)
    ends = {min(fitted, key=_rank).id, min(fitted, key=_rank_largest).id}
    return [varied for trial in trials if trial.id in ends for varied in _varied(trial)]


def _rank(trial: PlannedTrial) -> tuple[float, int]:
    return (trial.params.total, trial.spec.seed)


def _rank_largest(trial: PlannedTrial) -> tuple[float, int]:
    return (-trial.params.total, trial.spec.seed)


def _varied(trial: PlannedTrial) -> Iterator[PlannedTrial]:
    rates = trial.spec.train.lr
    for factor in FACTORS:
        scaled = rates.model_copy(update={"hidden": rates.hidden * factor, "embedding": rates.embedding * factor})
        train = trial.spec.train.model_copy(update={"lr": scaled})
        label = f"{trial.spec.label} lr x{factor:g}"
        spec = trial.spec.model_copy(update={"train": train, "horizons": trial.spec.horizons[-1:], "label": label})
        sha256 = trial_hash(spec)
        yield replace(trial, id=trial_id(sha256), sha256=sha256, spec=spec)
