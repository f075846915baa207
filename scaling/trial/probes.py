"""What is measured of the annealed model at every horizon, beside the loss.

A probe goes into the point of its horizon under its name, as plain JSON. ``open_probes`` is where a spec's wishes
become probes; its seconds are booked as evaluation, its joules to no point.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn

from scaling.abilities import AbilityProbe, FilledStream, ItemStream, MixedStream, make_task
from scaling.data import Corpus, TokenStream, WindowStream
from scaling.families import get_family
from scaling.models import Filling
from scaling.spec.abilities import ability_of
from scaling.spec.schema import TrialSpec
from scaling.spec.tuning import Tune, window_items


class Probe(Protocol):
    """One measurement of a model that must leave it as it was: same weights, mode and random state."""

    @property
    def name(self) -> str:
        """Its key among the point's probes."""

    def measure(self, model: nn.Module, device: torch.device) -> Mapping[str, Any]:
        """Return plain JSON values; NaN and infinity are refused when the point is written."""
        ...


def open_probes(spec: TrialSpec, filling: Filling | None = None) -> tuple[Probe, ...]:
    """Return the probes that a trial asks for; ``filling``: how, of a family that fills in."""
    if spec.tune is not None:
        task, context = spec.tune.probe, spec.data.context
        per = window_items(get_family(spec.family), task, context)
        return (AbilityProbe(task, ability_of(task), spec.tune.test_items, context, filling, per),)
    if spec.abilities is None:
        return ()
    wanted, context = spec.abilities, spec.data.context
    return tuple(AbilityProbe(name, ability_of(name), wanted.items, context) for name in wanted.probes)


def tune_stream(spec: TrialSpec, tune: Tune, batch_windows: int, filling: Filling | None) -> TokenStream:
    """Return the items that a trial is tuned on, to be continued or, with ``filling``, filled in."""
    task, context = make_task(tune.probe), spec.data.context
    per = window_items(get_family(spec.family), tune.probe, context)
    if filling is None:
        return ItemStream(task, tune.items, context, batch_windows, spec.seed, per=per)
    items = ItemStream(task, tune.items, context, batch_windows, spec.seed, context, per)
    return FilledStream(items, filling)


def mix_probes(spec: TrialSpec, corpus: Corpus, batch_windows: int) -> TokenStream:
    """Return the training windows of a trial: the corpus with the probes among it."""
    context, seed = spec.data.context, spec.seed
    if spec.abilities is None:
        return WindowStream(corpus.train, context, batch_windows, seed)
    tasks = [make_task(name) for name in spec.abilities.probes]
    text = WindowStream(corpus.train, context, 1, seed)
    return MixedStream(text, tasks, spec.abilities.share, context, batch_windows, seed)


def measure_all(probes: tuple[Probe, ...], model: nn.Module, device: torch.device) -> dict[str, Mapping[str, Any]]:
    """Run every probe on a model."""
    return {probe.name: probe.measure(model, device) for probe in probes}
