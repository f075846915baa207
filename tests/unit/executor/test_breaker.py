from support.stored import make_spec

from scaling.executor.breaker import Breaker, Verdict
from scaling.executor.progress import Job
from scaling.store.layout import StoreFolder
from scaling.store.state import State, TrialState

DONE = TrialState(state=State.DONE, reason=None, attempts=1)


def failed(reason, retry=False):
    return TrialState(state=State.FAILED, reason=reason, attempts=1, retry=retry)


def job(folder, name):
    trial = StoreFolder(folder).trial(name)
    trial.write_spec(make_spec(name))
    return Job(folder=trial, label=name, horizons=(1,), flops=1.0)


def tell(breaker, folder, *events):
    """Each event: trial, slot, state, seconds. Returns the verdicts that ask for something."""
    found = [breaker.ended(job(folder, name), slot, state, None, seconds) for name, slot, state, seconds in events]
    return [verdict for verdict in found if verdict != Verdict()]


def test_three_trials_failing_alike_and_fast_in_one_slot_accuse_the_slot(tmp_path):
    events = [(f"t{i}", "a", failed(f"device lost at step {i}"), 2.0) for i in range(3)]
    (verdict,) = tell(Breaker(("a", "b"), 3), tmp_path, ("t9", "b", DONE, 50.0), *events)
    assert (verdict.quarantine, verdict.stop) == ("a", None)
    assert [j.label for j in verdict.elsewhere] == ["t0", "t1", "t2"]


def test_trials_that_fail_each_in_its_own_way_or_slowly_accuse_no_slot(tmp_path):
    own = [(f"t{i}", "a", failed(reason), 2.0) for i, reason in enumerate(("no file", "killed", "code"))]
    assert tell(Breaker(("a", "b"), 3), tmp_path, *own) == []
    twice = [("t0", "a", failed("killed", retry=True), 1.0)] * 3
    assert tell(Breaker(("a", "b"), 3), tmp_path, *twice) == []  # one trial, whatever it does
    slow = [(f"t{i}", "a", failed("diverging grid"), 900.0) for i in range(3)]
    assert tell(Breaker(("a", "b"), 3), tmp_path, *slow) == []  # the other slot has not been heard of


def test_alike_in_two_slots_it_is_the_sweep(tmp_path):
    events = [("t0", "a", failed("no tokenizer"), 1.0), ("t1", "b", failed("no tokenizer"), 1.0)]
    (verdict,) = tell(Breaker(("a", "b"), 3), tmp_path, *events, ("t2", "a", failed("no tokenizer"), 1.0))
    assert "3 trials in a row failed alike: no tokenizer" in verdict.stop


def test_a_success_between_them_clears_the_row(tmp_path):
    bad = failed("no tokenizer")
    events = [("t0", "a", bad, 1.0), ("t1", "b", bad, 1.0), ("t2", "a", DONE, 1.0), ("t3", "b", bad, 1.0)]
    assert tell(Breaker(("a", "b"), 3), tmp_path, *events) == []
