"""Disks that are full, limited or read-only: the sweep pauses with a clear error, and nothing on them is torn."""

import contextlib
import json
import os
import resource
import subprocess
import sys

import pytest
from support.fake_sweep import Sweep

from scaling.errors import MachineError
from scaling.store.state import State, read_attempts

pytestmark = pytest.mark.slow
PAUSES = "the sweep pauses with a clear error; no record is torn; the same command goes on when there is room"


@pytest.fixture
def mount(tmp_path):
    """Mount real small file systems; only root may."""
    folder = tmp_path / "a disk"
    folder.mkdir()

    def mount(options):
        found = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if found.returncode:
            pytest.skip(f"cannot mount here: {found.stderr.decode().strip()}")
        return folder

    yield mount
    subprocess.run(["umount", "-l", str(folder)], capture_output=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def assert_whole(root):
    """Every record in a store is whole JSON; logs may end in a torn line, which readers drop."""
    for path in root.rglob("*.json"):
        json.loads(path.read_text())
    assert list(root.rglob(".*.tmp")) == []


@pytest.mark.fault("full disk", PAUSES)
def test_a_full_disk_pauses_the_sweep_which_goes_on_when_there_is_room(mount, make_sweep):
    disk = mount("size=400k")
    sweep = Sweep(disk / "store", ["fill", "ok", "ok"])
    del make_sweep  # only for the path of its fake trial
    with pytest.raises(MachineError, match="can no longer be written: the sweep pauses"):
        sweep.run(slots=1, min_free_bytes=0)
    assert_whole(disk)
    assert sweep.states()["t0"] in (State.INTERRUPTED, State.PENDING)
    remount(disk, "size=64m")
    outcome = sweep.run(slots=1, min_free_bytes=0)
    assert {s.state for s in outcome.states.values()} == {State.DONE}
    assert_whole(disk)


@pytest.mark.fault("full disk", PAUSES)
@pytest.mark.parametrize("free_kib", [8, 16, 24, 48, 96])
def test_a_disk_that_fills_at_any_moment_leaves_no_torn_record(mount, make_sweep, free_kib):
    disk = mount("size=4m")
    sweep = Sweep(disk / "store", ["ok", "ok", "ok"])
    room = os.statvfs(disk)
    (disk / "ballast").write_bytes(b"x" * (room.f_bavail * room.f_bsize - free_kib * 1024))
    with contextlib.suppress(MachineError):
        sweep.run(slots=1, min_free_bytes=0)
    assert_whole(disk)
    assert State.FAILED not in sweep.states().values()
    (disk / "ballast").unlink()
    sweep.run(slots=1, min_free_bytes=0)
    assert set(sweep.states().values()) == {State.DONE}


@pytest.mark.fault("file size limit or quota", PAUSES)
def test_a_limit_on_file_sizes_pauses_the_sweep(make_sweep):
    sweep = make_sweep("fill", "ok")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))  # noqa: E731
    runner = sweep.start_process(preexec_fn=limit)  # one thread here
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 3, output
    assert "the sweep pauses" in output
    assert_whole(sweep.store.root)
    assert sweep.states()["t0"] is State.INTERRUPTED
    last = sweep.start_process()
    assert last.communicate(timeout=60)
    assert set(sweep.states().values()) == {State.DONE}


@pytest.mark.fault("disk nearly full before a start", "nothing is started on it")
def test_nothing_is_started_where_the_results_would_not_fit(mount, make_sweep):
    disk = mount("size=1m")
    sweep = Sweep(disk / "store", ["ok"])
    with pytest.raises(MachineError, match="MiB free"):
        sweep.run()
    assert read_attempts(sweep.jobs[0].folder) == []


@pytest.mark.fault("read-only store", "run says so (exit 3), status and fit read it")
def test_a_read_only_store_is_read_and_not_run(mount, tmp_path):
    disk = mount("size=64m")
    (tmp_path / "s.yaml").write_text(
        "schema: 1\nname: ro\ndata: {context: 32, validation_tokens: 2048}\nmodel: {n_layer: 1, head_dim: 4}\n"
        "train: {batch_tokens: 128}\ntrials:\n  - ladder: {sizes: [{d_model: 8}], horizons: [2k], seeds: [0]}\n"
    )

    def scaling(*words):
        command = [sys.executable, "-m", "scaling", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)

    made = scaling("run", "s.yaml", "--out", str(disk / "store"), "--no-report")
    assert made.returncode == 0, made.stderr
    remount(disk, "ro")
    refused = scaling("run", "s.yaml", "--out", str(disk / "store"), "--set", "trials.0.ladder.horizons=[4k]")
    assert (refused.returncode, "cannot write" in refused.stderr) == (3, True), refused.stderr
    assert "Traceback" not in refused.stderr
    assert scaling("status", str(disk / "store")).returncode == 0
