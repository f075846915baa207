"""Golden loss curves of both stages of a tiny model that draws, and the quick sweep in which all sizes stand on one."""

import base64
import shutil
import subprocess
import sys

import pytest
import torch

from scaling.data import WindowStream, prepare
from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.report.material import Tariff
from scaling.report.tables.cost import Account, compared
from scaling.spec.schema import DataSpec, LearningRates, ScenesSpec, TrainSpec
from scaling.store import load
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state

CPU = torch.device("cpu")
SCENES = ScenesSpec(objects=1, figures=4, angles=1, noise=0.05, specks=0.01, jitter=0, pairs=2048)
CONTEXT, PAIRS = 20, 32
# Training loss of each ten steps of 32 pairs, then validation loss of the weight average: of the codes, of the decoder.
GOLDEN = ([8051.707, 7894.054, 7731.602, 7670.525], [3.03288, 1.29747, 0.86872, 0.7611])


class Recorder:
    def __init__(self, objective, rows):
        self.objective, self.rows, self.curve, self.model = objective, rows, [], None

    def on_curve(self, line):
        self.curve.append(line.loss_nats)

    def on_horizon(self, step, model, train_s):
        self.curve.append(evaluate(model, self.objective.measure, self.rows, CPU).loss_nats)
        self.model = model.eval()

    def on_pause(self, state):
        pass


def trained(name, keys, train, rows, corpus, base=None):
    family = get_family(name)
    config = family.build_config({**keys, **corpus.identity.shape}, corpus.identity.vocab_size, CONTEXT)
    objective = objective_of(family, config, base)
    train_rows, held = (part if objective.encode is None else objective.encode(part) for part in rows)
    torch.manual_seed(1)
    recorder = Recorder(objective, torch.from_numpy(held.astype("int32")))
    stream = WindowStream(train_rows, CONTEXT, PAIRS, seed=1)
    Trainer(fresh_state(build(family, config), train), objective.losses, stream, train, CPU, recorder).run([30])
    return recorder


def test_golden_curves():
    corpus = prepare(DataSpec(source="scenes", context=CONTEXT, validation_tokens=512 * CONTEXT, scenes=SCENES))
    rows = (corpus.train, corpus.validation)
    recipe = {"batch_tokens": PAIRS * CONTEXT, "warmup_steps": 5}
    first = TrainSpec(**recipe, lr=LearningRates(hidden=0.01, embedding=0.01))
    codes = trained("dvae", {"codes": 32}, first, rows, corpus)
    shape = {"d_model": 16, "n_layer": 1, "head_dim": 8, "codes": 32}
    second = TrainSpec(**recipe, lr=LearningRates(hidden=0.02, embedding=0.016))
    decoder = trained("dalle", shape, second, rows, corpus, codes.model)
    assert codes.curve == pytest.approx(GOLDEN[0], rel=5e-3)  # sums differ between processors
    assert decoder.curve == pytest.approx(GOLDEN[1], rel=1e-2)


@pytest.mark.slow
def test_in_the_quick_sweep_all_sizes_stand_on_one_first_stage_and_larger_ones_draw_better(tmp_path):
    out = tmp_path / "dalle"
    command = [sys.executable, "-m", "scaling", "run", "families/quick/dalle", "--out", str(out), "--no-report"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    store = load(out)
    first = next(r for r in store.records if r.spec.family == "dvae")
    others = [r for r in store.records if r is not first]
    assert first.spec.stage == "before"
    assert first.end is not None  # metered by itself
    assert first.points[-1].flops_train > 0
    assert {r.spec.base.trial for r in others} == {first.folder.id}
    flops = sum(r.points[-1].flops_train for r in store.records)
    bill = compared([Account.of(store, "dalle", Tariff())]).payload()
    assert bill["cells"][bill["columns"].index("flops")][0] == pytest.approx(flops)  # of both stages
    assert "dvae" not in set(store.samples()["label"])  # it is no size of what draws
    points = store.points()
    assert set(points["family"]) == {"dalle"}  # no law goes through the points of the first stage
    (fingerprint,) = set(points["validation_fingerprint"])
    assert fingerprint != first.spec.data.validation_fingerprint  # that of its codes
    for record in store.records:
        assert set(record.points[-1].metrics) == set(get_family(record.spec.family).metrics)
        assert all(base64.b64decode(s.picture).startswith(b"\x89PNG") for s in record.end.samples)
        assert len(record.end.samples) == 6
    last = points[points["tokens"] == points["tokens"].max()].sort_values("params_total")
    losses = last["loss_nats"].tolist()
    assert losses[0] > losses[-1]
    metrics = store.metrics()
    at_end = metrics[metrics["tokens"] == metrics["tokens"].max()].sort_values("params_total")
    value = {name: part["value"].tolist() for name, part in at_end.groupby("metric")}
    assert min(value["loss_text"]) > 4.158 / 4  # 64 captions, each as likely, of four words
    assert value["sample_place"][-1] > value["other_place"][-1] + 0.2
    assert value["sample_colour"][-1] > value["sample_colour"][0]

    again = next(r for r in others if "d8" in r.spec.label)
    was = again.points[-1]
    shutil.rmtree(again.folder.path)
    subprocess.run(
        command, check=True, capture_output=True, text=True
    )  # trained anew, on the first stage that is there
    now = next(r for r in load(out).records if r.folder.id == again.folder.id).points[-1]
    assert (now.loss_nats, now.metrics) == (was.loss_nats, was.metrics)
