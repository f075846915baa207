"""``scaling run`` as a whole, with a real corpus, real processes and fake training."""

import json
import shutil

import pytest

from scaling.errors import Interrupted
from scaling.store import load
from scaling.store.claims import StoreLock

pytestmark = pytest.mark.slow  # a few seconds each where the machine is busy


class Terminal:
    def isatty(self):
        return True


def test_run_trains_once_and_then_has_nothing_to_do(place):
    code, text = place.run()
    assert code == 0, text
    assert "2 done" in text
    assert set(place.states().values()) == {"done"}
    sweep = json.loads((place.root / "sweep.json").read_text())
    assert sweep["name"] == "demo"
    assert sweep["origins"]["train.batch_tokens"].startswith("demo.yaml:")
    assert len(list((place.root / "host").glob("*.json"))) == 1
    before = {p: p.stat().st_mtime_ns for p in place.root.rglob("*.json")}
    code, text = place.run()
    assert (code, "nothing to do: 2 done" in text) == (0, True)
    assert {p: p.stat().st_mtime_ns for p in place.root.rglob("*.json")} == before


@pytest.mark.fault("failed trial", "exit 1; run again on request only")
def test_a_failed_trial_gives_1_and_is_run_again_on_request_only(place, monkeypatch):
    monkeypatch.setenv("FAKE_d8 s0", "raise")
    code, text = place.run()
    assert code == 1
    assert "ValueError: no such tokenizer" in text
    assert place.states() == {"d8 s0": "failed", "d12 s0": "done"}
    monkeypatch.delenv("FAKE_d8 s0")
    assert place.run()[0] == 1
    assert place.attempts() == {"d8 s0": 1, "d12 s0": 1}
    assert place.run("--retry-failed")[0] == 0
    assert place.attempts() == {"d8 s0": 2, "d12 s0": 1}


@pytest.mark.fault(
    "changed spec on resume",
    "the diff is shown, exit 2 without --accept-changes; what still belongs is kept, nothing is mixed",
)
def test_a_changed_sweep_needs_a_word_and_mixes_nothing(place):
    place.run()
    place.write(widths=(8, 16))
    code, text = place.run()
    assert code == 2
    assert "added: 1 (d16 s0); removed: 1 (d12 s0)" in text
    assert place.states() == {"d8 s0": "done", "d12 s0": "done"}
    assert place.run("--accept-changes")[0] == 0
    assert place.states() == {"d8 s0": "done", "d16 s0": "done", "d12 s0": "orphaned"}
    assert set(load(place.root).points()["label"]) == {"d8 s0", "d16 s0"}
    place.write(widths=(8, 12))
    assert place.run("--accept-changes")[0] == 0
    assert place.attempts() == {"d8 s0": 1, "d12 s0": 1, "d16 s0": 1}


def test_a_further_horizon_extends_the_same_trials(place):
    place.run()
    ids = set(load(place.root).trials()["trial"])
    place.write(horizons="1k, 2k, 4k")
    code, text = place.run("--accept-changes")
    assert code == 0, text
    assert "other horizons: 2" in text
    assert set(load(place.root).trials()["trial"]) == ids
    assert load(place.root).points().groupby("trial").size().tolist() == [3, 3]


def test_only_runs_the_named_trial(place):
    code, _ = place.run("--only", "d12 s0")
    assert code == 1  # done, but not everything
    assert place.states() == {"d8 s0": "pending", "d12 s0": "done"}
    code, text = place.run("--only", "nobody")
    assert (code, "no trial is named 'nobody'" in text) == (2, True)


@pytest.mark.fault("half-written record", "named; nothing else is lost")
def test_a_half_written_record_is_named_and_nothing_is_lost(place):
    place.run()
    points = sorted(place.root.glob("trials/*/points/*.json"))
    points[0].write_bytes(points[0].read_bytes()[:50])
    code, text = place.run()
    assert code == 1
    assert points[0].name in text.replace("\n", "")
    assert sum(place.attempts().values()) == 2
    points[0].rename(points[0].with_suffix(".damaged"))
    assert place.run()[0] == 0
    assert set(place.states().values()) == {"done"}


@pytest.mark.fault("damaged file of a trial", "the other trials run")
@pytest.mark.parametrize("name", ["a1/claim.json", "end/640.json", "spec.json"])
def test_any_damaged_file_of_one_trial_leaves_the_other_alone(place, monkeypatch, name):
    monkeypatch.setenv("FAKE_d8 s0", "diverge" if name.startswith("end") else "raise")
    place.run("--only", "d8 s0")
    victim = next(path for path in place.root.glob("trials/*/a1")).parent
    (victim / name).write_text('{"torn')
    code, text = place.run()
    assert code == 1, text
    assert place.states()["d12 s0"] == "done"


def test_a_long_sweep_asks_on_a_terminal_only(place, monkeypatch):
    from scaling.cli import run
    from scaling.cli.planning import resolve
    from scaling.cli.timing import Expected
    from scaling.cost.forecast import Forecast

    trials = resolve("demo.yaml").trials
    hours = Forecast(seconds=7200.0, train_s=7000.0, seconds_reason=None, energy_j=None, energy_reason="unknown")
    ids = [trial.id for trial in trials]
    expected = Expected(
        forecasts=dict.fromkeys(ids, hours), slots=len(ids), calibration=None, groups=[[name] for name in ids]
    )
    asked = []
    monkeypatch.setattr(run.typer, "confirm", lambda question, **_: asked.append(question))
    run._confirm(expected, 2, yes=False)  # no terminal here
    assert asked == []
    monkeypatch.setattr(run.sys, "stdin", Terminal())
    monkeypatch.setattr(run.sys, "stderr", Terminal())
    run._confirm(expected, 2, yes=True)
    assert asked == []
    with pytest.raises(Interrupted):
        run._confirm(expected, 2, yes=False)
    assert "2 trials, about 2 h" in asked[0]


@pytest.mark.fault("same sweep started twice", "the second says who runs it and starts nothing")
def test_a_store_that_is_being_run_shows_its_status_instead(place):
    place.run()
    lock = StoreLock(place.root / ".lock")
    assert lock.acquire()
    code, text = place.run()
    lock.release()
    assert code == 2
    assert "is being run by process" in text
    assert "2/2" in text


@pytest.mark.fault("store of another sweep, or in an impossible place", "refused (2), or said (3)")
def test_another_sweeps_store_and_an_impossible_one_are_refused(place):
    place.run()
    code, text = place.call("run", "demo.yaml", "--set", "name=other", "--out", "runs/demo")
    assert (code, "belongs to the sweep 'demo'" in text) == (2, True)
    code, text = place.call("run", "demo.yaml", "--out", "/proc/no-such-place/store")
    assert (code, "cannot write" in text) == (3, True)


def test_status_and_export_read_the_store(place):
    place.run()
    code, text = place.call("status", "--json")
    assert code == 0
    assert json.loads(text)["counts"] == {"done": 2}
    assert "100% of the FLOPs" in place.call("status", "runs/demo")[1]
    for name in ("csv", "json", "parquet"):
        assert place.call("export", "runs/demo", "--format", name, "--out", name)[0] == 0
        written = {p.name for p in (place.path / name).iterdir()}
        frames = ("points", "trials", "curves", "samples", "abilities", "tuned", "best_of")
        assert written == {*(f"{frame}.{name}" for frame in frames), "dictionary.json"}
    rows = json.loads((place.path / "json" / "points.json").read_text())
    assert [row["loss_nats"] for row in rows] == load(place.root).points()["loss_nats"].tolist()
    assert place.call("export", "nowhere")[0] == place.call("status", "nowhere")[0] == 2


def test_parquet_without_pyarrow_says_what_to_install(place, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, text = place.call("export", "runs/demo", "--format", "parquet")
    assert (code, "scaling-bench[parquet]" in text) == (3, True)


def test_shards_fill_one_store_and_none_of_them_reports(place):
    for part in ("1/2", "2/2"):
        code, text = place.call("run", "demo.yaml", "--shard", part)
        assert code == 0, text
    assert place.states() == {"d8 s0": "done", "d12 s0": "done"}
    assert place.attempts() == {"d8 s0": 1, "d12 s0": 1}
    assert not (place.root / "report.html").exists()


def test_stores_of_shards_are_brought_together_by_copying(place):
    assert place.run()[0] == 0
    whole = load(place.root).points().sort_values(["trial", "tokens"]).reset_index(drop=True)
    merged = place.path / "merged"
    for part in ("1/2", "2/2"):
        assert place.run("--shard", part, "--out", f"part {part[0]}")[0] == 0
        shutil.copytree(place.path / f"part {part[0]}", merged, dirs_exist_ok=True)
    found = load(merged).points().sort_values(["trial", "tokens"]).reset_index(drop=True)
    for column in ("trial", "tokens", "loss_nats", "flops_train"):
        assert found[column].tolist() == whole[column].tolist()
