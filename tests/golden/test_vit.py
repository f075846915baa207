"""The golden loss curve of a tiny vision transformer: what it learns in thirty steps, as first recorded."""

import subprocess
import sys

import pytest
import torch

from scaling.data import WindowStream, prepare
from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.spec.schema import DataSpec, LearningRates, ShapesSpec, TrainSpec
from scaling.store import load
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

CPU = torch.device("cpu")
# Training loss of each ten steps of 32 pictures; then validation loss and accuracy of the weight average.
GOLDEN = [1.38436, 1.31522, 1.13303, 1.11031, 0.45508]


class Recorder:
    def __init__(self, objective, rows):
        self.objective, self.rows, self.curve = objective, rows, []

    def on_curve(self, line):
        self.curve.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        found = evaluate(model, self.objective.measure, self.rows, CPU)
        self.curve += [found.loss_nats, found.metrics["accuracy"]]

    def on_pause(self, state):
        pass


def test_golden_curve():
    pictures = ShapesSpec(side=8, jitter=0, classes=4, noise=0.3, images=2048)
    corpus = prepare(DataSpec(source="shapes", context=4, validation_tokens=512 * 4, shapes=pictures))
    family = get_family("vit")
    shape = {"d_model": 16, "n_layer": 2, "head_dim": 8, "qk_norm": True, **corpus.identity.shape}
    config = family.build_config(shape, corpus.identity.vocab_size, 4)
    train = TrainSpec(batch_tokens=128, warmup_steps=5, lr=LearningRates(hidden=0.005, embedding=0.004))
    objective = objective_of(family, config)
    torch.manual_seed(1)
    recorder = Recorder(objective, torch.from_numpy(corpus.validation).int())
    stream = WindowStream(corpus.train, 4, 32, seed=1)
    Trainer(fresh_state(build(family, config), train), objective.losses, stream, train, CPU, recorder).run([30])
    assert recorder.curve == pytest.approx(GOLDEN, rel=5e-3, abs=0.008)  # sums differ between processors
    assert recorder.curve[-2] > corpus.identity.validation_entropy_nats


@pytest.mark.slow
def test_the_quick_sweep_learns_more_when_larger_and_never_more_than_can_be_known(tmp_path):
    command = [
        sys.executable,
        "-m",
        "scaling",
        "run",
        "families/quick/vit",
        "--out",
        str(tmp_path / "vit"),
        "--no-report",
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    store = load(tmp_path / "vit")
    points = store.points()
    assert set(points["loss_unit"]) == {"nats per image"}
    last = points[points["tokens"] == points["tokens"].max()].sort_values("params_total")
    losses, accuracies = last["loss_nats"].tolist(), last["accuracy"].tolist()
    assert losses[0] > 1.05 * losses[-1]
    assert accuracies[0] < accuracies[-1]
    data = store.sweep["data"]
    assert data["validation_entropy_nats"] < min(losses) < 1.2  # six figures: ln 6 is 1.79
    assert max(accuracies) < data["best_accuracy"] + 0.02
