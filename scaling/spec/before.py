"""The one trial that all trials of a sweep stand on: the first stage of a family that has two.

It is planned like any other and keeps a record of its own. There is one for the whole sweep, not one for each size:
sizes compare only on the same tokens, and its id is part of theirs.
"""

from collections.abc import Mapping
from dataclasses import replace

from scaling.families import FAMILIES, Family
from scaling.spec.blocks import Cell, Wish
from scaling.spec.document import Problem
from scaling.spec.resolve import PlannedTrial, Resolver
from scaling.spec.schema import BeforeSpec, DataIdentity, SamplesSpec, SweepSpec

_PATH = ("before",)


def missing(spec: SweepSpec, family: Family) -> list[Problem]:
    """Return what is wrong with the section: there without need, or needed and not there."""
    if spec.before is None and family.stands_on is not None:
        what = f"family {family.name} stands on a trained {family.stands_on.family}: give the section `before`"
        return [Problem(("model", "family"), what)]
    if spec.before is not None and family.stands_on is None:
        return [Problem(_PATH, f"family {family.name} stands on nothing: drop the section, which nothing would read")]
    return []


def before_trial(
    spec: SweepSpec, family: Family, identity: DataIdentity, location: Mapping[str, object]
) -> PlannedTrial | None:
    """Return the trial that a sweep's own trials stand on, ``None`` for a family that stands on nothing.

    Raises:
        Refused: everything that is wrong with it.
    """
    asked, on = spec.before, family.stands_on
    if asked is None or on is None:
        return None
    base = FAMILIES[on.family]
    own = spec.model_copy(
        update={
            "model": {"family": base.name},
            "train": asked.train or spec.train,
            "before": None,
            "abilities": None,
            "samples": SamplesSpec(),
        }
    )
    trial = Resolver(own, base, identity, location).trial(_cell(asked))
    told = trial.spec.model_copy(update={"label": base.name, "before": True})
    return replace(trial, spec=told)


def _cell(asked: BeforeSpec) -> Cell:
    keys = {f"model.{key}": value for key, value in asked.model.items()}
    places = {f"model.{key}": (*_PATH, "model", key) for key in asked.model}
    return Cell(
        keys=keys,
        places={**places, "train.batch_tokens": (*_PATH, "train", "batch_tokens")},
        size=None,
        seed=asked.seed,
        wishes=(Wish(asked.horizon, (*_PATH, "horizon")),),
        path=_PATH,
    )
