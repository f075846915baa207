import pytest
from support.stored import make_end, make_line, make_point, make_spec

from scaling.cli.status import document, shown, summary, table
from scaling.executor.handles import Handle, read_handle, write_handle
from scaling.executor.shards import Shard, ShardLock
from scaling.store.claims import StoreLock, this_process, to_json
from scaling.store.files import BadRecord, append_line, publish
from scaling.store.layout import StoreFolder


def book(attempt, seconds, gpus=1, joules=None):
    energy = {"value": joules, "provenance": "measured_counter" if joules else "unavailable", "reason": "x"}
    publish(attempt.exit_path, {"exit_code": 0, "seconds": seconds, "gpus": gpus, "energy_gpu_j": energy})


@pytest.fixture
def store(tmp_path):
    """One trial done, one running on a slot, one not begun; 1 GFLOP each."""
    store = StoreFolder(tmp_path)
    rows = [{"id": f"t{i}", "label": f"d{i} s0", "horizons": [1000, 2000], "flops_train": 1e9} for i in range(3)]
    store.write_sweep({"name": "seen", "trials": rows})
    for row in rows:
        store.trial(row["id"]).write_spec(make_spec(row["label"]))
    done = store.trial("t0")
    book(done.new_attempt(), 10.0, joules=3000.0)
    for tokens in (1000, 2000):
        done.publish_point(make_point("t0", tokens))
    done.publish_end(make_end("t0"))
    attempt = store.trial("t1").new_attempt()
    write_handle(attempt, Handle(executor="local", handle="x", place="core 1"))
    publish(attempt.claim_path, to_json(this_process()))
    append_line(attempt.curve_path, {**make_line(5), "train_s": 2.5})  # 500 of 2000 tokens
    return store


def test_status_says_where_each_runs_what_is_left_and_what_was_used(store):
    status = document(store)
    done, running, pending = status["trials"]
    assert status["counts"] == {"done": 1, "running": 1, "pending": 1}
    assert (running["place"], running["host"]) == ("core 1", this_process().host)
    assert (done["place"], pending["place"]) == (None, None)
    assert running["share"] == 0.25
    assert status["eta_s"] == pytest.approx(0.75 * 10 + 10, rel=0.01)  # both trials go at 10 s each
    assert (status["gpu_hours"], status["energy_gpu_j"]) == (10 / 3600, 3000.0)
    assert (done["seconds"], running["seconds"]) == (10.0, 0.0)
    text = " ".join(summary(status))
    assert "about 17 s left" in text or "about 18 s left" in text
    assert "3 kJ" in text
    assert table(status["trials"]).row_count == 3


def test_a_handle_whose_content_the_machine_lost_is_no_handle(store):
    attempt = store.trial("t1").attempt(1)
    attempt.handle_path.write_bytes(b"")
    assert read_handle(attempt) is None
    attempt.handle_path.write_bytes(b'{"execut')
    with pytest.raises(BadRecord, match=r"handle\.json"):
        read_handle(attempt)


def test_energy_that_was_not_measured_throughout_is_missing(store):
    book(store.trial("t1").attempt(1), 5.0)
    status = document(store)
    assert status["energy_gpu_j"] is None
    assert "no counter was read for some" in status["energy_gpu_reason"]
    assert status["gpu_hours"] == pytest.approx(15 / 3600)
    assert status["trials"][2]["energy_gpu_reason"] == "no GPU was used"


def test_without_a_running_trial_there_is_no_time_left(store):
    (store.trial("t1").attempt(1).claim_path).unlink()
    assert document(store)["eta_s"] is None


def test_who_runs_it_is_told_for_the_whole_and_for_shards(store):
    assert summary(document(store))[0].endswith("nobody runs it now")
    me = {"host": this_process().host, "pid": this_process().pid}
    shards = [ShardLock(store, Shard(i, 3)) for i in (3, 1)]
    assert [lock.acquire() for lock in shards] == [True, True]
    assert document(store)["run_by"] == [{**me, "shard": "1/3"}, {**me, "shard": "3/3"}]
    assert "(shard 1/3), process" in summary(document(store))[0]
    for lock in shards:
        lock.release()
    whole = StoreLock(store.lock_path)
    assert whole.acquire()
    assert document(store)["run_by"] == [{**me, "shard": None}]
    whole.release()


def test_of_many_trials_those_are_listed_that_run_or_need_somebody():
    states = ["done"] * 50 + ["failed", "pending", "running"]
    trials = [{"id": i, "state": state} for i, state in enumerate(states)]
    assert shown(trials, 100) == trials
    assert [trial["id"] for trial in shown(trials, 4)] == [0, 50, 51, 52]


def test_a_link_out_of_the_store_fails_its_trial_alone(store, tmp_path):
    (store.trial("t2").path / "points").symlink_to(tmp_path.parent)
    states = {trial["id"]: (trial["state"], trial["reason"]) for trial in document(store)["trials"]}
    assert states["t0"] == ("done", None)
    assert states["t2"][0] == "failed"
    assert "leads out of the store" in states["t2"][1]
