"""A trial of several processes without the training: real torchrun, real gloo, steps of 20 ms until told to stop."""

import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from support.stored import make_end, make_point

from scaling.store.files import append_line, write_atomic
from scaling.store.layout import TrialFolder
from scaling.store.records import CurveLine, to_json
from scaling.training.team import PeerLost, join_team

ENDLESS = {"once": 1, "thrice": 3}  # label: how many attempts train until they are ended


def main():
    import signal

    store, trial, number = sys.argv[1:]
    folder = TrialFolder(Path(store), trial)
    attempt = folder.attempt(int(number))
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    team = join_team()
    write_atomic(attempt.path / f"rank{team.rank}", str(os.getpid()))
    team.wait()
    spec = folder.read_spec()
    horizons = spec.horizons
    last = 10**6 if int(number) <= ENDLESS.get(spec.label, 0) else horizons[-1] // 100
    for step in range(1, last + 1):
        loss = team.mean(torch.tensor(2.0 + team.rank)).item()
        if team.any(bool(stop), torch.device("cpu")):
            if team.leads:
                write_atomic(attempt.checkpoint_dir / "state.json", f'{{"step": {step}}}')
            team.wait()
            return 75
        if team.leads:
            line = CurveLine(step=step, tokens=step * 100, loss_nats=loss, lr_scale=1.0, grad_norm=1.0, train_s=1.0)
            append_line(attempt.curve_path, to_json(line))
            if step * 100 in horizons:
                folder.publish_point(make_point(trial, step * 100, loss))
        time.sleep(0.02)
    if team.leads:
        folder.publish_end(make_end(trial, horizons[-1]))
    dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PeerLost:
        sys.exit(1)
