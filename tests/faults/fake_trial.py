"""A trial's process without the training: does what its label says, with the real files.

Labels: ``ok``, ``raise``, ``kill-always``, ``kill-once``, ``segv``, ``exit3``, ``silent`` (exit 0, no results),
``diverge``, ``hang``, ``spawn`` (leaves a grandchild in a session of its own), ``slow``.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from scaling.provenance import Reading
from scaling.store.files import append_line, publish, write_atomic
from scaling.store.layout import TrialFolder
from scaling.store.records import (
    CurveLine,
    EndRecord,
    Failure,
    Point,
    SteadyWindow,
    Utilisation,
    to_json,
)

NONE = Reading.missing("a fake trial meters nothing")


class Stop(Exception):
    pass


def point(trial, tokens, loss, fingerprint="v"):
    return Point(
        trial=trial,
        tokens=tokens,
        step=tokens // 100,
        tokens_unique=tokens,
        epochs=1.0,
        flops_train=6.0 * tokens,
        flops_train_full_attention=7.0 * tokens,
        flops_6nd=6.0 * tokens,
        loss_nats=loss,
        loss_se_nats=0.01,
        bpb=loss / 0.7,
        anneal="average",
        train_s=1.0,
        energy_gpu_j=NONE,
        validation_fingerprint=fingerprint,
    )


def end(trial, tokens, state="done", reason=None, resumed=0):
    return EndRecord(
        trial=trial,
        state=state,
        reason=reason,
        tokens=tokens,
        params_total=1,
        params_non_embedding=1,
        params_matmul=1,
        param_groups={"all": 1},
        flops_per_token={"train": 6.0, "train_full_attention": 7.0, "rough_6n": 6.0, "forward": 2.0},
        steady=SteadyWindow(step_first=1, step_last=2, seconds=1.0, tokens_per_s=None, reason="fake"),
        utilisation=Utilisation(
            mfu=None, flops_convention="flops_train", peak_flops_per_s=None, peak_source=None, reason="fake"
        ),
        memory_peak_bytes={"host_rss": 1.0},
        memory_predicted_bytes={"weights": 1.0},
        energy_gpu_j=NONE,
        energy_cpu_j=NONE,
        energy_ram_j=NONE,
        power_idle_w=NONE,
        seconds={"total": 1.0, "train": 0.5},
        environment={"device": "fake"},
        resumed_from_step=resumed,
    )


def misbehave(label, number):
    if label == "raise":
        raise ValueError("no such tokenizer 🙂")
    if label == "kill-always" or (label == "kill-once" and number == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if label == "segv":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    if label == "exit3":
        print("leaving with three")
        sys.exit(3)
    if label == "silent":
        sys.exit(0)
    if label == "spawn":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        print("grandchild", child.pid, flush=True)


def resume_step(folder, number):
    steps = [0]
    for earlier in range(1, number):
        saved = folder.attempt(earlier).checkpoint_dir / "state.json"
        if saved.exists():
            steps.append(json.loads(saved.read_text())["step"])
    return max(steps)


def train(folder, attempt, spec):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    label = spec.label.split()[0]
    pause = {"slow": 0.02, "hang": 0.02, "spawn": 0.02}.get(label, 0.0)
    begin = resume_step(folder, attempt.number)
    horizons = list(spec.horizons)
    for step in range(begin + 1, horizons[-1] // 100 + 1):
        loss = 2.0 + 100.0 / (step + spec.seed)
        line = CurveLine(step=step, tokens=step * 100, loss_nats=loss, lr_scale=1.0, grad_norm=1.0, train_s=step * 0.01)
        append_line(attempt.curve_path, to_json(line))
        if step == begin + 2:
            misbehave(label, attempt.number)
        if label == "diverge" and step == 5:
            folder.publish_end(end(folder.id, 500, "diverged", "step 5: loss is nan"))
            return
        if step * 100 in horizons:
            folder.publish_point(point(folder.id, step * 100, loss))
        time.sleep(pause)
        while label == "hang" and not stop:
            time.sleep(0.02)
        if stop or step % 10 == 0:
            write_atomic(attempt.checkpoint_dir / "state.json", json.dumps({"step": step}))
        if stop:
            raise Stop
    folder.publish_end(end(folder.id, horizons[-1], resumed=begin))


def main():
    store, trial, number = sys.argv[1:]
    folder = TrialFolder(Path(store), trial)
    attempt = folder.attempt(int(number))
    try:
        train(folder, attempt, folder.read_spec())
    except Stop:
        sys.exit(75)
    except Exception as error:
        failure = Failure(
            cause="error", message=f"{type(error).__name__}: {error}", exit_code=1, detail=traceback.format_exc()
        )
        publish(attempt.failure_path, to_json(failure))
        sys.exit(1)


if __name__ == "__main__":
    main()
