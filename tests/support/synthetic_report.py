"""A made-up sweep with a known law, as the report receives it: frames, their analysis, findings, hostile names."""

import math
from functools import cache

import numpy as np
import pandas as pd

from scaling.findings import RULES, findings
from scaling.laws import Analysis, Cuts, analyse
from scaling.report.material import Material

TRUTH = {"E": 0.82, "A": 12.0, "B": 460.0, "alpha": 0.33, "beta": 0.45}
SIZES = (3_600, 6_500, 10_300, 20_100, 33_400, 68_000, 115_000, 246_000)
HORIZONS = tuple(int(282_624 * 2 ** (k / 2)) for k in range(7))
HOSTILE = "</script><script>alert(1)</script> \"quote\" 'x' & 🦊 \u2028 \u202eevil %{x} <b>bold</b> {{ 7*7 }}"


def loss_of(n, d):
    t = TRUTH
    return t["E"] + t["A"] / n ** t["alpha"] + t["B"] / d ** t["beta"]


def _trial_rows(measured):
    rows = []
    for i, n in enumerate(SIZES):
        for seed in (0, 1) if n <= 70_000 else (0,):
            state, reason = "done", None
            if i == 5 and seed == 1:
                state, reason = "failed", "killed: signal 9 (out of memory?)"
            if i == 2 and seed == 1:
                state, reason = "diverged", "loss is NaN at step 312"
            rows.append(_trial(i, n, seed, state, reason, measured))
    return pd.DataFrame(rows)


def _trial(i, n, seed, state, reason, measured):
    ended = state in ("done", "diverged")
    wall = 3 + n / 4000
    gone = None if ended else float("nan")
    return {
        "trial": f"t{i}{seed}{'abcdef0123456789'[:8]}", "label": f"d{8 * (i + 1)} s{seed}", "family": "gpt", "seed": seed,
        "state": state, "reason": reason, "attempts": 1 + (state == "failed"), "params_total": n,
        "params_non_embedding": int(n * 0.7), "params_matmul": int(n * 0.85), "tokens": HORIZONS[-1] if ended else None,
        "horizons": " ".join(map(str, HORIZONS)), "loss_nats": loss_of(n, HORIZONS[-1]) if state == "done" else None,
        "bpb": loss_of(n, HORIZONS[-1]) / math.log(2) if state == "done" else None,
        "tokens_per_s": 4.2e5 * (n / 3600) ** -0.55 if ended else None, "tokens_per_s_reason": None,
        "mfu": None, "mfu_reason": "peak FLOP/s of this processor is not known" if ended else None,
        "memory_host_bytes": 3.1e8 + n * 40 if ended else None, "memory_device_bytes": None,
        "memory_predicted_bytes": 2.9e8 + n * 38,
        **_energy(wall, measured if ended else None),
        "power_idle_w": None, "wall_s": wall if ended else None, "seconds_start": 1.4 if ended else None,
        "seconds_train": wall * 0.8 if ended else None, "seconds_data_wait": 0.05 if ended else None,
        "seconds_evaluate": wall * 0.1 if ended else None, "seconds_samples": 0.2 if ended else None,
        "seconds_save": 0.05 if ended else None, "lr_hidden": 0.02, "lr_embedding": 0.024, "device": "cpu",
    }  # fmt: skip


def _energy(wall, measured):
    if measured is None:
        return {f"energy_{c}_{k}": None for c in ("gpu", "cpu", "ram") for k in ("j", "provenance", "reason")}
    gpu = (
        {"energy_gpu_j": wall * 310, "energy_gpu_provenance": "measured_counter", "energy_gpu_reason": None}
        if measured
        else {
            "energy_gpu_j": None,
            "energy_gpu_provenance": "unavailable",
            "energy_gpu_reason": "this machine has no GPU",
        }
    )
    return {
        **gpu, "energy_cpu_j": wall * 21, "energy_cpu_provenance": "modelled_load",
        "energy_cpu_reason": "RAPL is not readable; load times a constant", "energy_ram_j": wall * 3,
        "energy_ram_provenance": "modelled_constant", "energy_ram_reason": "a constant per module",
    }  # fmt: skip


def _point_rows(trials, measured, rng):
    rows = []
    for t in trials[trials["state"] == "done"].to_dict("records"):
        shift = rng.normal(0, 0.004)
        for k, d in enumerate(HORIZONS):
            n = t["params_total"]
            loss = loss_of(n, d) * math.exp(shift + rng.normal(0, 0.002))
            rows.append(
                {
                    "trial": t["trial"], "label": t["label"], "family": "gpt", "seed": t["seed"], "params_total": n,
                    "params_non_embedding": int(n * 0.7), "params_matmul": int(n * 0.85), "tokens": d, "tokens_unique": d,
                    "epochs": 1.0, "tokens_per_param": d / n, "flops_train": 6.4 * n * d,
                    "flops_train_full_attention": 6.9 * n * d, "flops_6nd": 6.0 * n * d, "loss_nats": loss,
                    "loss_se_nats": 0.006, "bpb": loss / math.log(2), "anneal": "average", "train_s": 2.0 * (k + 1),
                    "energy_gpu_j": (40 + 6.4 * n * d / 3e9) if measured else None,
                    "energy_gpu_provenance": "measured_counter" if measured else "unavailable", "energy_gpu_shared": False,
                    "state": "done", "validation_fingerprint": "v" * 64, "data_fingerprint": "d" * 64,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _curve_rows(trials, rng, steps=800):
    parts = []
    for t in trials[trials["state"] == "done"].to_dict("records"):
        step = np.arange(1, steps + 1)
        tokens = step * (HORIZONS[-1] / steps)
        loss = loss_of(t["params_total"], tokens) * 1.02 + np.minimum(3.5, 40 / step) * 0.5
        loss = np.minimum(loss * np.exp(rng.normal(0, 0.012, steps)), 4.9)
        parts.append(
            pd.DataFrame(
                {
                    "trial": t["trial"], "step": step, "tokens": tokens.astype(int), "flops_train": 6.4 * t["params_total"] * tokens,
                    "loss_nats": loss, "lr_scale": 1.0, "grad_norm": 0.8, "train_s": step * 0.01,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@cache
def _analysis(seed, measured):
    rng = np.random.default_rng(seed)
    points = _point_rows(_trial_rows(measured), measured, rng)
    return analyse(points, Cuts(min_tokens=5e5), resamples=100)


def material(measured=False, hostile=False, seed=7):
    """A complete sweep; ``measured`` gives GPU counters, ``hostile`` gives names that try to break out."""
    rng = np.random.default_rng(seed)
    trials = _trial_rows(measured)
    points = _point_rows(trials, measured, rng)
    samples = [
        (
            t["trial"],
            t["label"],
            t["params_total"],
            prompt,
            f"{prompt}self, {'x' * 3}):\n        return self.{t['label'].replace(' ', '_')}\n\n    def __init__(self, name):\n        self.name = name\n"
            * 2,
        )
        for t in trials[trials["state"] == "done"].to_dict("records")
        for prompt in ("def read(", "import ")
    ]
    analysis = _analysis(seed, measured)
    name = HOSTILE if hostile else "Python standard library, byte level, 8 sizes"
    if hostile:
        trials = trials.assign(label=trials["label"] + HOSTILE, reason=HOSTILE, device=HOSTILE)
        points = points.assign(label=points["label"] + HOSTILE)
        samples = [
            (t, label + HOSTILE, n, p + HOSTILE, text + HOSTILE + "\x00\x1b[31m\ud800")
            for t, label, n, p, text in samples
        ]
    return Material(
        sweep={"name": "quickstart", "title": name}, points=points, trials=trials, curves=_curve_rows(trials, rng), samples=samples,
        environments=[{"trials": "all", "python": "3.11.7", "torch": "2.13.0+cpu", "host": {"cpu": "x86-64", "cores": 2, "name": HOSTILE if hostile else "lab-7"}, "git": {"commit": "0de4910", "dirty": False}}],
        host=None, analysis=analysis, findings=findings(analysis, points, trials, {}), rules=RULES,
    )  # fmt: skip


def empty_material():
    """A sweep of which nothing has run."""
    full = material()
    trials = full.trials.assign(
        state="pending", reason=None, tokens=None, wall_s=None, tokens_per_s=None, memory_host_bytes=None
    )
    for component in ("gpu", "cpu", "ram"):
        for part in ("j", "provenance", "reason"):
            trials[f"energy_{component}_{part}"] = None
    reasons = {
        k: "no trial has finished"
        for k in ("L(N,D)", "L(N)", "L(D)", "L(C)", "frontier", "heldout", "returns", "seed_noise", "residuals")
    }
    nothing = Analysis(fits={}, residuals=(), frontier=(), heldout=None, returns=(), seed_noise=(), missing=reasons)
    return Material(
        sweep=full.sweep, points=full.points.iloc[:0], trials=trials, curves=full.curves.iloc[:0], samples=[], environments=[],
        host=None, analysis=nothing, findings=findings(nothing, full.points.iloc[:0], trials, {}), rules=RULES,
    )  # fmt: skip
