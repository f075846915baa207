"""The golden loss curve of two tiny encoders that find each other: thirty steps, as first recorded."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from scaling.data import WindowStream, prepare
from scaling.data.scenes import Scenes, pictures_of
from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.models.clip import excess
from scaling.spec.schema import DataSpec, LearningRates, ScenesSpec, TrainSpec
from scaling.store import load
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

CPU = torch.device("cpu")
SCENES = ScenesSpec(objects=1, figures=4, noise=0.2, jitter=0, pairs=2048)
CONTEXT, PAIRS = 20, 32
# Training loss of each ten steps of 32 pairs; then validation loss among 64 and recall of the weight average.
GOLDEN = [3.41222, 2.96821, 2.45295, 2.46659, 0.10156]


class Recorder:
    def __init__(self, objective, rows):
        self.objective, self.rows, self.curve = objective, rows, []

    def on_curve(self, line):
        self.curve.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        found = evaluate(model, self.objective.measure, self.rows, CPU, 64)
        self.curve += [found.loss_nats, found.metrics["recall_caption"]]

    def on_pause(self, state):
        pass


def test_golden_curve():
    corpus = prepare(DataSpec(source="scenes", context=CONTEXT, validation_tokens=512 * CONTEXT, scenes=SCENES))
    family = get_family("clip")
    shape = {"d_model": 16, "n_layer": 1, "head_dim": 8, "qk_norm": True, "batch_pairs": PAIRS}
    config = family.build_config({**shape, **corpus.identity.shape}, corpus.identity.vocab_size, CONTEXT)
    train = TrainSpec(batch_tokens=PAIRS * CONTEXT, warmup_steps=5, lr=LearningRates(hidden=0.01, embedding=0.016))
    objective = objective_of(family, config)
    torch.manual_seed(1)
    recorder = Recorder(objective, torch.from_numpy(corpus.validation).int())
    stream = WindowStream(corpus.train, CONTEXT, PAIRS, seed=1)
    Trainer(fresh_state(build(family, config), train), objective.losses, stream, train, CPU, recorder).run([30])
    assert recorder.curve == pytest.approx(GOLDEN, rel=1e-2, abs=0.02)  # sums differ between processors


@pytest.mark.slow
def test_the_quick_sweep_learns_more_when_larger_and_never_more_than_can_be_known(tmp_path):
    command = [
        sys.executable,
        "-m",
        "scaling",
        "run",
        "families/quick/clip",
        "--out",
        str(tmp_path / "clip"),
        "--no-report",
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    store = load(tmp_path / "clip")
    points = store.points()
    assert set(points["loss_unit"]) == {"nats per pair among 64"}
    assert set(points["batch_rows"]) == {64}
    last = points[points["tokens"] == points["tokens"].max()].sort_values("params_total")
    losses = last["loss_nats"].tolist()
    assert losses[0] > 1.1 * losses[-1]
    assert losses[-1] > _least()
    metrics = store.metrics()
    at_end = metrics[metrics["tokens"] == metrics["tokens"].max()].sort_values("params_total")
    recall, chance = (
        at_end[at_end["metric"] == name]["value"].tolist() for name in ("recall_caption", "recall_chance")
    )
    assert chance[0] == chance[-1] < 0.05
    assert 2 * chance[0] < recall[0] < recall[-1]


def _least():
    """Return the loss of who knows the likelihood of every picture under every caption, on the same candidates."""
    spec = ScenesSpec(objects=1, figures=4, noise=0.2, jitter=0, pairs=16384)
    corpus = prepare(DataSpec(source="scenes", context=CONTEXT, validation_tokens=512 * CONTEXT, scenes=spec))
    patches, captions = np.split(corpus.validation, [-4], axis=1)
    world, pictures = Scenes.of(spec), pictures_of(patches, 6)
    losses = []
    for first in range(0, len(pictures), 64):
        these = captions[first : first + 64]
        scores = torch.from_numpy(world.likelihood(pictures[first : first + 64], these))
        right = torch.from_numpy((these[:, None] == these[None]).all(axis=2))
        losses.append(excess(scores, right).mean().item())
    return float(np.mean(losses))
