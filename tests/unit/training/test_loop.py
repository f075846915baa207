"""The loop: same numbers every time, whatever was interrupted or branched off on the way."""

import math

import numpy as np
import pytest
import torch

from scaling.data import WindowStream
from scaling.errors import MachineError
from scaling.families import get_family
from scaling.models import build
from scaling.models.objective import NEXT_TOKEN, next_token_losses
from scaling.spec.schema import TrainSpec
from scaling.training.average import GrowingAverage
from scaling.training.checkpoint import restore_newest, save_checkpoint
from scaling.training.evaluate import evaluate
from scaling.training.loop import Diverged, Trainer, fresh_state
from scaling.training.optim import orthogonalise

CPU = torch.device("cpu")
GPT = get_family("gpt")
TEXT = np.frombuffer(b"the quick brown fox jumps over the lazy dog. " * 200, dtype=np.uint8)
VALIDATION = torch.from_numpy(TEXT[: 33 * 20].reshape(20, 33).copy()).int()


class Recorder:
    """Keeps what the loop reports; can save a checkpoint or stop at a step."""

    def __init__(self, save_at=None, folder=None):
        self.curve, self.losses, self.models = [], {}, {}
        self.save_at, self.folder = save_at, folder

    def on_curve(self, line):
        self.curve.append((line.step, line.loss_nats, line.grad_norm))

    def on_horizon(self, step, model, train_s):
        self.losses[step] = evaluate(model, NEXT_TOKEN.measure, VALIDATION, CPU).loss_nats

    def on_pause(self, state):
        if self.save_at is not None and state.step >= self.save_at:
            save_checkpoint(self.folder, state)
            raise InterruptedError


def trainer_of(recorder, **keys):
    train = TrainSpec(**{"batch_tokens": 128, "warmup_steps": 5, **keys})
    torch.manual_seed(3)
    model = build(GPT, GPT.build_config({"d_model": 16, "n_layer": 2, "head_dim": 8}, 128, 32))
    stream = WindowStream(TEXT, 32, 4, seed=3)
    return Trainer(fresh_state(model, train), next_token_losses, stream, train, CPU, recorder)


class LastTargetMasked:
    """Another stream with its last target replaced; masked, unless ``counted``."""

    def __init__(self, inner, value, counted=False):
        self.inner, self.value, self.counted = inner, value, counted

    def batch(self, step):
        windows = self.inner.batch(step)
        windows[:, -1] = self.value
        return windows

    def loss_mask(self, step):
        mask = np.ones((4, 32), dtype=bool)
        mask[:, -1] = self.counted
        return mask

    def tokens_unique(self, tokens):
        return self.inner.tokens_unique(tokens)


def run(horizons, **keys):
    recorder = Recorder()
    trainer_of(recorder, **keys).run(horizons)
    return recorder


@pytest.mark.parametrize("anneal", ["average", "cooldown"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_it_learns_and_repeats_bit_for_bit(anneal, optimizer):
    first, second = (run([20, 40], anneal=anneal, optimizer=optimizer) for _ in range(2))
    assert first.curve == second.curve
    assert first.losses == second.losses
    assert first.losses[40] < first.losses[20] < math.log(128)


def test_a_cooldown_branch_is_the_run_to_that_horizon_alone():
    together = run([20, 30, 40], anneal="cooldown", cooldown_share=0.4)
    for horizon in (20, 30, 40):
        alone = run([horizon], anneal="cooldown", cooldown_share=0.4)
        assert together.losses[horizon] == alone.losses[horizon]


def test_points_of_an_average_do_not_depend_on_the_other_horizons():
    assert run([20, 40]).losses[40] == run([40]).losses[40]


@pytest.mark.parametrize("anneal", ["average", "cooldown"])
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_resuming_ends_like_the_unbroken_run(tmp_path, anneal, optimizer):
    keys = {"anneal": anneal, "optimizer": optimizer}
    unbroken = run([20, 60], **keys)
    broken = Recorder(save_at=30, folder=tmp_path)
    with pytest.raises(InterruptedError):
        trainer_of(broken, **keys).run([20, 60])
    resumed = Recorder()
    trainer = trainer_of(resumed, **keys)
    path, damaged = restore_newest([tmp_path], trainer.state)
    assert path is not None
    assert damaged == []
    trainer.run([20, 60])
    assert broken.curve + resumed.curve == unbroken.curve
    assert broken.losses | resumed.losses == unbroken.losses


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path):
    trainer = trainer_of(Recorder())
    for _ in range(2):
        trainer.run([trainer.state.step + 10])
        newest = save_checkpoint(tmp_path, trainer.state)
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    fresh = trainer_of(Recorder()).state
    path, damaged = restore_newest([tmp_path], fresh)
    assert fresh.step == 10
    assert path is not None
    assert "sha256" in damaged[0]


def test_only_two_checkpoints_are_kept(tmp_path):
    trainer = trainer_of(Recorder())
    for _ in range(4):
        trainer.run([trainer.state.step + 5])
        save_checkpoint(tmp_path, trainer.state)
    assert [p.name for p in sorted(tmp_path.glob("*.safetensors"))] == [
        "step-000000015.safetensors",
        "step-000000020.safetensors",
    ]


def test_a_loss_that_is_no_number_is_a_divergence():
    with pytest.raises(Diverged):
        run([200], optimizer="adamw", lr={"hidden": 1e30, "embedding": 1e30}, warmup_steps=0)


def test_the_average_lags_by_its_share():
    model = torch.nn.Linear(1, 1, bias=False)
    average = GrowingAverage(model, lag=0.1)
    for step in range(1, 2001):
        with torch.no_grad():
            model.weight.fill_(float(step))
        average.update(step)
    age = 2000 - average.model.weight.item()
    assert age == pytest.approx(0.1 * 2000, rel=0.02)


def test_orthogonalise_brings_singular_values_near_one():
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 8, 24)))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_throughput_leaves_out_the_first_steps_and_needs_enough_of_them():
    recorder = Recorder()
    trainer = trainer_of(recorder)
    trainer.run([60])
    steady = trainer.steady.close(128)
    assert steady.step_first == 21
    assert steady.step_last == 60
    assert steady.tokens_per_s == pytest.approx(40 * 128 / steady.seconds)
    short = trainer_of(Recorder())
    short.run([20])
    assert short.steady.close(128).tokens_per_s is None
    assert short.steady.close(128).reason


def test_masked_targets_do_not_count():
    def curve(value, counted=False):
        recorder = Recorder()
        trainer = trainer_of(recorder)
        trainer.stream = LastTargetMasked(trainer.stream, value, counted)
        trainer.run([10])
        return recorder.curve

    assert curve(1) == curve(2)
    assert curve(1, counted=True) != curve(2, counted=True)


def test_tokens_of_a_wide_vocabulary_reach_the_model():
    recorder = Recorder()
    trainer = trainer_of(recorder)
    trainer.stream = WindowStream(TEXT.astype(np.uint16), 32, 4, seed=3)
    trainer.run([10])
    assert recorder.curve == run([10]).curve


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_out_of_memory_halves_the_micro_batch_and_keeps_the_curve(optimizer, capsys):
    whole = run([30], optimizer=optimizer)
    recorder = Recorder()
    trainer = trainer_of(recorder, optimizer=optimizer)
    asked = []

    def scarce(model, windows):
        asked.append(len(windows))
        if len(windows) > 1 and len(asked) > 20:  # from the middle of the run on, one window is all that fits
            raise torch.OutOfMemoryError("scripted: out of memory")
        return next_token_losses(model, windows)

    trainer.objective = scarce
    trainer.run([30])
    assert trainer.pieces == 4
    assert asked[20:23] == [4, 2, 1]
    assert "memory ran out: from step 21 on in 4 micro-batches, same global batch" in capsys.readouterr().out
    for (step, loss, norm), (_, other, other_norm) in zip(whole.curve, recorder.curve, strict=True):
        assert other == pytest.approx(loss, rel=1e-4), step
        assert other_norm == pytest.approx(norm, rel=1e-2)


def test_a_batch_whose_rows_are_compared_is_never_cut():
    trainer = trainer_of(Recorder())
    trainer.whole = True

    def scarce(model, windows):
        raise torch.OutOfMemoryError("scripted: out of memory")

    trainer.objective = scarce
    with pytest.raises(MachineError, match="4 rows, which this loss compares") as caught:
        trainer.run([5])
    assert trainer.pieces == 1
    assert "batch_tokens" in caught.value.hint


def test_memory_that_is_too_small_for_one_window_is_a_failure():
    trainer = trainer_of(Recorder())

    def nothing_fits(model, windows):
        raise torch.OutOfMemoryError("scripted: out of memory")

    trainer.objective = nothing_fits
    with pytest.raises(torch.OutOfMemoryError):
        trainer.run([5])
    assert trainer.pieces == 4


def test_a_run_stopped_at_a_horizon_before_its_point_gives_the_point_when_it_goes_on(tmp_path):
    whole = Recorder()
    trainer_of(whole).run([20, 40])
    with pytest.raises(InterruptedError):
        trainer_of(Recorder(save_at=20, folder=tmp_path)).run([20, 40])
    resumed = Recorder()
    trainer = trainer_of(resumed)
    restore_newest([tmp_path], trainer.state)
    assert trainer.state.step == 20
    trainer.run([20, 40])
    assert resumed.losses == whole.losses
