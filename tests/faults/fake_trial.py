"""A trial's process without the training: does what its label says, with the real files.

Labels: ``ok``, ``raise``, ``kill-always``, ``kill-once``, ``segv``, ``exit3``, ``silent`` (exit 0, no results),
``diverge``, ``hang`` (until told to stop), ``hang-once``, ``deaf`` (for ever), ``stuck`` (for ever, and shows its
stacks when asked), ``frozen`` (stops itself with SIGSTOP), ``fill`` (writes a large checkpoint), ``eat`` (takes memory
until the kernel ends it), ``spawn`` (leaves a grandchild in a session of its own), ``slow``.
"""

import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

from support.stored import make_end, make_point

from scaling.errors import MachineError
from scaling.store.files import append_line, publish, read_json, write_atomic
from scaling.store.layout import TrialFolder
from scaling.store.records import CurveLine, Failure, to_json
from scaling.store.state import EXIT_UNWRITABLE


class Stop(Exception):
    pass


def burn():
    """A step takes a joule of each board it was given, where ``support/boards`` scripts them."""
    folder = os.environ.get("BOARDS")
    for uuid in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if folder else ():
        with Path(folder, uuid).open("ab", buffering=0) as file:
            file.write(b"J")


def misbehave(label, attempt):
    if label == "raise":
        raise ValueError("no such tokenizer 🙂")
    if label == "kill-always" or (label == "kill-once" and attempt.number == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if label == "segv":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    if label == "frozen":
        os.kill(os.getpid(), signal.SIGSTOP)
    if label == "fill":
        write_atomic(attempt.checkpoint_dir / "large", b"x" * 1_000_000)
    if label == "eat":
        hoard = [bytearray(os.urandom(1)) * 20_000_000 for _ in range(200)]
        print(len(hoard))
    if label == "exit3":
        print("leaving with three")
        sys.exit(3)
    if label == "silent":
        sys.exit(0)
    if label == "spawn":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        write_atomic(attempt.path / "grandchild", str(child.pid))


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
    label = os.environ.get("FAKE_SLOT") or os.environ.get(f"FAKE_{spec['label']}", spec["label"]).split()[0]
    pause = {"slow": 0.02, "hang": 0.02, "spawn": 0.02}.get(label, float(os.environ.get("FAKE_PAUSE", "0")))
    begin = resume_step(folder, attempt.number)
    horizons, batch, seed = spec["horizons"], spec["train"]["batch_tokens"], spec["seed"]
    for step in range(begin + 1, horizons[-1] // batch + 1):
        loss = 2.0 + 100.0 / (step + seed)
        burn()
        line = CurveLine(
            step=step, tokens=step * batch, loss_nats=loss, lr_scale=1.0, grad_norm=1.0, train_s=step * 0.01
        )
        append_line(attempt.curve_path, to_json(line))
        if step == begin + 2:
            misbehave(label, attempt)
        if label == "diverge" and step == 5:
            folder.publish_end(make_end(folder.id, 500, "diverged", "step 5: loss is nan"))
            return
        if step * batch in horizons:
            folder.publish_point(make_point(folder.id, step * batch, loss))
        time.sleep(pause)
        hangs = label == "hang" or (label == "hang-once" and attempt.number == 1)
        while label in ("deaf", "stuck") or (hangs and not stop):
            time.sleep(0.02)
        if stop or step % 10 == 0:
            write_atomic(attempt.checkpoint_dir / "state.json", json.dumps({"step": step}))
        if stop:
            raise Stop
    folder.publish_end(make_end(folder.id, horizons[-1]))
    for number in folder.attempts():
        shutil.rmtree(folder.attempt(number).checkpoint_dir, ignore_errors=True)


def main():
    store, trial, number = sys.argv[1:]
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    folder = TrialFolder(Path(store), trial)
    attempt = folder.attempt(int(number))
    try:
        train(folder, attempt, read_json(folder.spec_path))  # checking it takes longer than the rest of the start
    except Stop:
        sys.exit(75)
    except MachineError:
        traceback.print_exc()
        sys.exit(EXIT_UNWRITABLE)
    except Exception as error:  # noqa: BLE001
        failure = Failure(
            cause="error", message=f"{type(error).__name__}: {error}", exit_code=1, detail=traceback.format_exc()
        )
        publish(attempt.failure_path, to_json(failure))
        sys.exit(1)


if __name__ == "__main__":
    main()
