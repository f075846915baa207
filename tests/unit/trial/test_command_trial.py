"""Commands run for real: small scripts in processes of their own."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from scaling.meters.rapl import why_no_rapl
from scaling.spec.command import CommandTrialSpec
from scaling.store import load
from scaling.store.layout import StoreFolder
from scaling.store.state import State, read_failure, read_state
from scaling.trial import command


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(command, "_LOOK_S", 0.01)
    before = signal.getsignal(signal.SIGTERM)

    def make(script, *, horizons=(1000,), trunk=False, stdout=(), batch=None, run=None):
        (tmp_path / "s.py").write_text(textwrap.dedent(script))
        spec = CommandTrialSpec(
            run=run or (sys.executable, "s.py", "{name}", "{metrics}", "{out_dir}"),
            values={"name": "a; touch pwned", "width": 3},
            seed=0,
            cwd=str(tmp_path),
            inputs={"s.py": "0"},
            stdout=dict(stdout),
            trunk=trunk,
            horizons=horizons,
            flops_train=tuple(6e3 * h for h in horizons),
            flops_convention="6 * params * tokens",
            params_total=1000,
            params_non_embedding=None,
            params_convention="1000",
            batch_tokens=batch,
            anneal="own",
            label="theirs",
        )
        store = StoreFolder(tmp_path / "ein store")
        folder = store.trial("t0")
        folder.write_spec(spec)
        store.write_sweep({"name": "x", "trials": [{"id": "t0", "label": "theirs", "horizons": list(horizons)}]})
        return folder

    yield make
    signal.signal(signal.SIGTERM, before)


def run(folder):
    attempt = folder.new_attempt()
    return command.main([str(folder.root), folder.id, str(attempt.number)]), attempt


WRITES = """
    import json, sys
    name, metrics, out = sys.argv[1:]
    assert name == "a; touch pwned"
    def tell(**numbers):
        with open(metrics, "a") as file:
            file.write(json.dumps(numbers) + "\\n")
"""


def test_a_command_that_writes_metrics_is_published_like_any_trial(make, tmp_path):
    folder = make(
        WRITES
        + """
    tell(params_total=1234, params_non_embedding=1000)
    for step in (1, 2, 3):
        tell(step=step, tokens=step * 330, loss=3.0 - step / 10)
    tell(step=3, tokens=995, val_loss=2.5, bpb=1.1, hellaswag=0.3)
    """
    )
    assert run(folder)[0] == 0
    (point,) = folder.points()
    assert (point.tokens, point.loss_nats, point.bpb, point.flops_train, point.flops_6nd) == (
        1000,
        2.5,
        1.1,
        6e6,
        7.404e6,
    )
    assert (point.tokens_unique, point.loss_se_nats) == (None, None)
    assert point.probes == {"reported": {"hellaswag": 0.3}}
    end = folder.end()
    assert (end.state, end.params_total, end.params_non_embedding, end.params_matmul) == ("done", 1234, 1000, None)
    assert end.environment["params_convention"] == "as the trainer told"
    assert read_state(folder, (1000,)).state is State.DONE
    assert not (tmp_path / "pwned").exists()
    store = load(folder.root)
    assert store.points()["params_total"].tolist() == [1234]
    assert store.curves()["loss_nats"].tolist() == pytest.approx([2.9, 2.8, 2.7])
    assert store.trials()["lr_hidden"].isna().all()


def test_joules_of_a_processor_with_company_are_missing_for_the_first_cause(make, monkeypatch):
    monkeypatch.setenv("SCALING_SLOTS", "2")
    folder = make(WRITES + "    tell(step=1, tokens=1000, val_loss=2.5)")
    assert run(folder)[0] == 0
    assert (why_no_rapl() or "every trial that ran beside") in folder.end().energy_cpu_j.reason


def test_a_trunk_publishes_a_point_at_every_horizon_as_it_passes(make):
    folder = make(
        WRITES
        + """
    for step in range(1, 21):
        tell(step=step, val_loss=3.0 / step)
    """,
        horizons=(1000, 2000),
        trunk=True,
        batch=100,
    )
    assert run(folder)[0] == 0
    assert [(p.tokens, p.loss_nats, p.step) for p in folder.points()] == [(1000, 0.3, 10), (2000, 0.15, 20)]


def test_numbers_are_read_from_what_a_trainer_prints(make):
    patterns = {"val_loss": "val loss ([0-9.]+)", "train_loss": "train loss ([0-9.]+)", "step": "step ([0-9]+)"}
    folder = make('print("step 10: train loss 3.10, val loss 2.75")', stdout=patterns, batch=100)
    assert run(folder)[0] == 0
    assert folder.points()[0].loss_nats == 2.75


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')"])
def test_a_loss_that_is_no_number_is_a_divergence_and_ends_the_command(make, value):
    folder = make(
        WRITES
        + f"""
    import time
    tell(step=5, tokens=500, loss={value})
    time.sleep(60)
    """
    )
    began = time.monotonic()
    assert run(folder)[0] == 0
    assert time.monotonic() - began < 30
    state = read_state(folder, (1000,))
    assert (state.state, "train_loss is" in state.reason) == (State.DIVERGED, True)
    assert folder.end().tokens == 500


@pytest.mark.parametrize(
    ("script", "cause", "message"),
    [
        ("raise SystemExit('no data here')", "error", "ended with code 1: no data here"),
        ("import os; os.kill(os.getpid(), 9)", "killed", "ended with SIGKILL"),
        ("raise RuntimeError('CUDA out of memory. Tried')", "cuda_oom", "CUDA out of memory"),
        ("print('fine')", "error", "told no val_loss in the file"),
        (WRITES + "\n    tell(tokens=400, val_loss=2.0)", "error", "is at 400 tokens, not at the 1,000 asked for"),
    ],
)
def test_why_a_command_gave_no_result(make, script, cause, message):
    folder = make(script)
    code, attempt = run(folder)
    assert code == 1
    failure = read_failure(attempt)
    assert (failure.cause, message in failure.message) == (cause, True)
    assert folder.points() == []


def test_a_command_that_is_not_there_says_so(make):
    code, attempt = run(make("", run=("/no/such/trainer",)))
    assert code == 1
    assert "cannot run '/no/such/trainer'" in read_failure(attempt).message


def test_a_request_to_stop_is_passed_on_and_the_next_attempt_finds_what_was_kept(make):
    folder = make(
        WRITES
        + """
    import os, pathlib, signal, time
    kept = pathlib.Path(out) / "state"
    assert out == os.environ["SCALING_OUT_DIR"] and metrics == os.environ["SCALING_METRICS"]
    if os.environ.get("SCALING_RESUME") == "1":
        tell(tokens=1000, val_loss=float(kept.read_text()))
        sys.exit()
    def stop(*_):
        kept.write_text("1.5")
        sys.exit(143)
    signal.signal(signal.SIGTERM, stop)
    tell(step=1, tokens=10, loss=1.0)
    time.sleep(60)
    """
    )
    attempt = folder.new_attempt()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "scaling.trial", str(folder.root), "t0", "1"], env=environment)
    deadline = time.monotonic() + 20
    while not attempt.curve_path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    assert process.wait(20) == 75
    assert run(folder)[0] == 0
    assert folder.points()[0].loss_nats == 1.5


def test_a_command_loads_no_torch(make):
    code = "import sys, scaling.trial.command, scaling.trial.__main__; print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).stdout == b"False\n"
