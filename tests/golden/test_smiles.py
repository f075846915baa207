"""The golden loss curve of a tiny decoder on molecules: what it learns in thirty steps, as first recorded."""

import pytest
import torch

from scaling.data import WindowStream, prepare
from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.spec.schema import DataSpec, LearningRates, SmilesSpec, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

CPU = torch.device("cpu")
# Training loss of each ten steps of 512 characters; then the validation loss of the weight average.
GOLDEN = [3.85285, 2.16313, 1.76731, 1.68571]


class Recorder:
    def __init__(self, objective, rows):
        self.objective, self.rows, self.curve = objective, rows, []

    def on_curve(self, line):
        self.curve.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        found = evaluate(model, self.objective.measure, self.rows, CPU)
        self.curve.append(found.loss_nats)

    def on_pause(self, state):
        pass


def test_golden_curve():
    molecules = SmilesSpec(atoms=10, tokens=60_000)
    corpus = prepare(DataSpec(source="smiles", context=32, validation_tokens=4096, smiles=molecules))
    family = get_family("gpt")
    shape = {"d_model": 16, "n_layer": 2, "head_dim": 8, "qk_norm": True, "rotary_base": 100}
    config = family.build_config(shape, corpus.identity.vocab_size, 32)
    train = TrainSpec(batch_tokens=512, warmup_steps=5, lr=LearningRates(hidden=0.02, embedding=0.02))
    objective = objective_of(family, config)
    torch.manual_seed(1)
    recorder = Recorder(objective, torch.from_numpy(corpus.validation.copy()).int())
    stream = WindowStream(corpus.train, 32, 16, seed=1)
    Trainer(fresh_state(build(family, config), train), objective.losses, stream, train, CPU, recorder).run([30])
    assert recorder.curve == pytest.approx(GOLDEN, rel=5e-3)  # sums differ between processors
