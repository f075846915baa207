"""Every figure that needs a GPU, in one call of at most nine minutes: no network, results as JSON with a power trace.

    python benchmarks/gpu/run_all.py --out DIR             on a machine with one NVIDIA GPU
    python benchmarks/gpu/run_all.py --out DIR --dry-run   on any machine: tiny shapes, to see that every part runs

Parts: calibration (matrix products, step times) · MFU of a 350M model, compiled, bfloat16 · joules by counter, by
samples and through codecarbon · short windows against long ones · predicted against measured memory and step time.
What does not fit the time is listed as skipped.
"""

import argparse
import csv
import dataclasses
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from scaling.cost.forecast import StepModel
from scaling.data import WindowStream
from scaling.families import get_family
from scaling.hardware import peak_flops_per_s, scan_gpus
from scaling.meters.gpu import open_gpu_meter
from scaling.meters.host import BoardTracker
from scaling.meters.trace import integrate_j
from scaling.models import build
from scaling.models.objective import next_token_losses
from scaling.spec.resolve import recipe_of
from scaling.spec.schema import TrainSpec
from scaling.store.calibration import write_calibration
from scaling.training.loop import Trainer, fresh_state
from scaling.trial import calibrate
from scaling.trial import device as hardware
from scaling.trial.replay import Unobserved

BUDGET_S = 8.5 * 60
GPT = get_family("gpt")
VOCAB = 50_304
LARGE = {"d_model": 1024, "n_layer": 24, "head_dim": 64, "activation": "gelu", "norm": "layernorm", "qk_norm": False}
UNSEEN = (
    calibrate.Shape(d_model=384, n_layer=6, context=1024, batch_tokens=32_768, precision="bfloat16", head_dim=64),
    calibrate.Shape(d_model=768, n_layer=12, context=1024, batch_tokens=32_768, precision="bfloat16", head_dim=64),
    calibrate.Shape(d_model=512, n_layer=8, context=512, batch_tokens=65_536, precision="bfloat16", head_dim=64),
)
TINY = calibrate.Shape(d_model=24)


class Bench:
    """Device, meter and results so far."""

    def __init__(self, out, dry_run):
        self.out, self.dry = out, dry_run
        self.began = time.perf_counter()
        self.device = torch.device("cpu") if dry_run else torch.device("cuda")
        self.uuid = hardware.gpu_uuid(self.device)
        self.meter = open_gpu_meter(self.uuid, hardware.synchroniser(self.device))
        self.results = {"skipped": []}

    def part(self, name, seconds, run):
        """Run a part unless it would pass the budget; a part that fails is recorded and ends nothing else."""
        if time.perf_counter() - self.began + seconds > BUDGET_S:
            self.results["skipped"].append(f"{name}: {seconds} s did not fit")
            return
        try:
            self.results[name] = run(self)
        except Exception as error:  # noqa: BLE001  # one figure lost must not lose the others
            self.results[name] = {"failed": repr(error)[:500]}
        (self.out / "results.json").write_text(json.dumps(self.results, indent=1, default=str) + "\n")
        print(f"{time.perf_counter() - self.began:6.1f} s  {name}", flush=True)

    def seconds(self, full):
        return 1.0 if self.dry else full


def trainer_of(bench, model, batch_tokens, context, vocab_size, *, compiled=False, **train):
    spec = TrainSpec.model_validate({"batch_tokens": batch_tokens, "compile": compiled, **train})
    config = GPT.build_config(model, vocab_size, context)
    tokens = np.random.default_rng(0).integers(0, vocab_size, 8 * batch_tokens + 1, dtype=np.uint16)
    stream = WindowStream(tokens, context, batch_tokens // context, seed=0)
    state = fresh_state(build(GPT, config).to(bench.device), spec)
    objective = torch.compile(next_token_losses) if compiled else next_token_losses
    return Trainer(state, objective, stream, spec, bench.device, Unobserved()), config, spec


def large(bench):
    if bench.dry:
        model = {**LARGE, "d_model": 64, "n_layer": 2}
        return trainer_of(bench, model, 256, 64, 512, optimizer="adamw")
    keys = {"optimizer": "adamw", "precision": "bfloat16", "compiled": True}
    return trainer_of(bench, LARGE, 32 * 1024, 1024, VOCAB, **keys)


def run_calibration(bench):
    name = hardware.calibrated_name(bench.device)
    found = calibrate.calibrate(bench.device, name, start_s=0.0, meter=bench.meter)
    write_calibration(found)
    bench.calibration = found
    return found.to_json()


def run_mfu(bench):
    """Tokens/s and MFU of a 350M model; its memory beside the prediction."""
    bench.large, config, spec = large(bench)
    if bench.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    state = bench.large.state
    bench.large.run([10])
    before = state.train_s
    bench.large.run([state.step + (8 if bench.dry else 60)])
    rate = (state.step - 10) * spec.batch_tokens / (state.train_s - before)
    flops = GPT.flops_per_token(config)
    used = hardware.utilisation(bench.device, spec.precision, flops, rate, slots=1)
    measured = torch.cuda.max_memory_allocated() if bench.device.type == "cuda" else None
    parts = GPT.memory_bytes(config, recipe_of(spec))
    return {
        "params_total": GPT.params(config).total,
        "tokens_per_s": rate,
        "utilisation": dataclasses.asdict(used),
        "memory_predicted_bytes": parts,
        "memory_measured_bytes": measured,
        "memory_ratio": None if measured is None else sum(parts.values()) / measured,
    }


def metered(bench, seconds, name):
    """Train the large model for so long in a window; return it and its tokens."""
    trainer = bench.large
    trainer.run([trainer.state.step + 2])
    first, began = trainer.state.step, time.perf_counter()
    bench.meter.begin(name)
    while time.perf_counter() - began < seconds:
        trainer.run([trainer.state.step + 2])
    return bench.meter.end(name), (trainer.state.step - first) * trainer.train.batch_tokens


def run_energy(bench):
    """One stretch read three ways, and the idle board."""
    idle = bench.meter.idle_power_w(bench.seconds(5.0))
    tracker = BoardTracker(bench.uuid) if bench.uuid else None
    if tracker is not None:
        tracker.start()
    window, tokens = metered(bench, bench.seconds(40.0), "energy")
    codecarbon = tracker.stop() if tracker is not None else None
    with (bench.out / "power.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("seconds", "power_w"), *window.power_samples])
    sampled = integrate_j(window.power_samples, window.seconds) if window.power_samples else None
    counter = window.energy_j
    ratio = None if sampled is None or counter.value is None else sampled / counter.value
    return {
        "power_idle_w": idle.to_json(),
        "seconds": window.seconds,
        "tokens": tokens,
        "counter_j": counter.to_json(),
        "sampled_j": sampled,
        "sampled_over_counter": ratio,
        "codecarbon_j": None if codecarbon is None else codecarbon.to_json(),
        "energy_per_token_j": counter.scaled(1 / tokens).to_json(),
        "notes": window.notes,
    }


def run_short_windows(bench):
    """Joules per token in windows of 0.5 to 10 s, over that of the long window."""
    per_token = bench.results["energy"]["energy_per_token_j"]["value"]
    rows = []
    for length in (0.5, 1.0, 2.0, 5.0, 10.0):
        for _ in range(3):
            window, tokens = metered(bench, bench.seconds(length), "short")
            joules = window.energy_j.value
            ratio = None if joules is None or per_token is None else joules / tokens / per_token
            rows.append({"seconds": window.seconds, "ratio": ratio, "reason": window.energy_j.reason})
    return rows


def run_forecast(bench):
    """Step time and memory of shapes that the calibration has not timed."""
    bench.large = None
    model = StepModel(bench.calibration)
    rows = []
    for shape in (TINY,) if bench.dry else UNSEEN:
        if bench.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        timed = calibrate.time_shape(shape, bench.device)
        config = GPT.build_config(shape.model(), timed.vocab_size, shape.context)
        spec = TrainSpec.model_validate(
            {"optimizer": shape.optimizer, "precision": shape.precision, "batch_tokens": shape.batch_tokens}
        )
        measured = torch.cuda.max_memory_allocated() if bench.device.type == "cuda" else None
        predicted = sum(GPT.memory_bytes(config, recipe_of(spec)).values())
        rows.append(
            {
                "shape": dataclasses.asdict(shape),
                "step_s": timed.step_s,
                "step_predicted_s": model.step_s(timed),
                "tokens_per_s": shape.batch_tokens / timed.step_s,
                "memory_measured_bytes": measured,
                "memory_predicted_bytes": predicted,
            }
        )
    return rows


def describe(bench):
    """Card, driver, versions, date."""
    scan = scan_gpus()
    card = hardware.device_name(bench.device)
    peak = peak_flops_per_s(card, "bfloat16") if bench.device.type == "cuda" else None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": card,
        "driver": scan.gpus[0].driver if scan.gpus else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "data_sheet_peak_flops_per_s": None if peak is None else peak.value,
        "dry_run": bench.dry,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    if not options.dry_run and not torch.cuda.is_available():
        raise SystemExit("no GPU here: --dry-run tries every part on the processor")
    options.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.out, options.dry_run)
    bench.results["machine"] = describe(bench)
    bench.part("calibration", 30, run_calibration)
    bench.part("mfu", 120, run_mfu)
    bench.part("energy", 60, run_energy)
    bench.part("short_windows", 80, run_short_windows)
    bench.part("forecast", 40, run_forecast)
    bench.meter.close()
    failed = [name for name, value in bench.results.items() if isinstance(value, dict) and "failed" in value]
    print(f"results in {options.out}/results.json" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
