"""Trials trained by one process: a record for each, whatever dies, and the same numbers as alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from scaling.executor.local import MARK
from scaling.store import load
from scaling.store.layout import StoreFolder

pytestmark = pytest.mark.slow

SWEEP = """
schema: 1
name: seeds
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, n_layer: 1, head_dim: 8, norm: layernorm}
train: {batch_tokens: 512, warmup_steps: 5}
trials:
  - grid:
      axes: {model.d_model: [8], train.lr.hidden: [0.01, %s], seed: [0, 1]}
      horizons: [%s]
executor: {slots: %s, group: %s}
"""


def start(folder, name, group, horizons="50k, 100k", rate="0.02"):
    sweep = folder / f"{name}.yaml"
    sweep.write_text(SWEEP % (rate, horizons, 2 if group == "off" else 1, group))
    command = [sys.executable, "-m", "scaling", "run", str(sweep), "--out", str(folder / name), "--no-report"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return output


def losses(store):
    points = load(store).points()
    return dict(zip(zip(points["trial"], points["tokens"], strict=True), points["loss_nats"], strict=True))


def trial_processes(store):
    """Processes that train in this store."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.environ().get(MARK, "").startswith(str(store))
            inner = ours and os.getsid(process.pid) != process.pid  # a supervisor leads its session
            if inner and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def published(store):
    """Every file of results, by place and content."""
    return {p: p.read_bytes() for kind in ("points", "end") for p in Path(store).glob(f"trials/*/{kind}/*.json")}


def test_a_group_publishes_what_its_members_would_alone(tmp_path):
    finish(start(tmp_path, "grouped", "4"))
    finish(start(tmp_path, "alone", "off"))
    grouped, alone = losses(tmp_path / "grouped"), losses(tmp_path / "alone")
    assert grouped.keys() == alone.keys()  # the same ids: grouping is no part of identity
    assert len(grouped) == 8
    for key, loss in alone.items():
        assert grouped[key] == pytest.approx(loss, rel=0.01)  # 195 steps on: rounding has grown, the run is the same
    for name in StoreFolder(tmp_path / "grouped").trial_ids():
        trial = StoreFolder(tmp_path / "grouped").trial(name)
        end = trial.end()
        assert len(end.environment["group"]) == 4
        assert name in end.environment["group"]
        assert trial.attempts() == [1]
        assert (trial.path / end.weights["file"]).is_file()
        assert trial.attempt(1).curve_path.stat().st_size > 0
        assert end.seconds["train"] > 0


def test_a_killed_group_goes_on_together_and_publishes_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CHECKPOINT_S", "0.2")
    store = tmp_path / "killed"
    runner = start(tmp_path, "killed", "4", "50k, 400k")
    wait_for(lambda: len(list(store.glob("trials/*/points/50176.json"))) == 4)
    wait_for(lambda: list(store.glob("trials/*/a1/checkpoints/*.safetensors")))
    before = published(store)
    trial_processes(store)[0].kill()
    output = finish(runner)
    assert "trying once more" in output
    after = published(store)
    assert {p: after[p] for p in before} == before  # nothing published is written again
    assert len(after) == 4 * 3
    retried = list(store.glob("trials/*/a2/claim.json"))
    assert len(retried) == 4
    groups = [json.loads(p.read_text())["members"] for p in store.glob("trials/*/a2/group.json")]
    assert [len(members) for members in groups] == [4]
    resumed = [json.loads(p.read_text())["resumed_from_step"] for p in store.glob("trials/*/end/*.json")]
    assert all(step > 0 for step in resumed)


def test_what_a_killed_runner_leaves_is_finished_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CHECKPOINT_S", "0.2")
    store = tmp_path / "left"
    runner = start(tmp_path, "left", "4", "50k, 200k")
    wait_for(lambda: list(store.glob("trials/*/a1/checkpoints/*.safetensors")))
    runner.send_signal(signal.SIGKILL)
    runner.communicate(timeout=60)
    wait_for(lambda: not trial_processes(store))
    finish(start(tmp_path, "left", "off", "50k, 200k"))
    assert len(published(store)) == 4 * 3
    resumed = [json.loads(p.read_text())["resumed_from_step"] for p in store.glob("trials/*/end/*.json")]
    assert any(step > 0 for step in resumed)


def test_a_member_that_diverges_is_a_result_and_the_others_finish(tmp_path):
    output = finish(start(tmp_path, "wild", "4", rate="1e25"))
    ends = [StoreFolder(tmp_path / "wild").trial(name).end() for name in StoreFolder(tmp_path / "wild").trial_ids()]
    assert sorted(end.state for end in ends) == ["diverged"] * 2 + ["done"] * 2, output
    assert all("step" in end.reason for end in ends if end.state == "diverged")


def test_stopped_by_ctrl_c_every_member_resumes(tmp_path):
    store = tmp_path / "stopped"
    runner = start(tmp_path, "stopped", "4", "50k, 400k")
    wait_for(lambda: len(list(store.glob("trials/*/a1/curve.jsonl"))) == 4)
    runner.send_signal(signal.SIGINT)
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 130, output
    status = subprocess.run(
        [sys.executable, "-m", "scaling", "status", str(store), "--json"], capture_output=True, text=True, check=True
    )
    assert status.stdout.count('"interrupted"') >= 4
    finish(start(tmp_path, "stopped", "4", "50k, 400k"))
    resumed = [json.loads(p.read_text())["resumed_from_step"] for p in store.glob("trials/*/end/*.json")]
    assert len(resumed) == 4
    assert all(step > 0 for step in resumed)
