"""The golden loss curve of a tiny joint-embedding predictor, latent and with pixels, as first recorded."""

import pytest
import torch

from scaling.data import WindowStream, prepare
from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.spec.schema import DataSpec, LearningRates, MovingSpec, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

CPU = torch.device("cpu")
# Training loss of each ten steps of 32 clips; then what the readout leaves unexplained of the state.
GOLDEN = {"latent": [1.89194, 1.24955, 0.77354, 0.74398], "pixels": [0.60221, 0.06887, 0.05128, 0.74167]}


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


@pytest.mark.parametrize("predicts", GOLDEN)
def test_golden_curve(predicts):
    clips = MovingSpec(figures=1, side=8, speed=1, noise=0.1, clips=1024)
    corpus = prepare(DataSpec(source="moving", context=8, validation_tokens=512 * 8, moving=clips))
    family = get_family("jepa")
    shape = {"d_model": 16, "n_layer": 2, "head_dim": 8, "qk_norm": True, "predicts": predicts, **corpus.identity.shape}
    config = family.build_config(shape, corpus.identity.vocab_size, 8)
    train = TrainSpec(batch_tokens=256, warmup_steps=5, lr=LearningRates(hidden=0.01, embedding=0.01))
    objective = objective_of(family, config)
    torch.manual_seed(1)
    recorder = Recorder(objective, torch.from_numpy(corpus.validation).int())
    stream = WindowStream(corpus.train, 8, 32, seed=1)
    Trainer(fresh_state(build(family, config), train), objective.losses, stream, train, CPU, recorder).run([30])
    assert recorder.curve == pytest.approx(GOLDEN[predicts], rel=0.02, abs=0.01)  # sums differ between processors
