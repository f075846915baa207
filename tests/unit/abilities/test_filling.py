"""Items that are filled in rather than continued to: how they are shown, scored and learnt."""

import numpy as np
import pytest
import torch

from scaling.abilities import AbilityProbe, FilledStream, ItemStream, make_task
from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.spec.schema import LearningRates, TrainSpec
from scaling.training.loop import Trainer, fresh_state

BERT, CONTEXT = get_family("bert"), 64
CONFIG = BERT.build_config({"d_model": 16, "n_layer": 1, "head_dim": 8}, 128, CONTEXT)
OBJECTIVE = objective_of(BERT, CONFIG)


class Told(torch.nn.Module):
    """Knows what stood at each place of the probe's windows, but for those it was told wrongly."""

    def __init__(self, probe, wrong=()):
        super().__init__()
        self.batch, self.wrong = probe._batch, set(wrong)

    def forward(self, tokens, places):
        logits = torch.zeros((*places.shape, 128))
        for row in range(len(tokens)):
            (at,) = torch.nonzero((self.batch[:, :CONTEXT] == tokens[row]).all(dim=1))[0]
            targets = self.batch[at, CONTEXT + places.shape[1] :].long()
            logits[row, torch.arange(len(targets)), (targets + (int(at) in self.wrong)) % 128] = 9.0
        return logits


def test_every_answer_is_scored_once_and_a_wrong_window_costs_its_items():
    probe = AbilityProbe("addition-2", "arithmetic", 50, CONTEXT, OBJECTIVE.filling)
    seen = probe.measure(Told(probe), torch.device("cpu"))
    assert (seen["exact_match"], seen["items"], seen["answer_tokens"]) == (1.0, 50, 3)
    per = CONTEXT // probe.task.length
    spoilt = probe.measure(Told(probe, wrong=[0]), torch.device("cpu"))
    assert spoilt["exact_match"] == pytest.approx(1 - per / 50)


def test_the_items_of_a_step_are_those_of_a_model_that_continues():
    task = make_task("addition-2")
    items = ItemStream(task, 40, CONTEXT, 4, seed=0, places=CONTEXT)
    windows, answers = items.batch(3), items.loss_mask(3)
    stream = FilledStream(items, OBJECTIVE.filling)
    batch, counted = stream.batch(3), stream.loss_mask(3)
    assert windows.shape == (4, CONTEXT)
    assert counted.all()
    np.testing.assert_array_equal(batch[:, CONTEXT + counted.shape[1] :].ravel(), windows[:, 1:][answers])
    assert stream.tokens_unique(10**6) == items.tokens_unique(10**6)


def test_filling_in_is_learnt():
    class Watch:
        def __init__(self):
            self.losses = []

        def on_curve(self, line):
            self.losses.append(line.loss_nats)

        def on_horizon(self, step, model, train_s):
            pass

        def on_pause(self, state):
            pass

    train = TrainSpec(batch_tokens=512, warmup_steps=5, lr=LearningRates(hidden=0.02, embedding=0.02))
    items = ItemStream(make_task("boolean-1"), 40, CONTEXT, 8, seed=0, places=CONTEXT)
    stream, watch = FilledStream(items, OBJECTIVE.filling), Watch()
    torch.manual_seed(0)
    state = fresh_state(build(BERT, CONFIG), train)
    Trainer(state, OBJECTIVE.losses, stream, train, torch.device("cpu"), watch).run([40])
    assert watch.losses[-1] < 0.9  # a coin is 0.69 nats; a uniform guess over the vocabulary, where it begins, 4.85
