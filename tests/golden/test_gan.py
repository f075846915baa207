"""The golden curve of a tiny generator and discriminator, as first recorded."""

import pytest
import torch

from scaling.data import CorruptedStream, WindowStream, corrupt_validation, prepare
from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.spec.schema import DataSpec, LearningRates, PointsSpec, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

CPU = torch.device("cpu")
# Training loss of each ten steps of 128 points, the sum of its parts; then the distance.
GOLDEN = [3.19578, 2.29051, 1.87545, 0.24493]


class Recorder:
    def __init__(self, objective, rows):
        self.objective, self.rows, self.curve = objective, rows, []

    def on_curve(self, line):
        self.curve.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        found = evaluate(model, self.objective.measure, self.rows, CPU, len(self.rows))
        self.curve.append(found.loss_nats)

    def on_pause(self, state):
        pass


def test_golden_curve():
    points = PointsSpec(across=2, deviation=0.3, points=8192)
    corpus = prepare(DataSpec(source="points", context=1, validation_tokens=1024, points=points))
    family = get_family("gan")
    shape = {"d_model": 16, "n_layer": 2, **corpus.identity.shape}
    config = family.build_config(shape, corpus.identity.vocab_size, 1)
    train = TrainSpec(batch_tokens=128, warmup_steps=5, lr=LearningRates(hidden=0.004, embedding=0.004))
    objective = objective_of(family, config)
    torch.manual_seed(1)
    recorder = Recorder(objective, torch.from_numpy(corrupt_validation(corpus.validation, objective.corrupt)).int())
    stream = CorruptedStream(WindowStream(corpus.train, 1, 128, seed=1), objective.corrupt, 1)
    Trainer(fresh_state(build(family, config), train), objective.losses, stream, train, CPU, recorder).run([30])
    assert recorder.curve == pytest.approx(GOLDEN, rel=0.02, abs=0.005)  # sums differ between processors
