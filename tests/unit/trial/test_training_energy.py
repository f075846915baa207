"""The joules of a trial against a scripted board whose counter steps every 100 ms at a known power."""

import csv
from dataclasses import dataclass

import pytest
from support.scripted_nvml import ScriptedNvml, lost
from support.stored import make_spec

from scaling.meters.nvml import NvmlMeter
from scaling.provenance import Provenance, Reading
from scaling.spec.schema import TrainSpec
from scaling.store.layout import TrialFolder
from scaling.trial.energy import TrainingEnergy

UUID = "GPU-aaaa-1"
WATTS = 300.0
BATCH = 100


@dataclass
class SteppingNvml(ScriptedNvml):
    """A board that counts ``WATTS`` in steps of 100 ms, by a clock that the test moves; the GPU may vanish."""

    now: float = 0.0
    gone_at: float = float("inf")

    def energy_mj(self, uuid):
        if self.now >= self.gone_at:
            raise lost()
        return int(self.now * 10) * int(WATTS * 100)

    def power_w(self, uuid):
        return WATTS


class Tracker:
    """Codecarbon, scripted."""

    def __init__(self, joules):
        self.joules = joules

    def start(self):
        pass

    def stop(self):
        return Reading(value=self.joules, provenance=Provenance.MEASURED_COUNTER)


class Run:
    """A trial as the training loop drives it, one second of the scripted clock at a time."""

    def __init__(self, folder, anneal="average", tracker=None, resumed_from=0, trial="t0", **nvml):
        self.board = SteppingNvml(**nvml)
        meter = NvmlMeter(self.board, UUID, clock=lambda: self.board.now, sample_s=3600, foreign=lambda p: (p, None))
        trial_folder = TrialFolder(folder, trial)
        self.attempt = trial_folder.new_attempt()
        spec = make_spec().model_copy(update={"train": TrainSpec(batch_tokens=BATCH, anneal=anneal)})
        self.energy = TrainingEnergy(
            meter, tracker, trial_folder, self.attempt, spec, device="card", resumed_from=resumed_from
        )
        self.step, self.replays = resumed_from, 0
        self.energy.begin()

    def train(self, until, seconds, per_pause=10):
        """Train to a step, pausing every so many, each step taking the same time."""
        each = seconds / (until - self.step)
        while self.step < until:
            steps = min(per_pause, until - self.step)
            self.board.now += each * steps
            self.step += steps
            self.energy.pause(self.step)

    def branch(self, seconds):
        self.board.now += seconds

    def horizon(self, step=None, evaluation=7.0):
        found = self.energy.horizon(self.step if step is None else step, self._replay)
        self.board.now += evaluation
        self.energy.resume(self.step)
        return found

    def _replay(self, seconds, meter):
        self.replays += 1
        meter.begin("replay")
        self.board.now += seconds
        return meter.end("replay"), 6000


def test_points_carry_what_a_run_to_their_horizon_costs(tmp_path):
    run = Run(tmp_path)
    run.train(100, 50)
    first = run.horizon()
    run.train(200, 50)
    second = run.horizon()
    assert first.value == pytest.approx(50 * WATTS, rel=0.01)
    assert second.value == pytest.approx(100 * WATTS, rel=0.01)  # the evaluation between is left out
    assert second.provenance is Provenance.MEASURED_COUNTER
    assert run.replays == 0


def test_a_token_of_steady_training_leaves_out_warm_up_and_evaluation(tmp_path):
    run = Run(tmp_path, tracker=Tracker(1.0))
    run.train(20, 500)  # slow first steps
    run.train(120, 50)
    run.horizon()
    run.train(220, 50)
    run.horizon()
    _, steady = run.energy.finish()
    assert steady.energy_per_token_j.value == pytest.approx(100 * WATTS / (200 * BATCH), rel=0.01)
    assert steady.tokens == 200 * BATCH
    assert steady.seconds == pytest.approx(100)
    assert not steady.replayed


def test_a_short_training_is_prorated_from_a_replay_made_once_for_its_shape(tmp_path):
    run = Run(tmp_path, tracker=Tracker(1.0))
    run.train(30, 3)
    found = run.horizon()
    per_token = 20 * WATTS / 6000
    assert found.value == pytest.approx(30 * BATCH * per_token, rel=0.01)
    assert found.provenance is Provenance.MEASURED_PRORATED
    assert "replayed for 20 s" in found.reason
    other = Run(tmp_path, tracker=Tracker(1.0), trial="t1")
    other.train(30, 3)
    assert other.horizon() == found
    assert (run.replays, other.replays) == (1, 0)
    _, steady = other.energy.finish()
    assert steady.replayed
    assert steady.energy_per_token_j.value == pytest.approx(per_token, rel=0.01)


def test_a_later_horizon_that_is_long_enough_is_counted(tmp_path):
    run = Run(tmp_path)
    run.train(30, 3)
    assert run.horizon().provenance is Provenance.MEASURED_PRORATED
    run.train(300, 27)
    counted = run.horizon()
    assert counted.provenance is Provenance.MEASURED_COUNTER
    assert counted.value == pytest.approx(30 * WATTS, rel=0.02)


def test_a_cooldown_branch_is_booked_to_its_own_horizon_alone(tmp_path):
    run = Run(tmp_path, anneal="cooldown")
    run.train(75, 75)
    run.branch(25)
    first = run.horizon(step=100)
    run.train(150, 75)
    run.branch(50)
    second = run.horizon(step=200)
    assert first.value == pytest.approx(100 * WATTS, rel=0.01)
    assert second.value == pytest.approx(200 * WATTS, rel=0.01)


def test_a_resumed_trial_scales_its_own_joules_to_the_whole(tmp_path):
    run = Run(tmp_path, resumed_from=100)
    run.train(200, 50)
    found = run.horizon()
    assert found.value == pytest.approx(100 * WATTS, rel=0.01)
    assert found.provenance is Provenance.MEASURED_PRORATED
    assert "resumed at step 100" in found.reason


def test_a_horizon_that_an_earlier_attempt_trained_to_has_no_joules_of_this_one(tmp_path):
    found = Run(tmp_path, resumed_from=100, gone_at=0).horizon(step=100)
    assert found.value is None
    assert "ended before it read its meter" in found.reason


def test_a_board_that_vanishes_leaves_no_figure(tmp_path):
    run = Run(tmp_path, gone_at=60)
    run.train(50, 50)
    assert run.horizon().value == pytest.approx(50 * WATTS, rel=0.01)
    run.train(100, 50)
    found = run.horizon()
    assert found.value is None
    assert "vanished" in found.reason
    assert run.replays == 0


def test_a_shared_board_marks_every_figure(tmp_path):
    run = Run(tmp_path, pids=[frozenset({99})])
    run.train(30, 3)
    found = run.horizon()
    assert found.shared
    assert found.value is not None


@pytest.mark.parametrize(("share", "noted"), [(1.05, True), (0.9, True), (1.01, False)])
def test_codecarbon_is_held_against_the_counter(tmp_path, share, noted):
    run = Run(tmp_path, tracker=Tracker(share * 57 * WATTS))
    run.train(100, 50)
    run.horizon()
    _, steady = run.energy.finish()
    assert steady.counter_j.value == pytest.approx(57 * WATTS, rel=0.01)
    assert steady.codecarbon_j.value == share * 57 * WATTS
    assert any("codecarbon reads" in note for note in steady.notes) == noted


def test_the_power_trace_goes_to_disk_with_its_window(tmp_path):
    run = Run(tmp_path)
    run.train(30, 3)
    run.horizon()
    with run.attempt.power_path.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["window"] for row in rows} == {"train", "replay"}
    assert {float(row["power_w"]) for row in rows} == {WATTS}
    assert {row["throttled"] for row in rows} == {""}
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(23.0)


def test_twenty_seconds_of_100_ms_steps_are_true_to_one_percent(tmp_path):
    for offset in (0.01, 0.05, 0.09):
        run = Run(tmp_path, trial=f"t{offset * 100:.0f}")
        run.board.now += offset
        run.train(100, 20 + offset)
        found = run.horizon()
        assert found.value == pytest.approx((20 + 2 * offset) * WATTS, rel=0.01)
