"""Golden loss curves: what a tiny model of every family learns in forty steps, as first recorded."""

import numpy as np
import pytest
import torch

from scaling.data import CorruptedStream, WindowStream, corrupt_validation
from scaling.families import FAMILIES, get_family
from scaling.models import build, objective_of
from scaling.spec.schema import LearningRates, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

CONTEXT, CPU = 32, torch.device("cpu")
TEXT = np.frombuffer(b"the quick brown fox jumps over the lazy dog; pack my box with jugs! " * 300, dtype=np.uint8)
SHAPE = {"d_model": 16, "n_layer": 2, "head_dim": 8}
GOLDEN = {  # shape, training loss of each ten steps, validation loss of the weight average
    "gpt": (SHAPE, [4.1211, 1.8763, 0.5909, 0.2281, 0.2613]),
    "bert": (SHAPE, [4.1616, 3.2001, 3.1310, 3.1136, 2.9720]),
    "lstm": ({"d_model": 16}, [4.6174, 3.5512, 3.1354, 3.0175, 2.9823]),
    "moe": ({**SHAPE, "n_expert": 4, "d_ff": 32}, [4.0730, 1.8975, 0.7089, 0.2923, 0.2691]),
    "t5": (SHAPE, [4.2400, 2.7466, 2.1065, 1.8460, 2.1065]),
}
TRAIN = TrainSpec(batch_tokens=256, warmup_steps=5, lr=LearningRates(hidden=0.02, embedding=0.016))


class Recorder:
    def __init__(self, measure, rows):
        self.measure, self.rows, self.curve = measure, rows, []

    def on_curve(self, line):
        self.curve.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        self.curve.append(evaluate(model, self.measure, self.rows, CPU).loss_nats)

    def on_pause(self, state):
        pass


def curve_of(name, shape):
    family = get_family(name)
    config = family.build_config(shape, 128, CONTEXT)
    objective = objective_of(family, config)
    stream, rows = WindowStream(TEXT, CONTEXT, 8, seed=1), TEXT[: 33 * 40].reshape(40, 33)
    if objective.corrupt is not None:
        stream, rows = CorruptedStream(stream, objective.corrupt, seed=1), corrupt_validation(rows, objective.corrupt)
    torch.manual_seed(1)
    recorder = Recorder(objective.measure, torch.from_numpy(rows.copy()).int())
    Trainer(fresh_state(build(family, config), TRAIN), objective.losses, stream, TRAIN, CPU, recorder).run([40])
    return recorder.curve


def test_every_family_of_tokens_has_a_golden_curve():
    assert set(GOLDEN) == {name for name, family in FAMILIES.items() if family.eats == "tokens"}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_curve(name):
    shape, golden = GOLDEN[name]
    assert curve_of(name, shape) == pytest.approx(golden, rel=2e-3)  # sums differ between processors
