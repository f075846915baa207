"""A made-up sweep with a known law, as the report receives it: frames, an analysis, findings, hostile names."""

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scaling.laws.analysis import (
    Analysis,
    Dropped,
    Fit,
    HeldOut,
    Interval,
    OptimumRow,
    Residual,
    ReturnsRow,
    SeedNoise,
)
from scaling.report.material import Material

TRUTH = {"E": 0.82, "A": 12.0, "B": 460.0, "alpha": 0.33, "beta": 0.45}
SIZES = (3_600, 6_500, 10_300, 20_100, 33_400, 68_000, 115_000, 246_000)
HORIZONS = tuple(int(282_624 * 2 ** (k / 2)) for k in range(7))
HOSTILE = "</script><script>alert(1)</script> \"quote\" 'x' & 🦊 \u2028 \u202eevil %{x} <b>bold</b> {{ 7*7 }}"


@dataclass(frozen=True)
class Finding:
    id: str
    question: str
    sentence: str
    grade: str
    figure: str
    rule: str
    numbers: dict = field(default_factory=dict)


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
        "horizons": HORIZONS, "loss_nats": loss_of(n, HORIZONS[-1]) if state == "done" else None,
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
        else {"energy_gpu_j": None, "energy_gpu_provenance": "unavailable", "energy_gpu_reason": "this machine has no GPU"}
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


def _draws(rng, n=200):
    base = np.array([TRUTH[k] for k in ("E", "A", "B", "alpha", "beta")])
    return base * np.exp(rng.normal(0, 1, (n, 5)) * [0.05, 0.05, 0.06, 0.02, 0.02])


def _fit(name, form, names, draws, columns, dropped=()):
    picked = draws[:, columns]
    params = {
        p: Interval(value=TRUTH.get(p, float(np.median(picked[:, i]))), low=float(np.percentile(picked[:, i], 2.5)), high=float(np.percentile(picked[:, i], 97.5)))
        for i, p in enumerate(names)
    }
    return Fit(
        name=name, form=form, params=params, objective="huber_log(1e-3) sum", objective_value=0.00412, gradient_norm=3e-9,
        starts=144, starts_agreed=141, converged=True, n_points=70, n_trials=10, dropped=tuple(dropped),
        conventions={"params": "total", "flops": "exact", "loss_unit": "nats per token", "points": "annealed"},
        residual_rms=0.0041, interval_method="percentile, 200 resamples by trial",
        draws=tuple(tuple(map(float, d)) for d in picked), warnings=(),
    )  # fmt: skip


def _frontier(points, draws):
    top = points["flops_train"].max()
    budgets = np.unique(np.append(np.geomspace(points["flops_train"].min(), top * 100, 25), top))
    rows = []
    for convention, factor in (("exact", 6.4), ("6ND", 6.0)):
        for c in budgets:
            n, d = _optimum(np.array([[TRUTH[k] for k in ("E", "A", "B", "alpha", "beta")]]), c, factor)
            dn, dd = _optimum(draws, c, factor)
            rows.append(
                OptimumRow(
                    flops=float(c), params=_interval(n, dn), tokens=_interval(d, dd), tokens_per_param=_interval(d / n, dd / dn),
                    loss=_interval(loss_of(n, d), loss_of(n, d) * (1 + (dn / n - 1) * 0.02)),
                    extrapolation_factor=float(c / top), flops_convention=convention,
                )
            )  # fmt: skip
    return tuple(rows)


def _optimum(p, c, factor):
    _, a, b, alpha, beta = p.T
    g = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    n = g * (c / factor) ** (beta / (alpha + beta))
    return n, c / factor / n


def _interval(value, draws):
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(value=float(value[0]), low=float(low), high=float(high))


def _returns(frontier):
    rows = []
    for r in (r for r in frontier if r.flops_convention == "exact"):
        reducible = r.loss.value - TRUTH["E"]
        e = TRUTH["alpha"] * TRUTH["beta"] / (TRUTH["alpha"] + TRUTH["beta"])
        gain = reducible * (1 - 2**-e)
        rows.append(
            ReturnsRow(
                flops=r.flops, loss=r.loss, local_exponent=Interval(value=e, low=e * 0.93, high=e * 1.08),
                gain_per_doubling_nats=Interval(value=gain, low=gain * 0.9, high=gain * 1.12),
                factor_next_percent=1.2, factor_next_001_nat=1.15,
            )
        )  # fmt: skip
    return tuple(rows)


def _residuals(points):
    return tuple(
        Residual(
            trial=r["trial"], params=r["params_total"], tokens=r["tokens"], flops=r["flops_train"], loss=r["loss_nats"],
            fitted=float(loss_of(r["params_total"], r["tokens"])),
            log_residual=float(math.log(r["loss_nats"] / loss_of(r["params_total"], r["tokens"]))), seed=r["seed"],
            used=r["params_total"] > 5000 and r["tokens"] > 5e5,
        )
        for r in points.to_dict("records")
    )  # fmt: skip


def _heldout(points):
    big = points[points["params_total"] == max(SIZES)]
    rows = []
    for r in big.to_dict("records"):
        predicted = float(loss_of(r["params_total"], r["tokens"])) * 1.006
        rows.append((r["trial"], float(r["params_total"]), float(r["tokens"]), r["loss_nats"], predicted, predicted / r["loss_nats"] - 1))
    errors = [abs(r[-1]) for r in rows]
    return HeldOut(
        rule="largest size left out with its whole trunk", rows=tuple(rows), mean_abs_error=float(np.mean(errors)),
        max_abs_error=max(errors), naive_mean_abs_error=0.031, extrapolation_factor=2.14,
    )  # fmt: skip


def analysis_of(points, rng):
    draws = _draws(rng)
    dropped = [
        Dropped(trial=r["trial"], params=r["params_total"], tokens=r["tokens"], loss=r["loss_nats"], reason="below fit.min_tokens = 500k")
        for r in points.to_dict("records")
        if r["tokens"] < 5e5
    ]
    at_d, at_n = TRUTH["B"] / HORIZONS[-1] ** TRUTH["beta"], TRUTH["A"] / SIZES[-1] ** TRUTH["alpha"]
    shifted_d, shifted_n, c = draws.copy(), draws.copy(), draws.copy()
    shifted_d[:, 0] += at_d
    shifted_n[:, 0] += at_n
    c[:, 1] = 180 * draws[:, 1] / 12
    c[:, 3] = 0.19 * draws[:, 3] / 0.33
    fits = {
        "L(N,D)": _fit("L(N,D)", "E + A/N^alpha + B/D^beta", ("E", "A", "B", "alpha", "beta"), draws, [0, 1, 2, 3, 4], dropped),
        "L(N)": _with(_fit("L(N)", "E + A/N^alpha", ("E", "A", "alpha"), shifted_d, [0, 1, 3]), E=TRUTH["E"] + at_d),
        "L(D)": _with(_fit("L(D)", "E + B/D^beta", ("E", "B", "beta"), shifted_n, [0, 2, 4]), E=TRUTH["E"] + at_n),
        "L(C)": _fit("L(C)", "E + K/C^gamma", ("E", "K", "gamma"), c, [0, 1, 3]),
    }
    frontier = _frontier(points, draws)
    noise = tuple(
        SeedNoise(params=n, tokens=d, n_seeds=2, std_log=float(abs(rng.normal(0, 0.004)) + 0.001))
        for n in SIZES[:5]
        for d in HORIZONS
        if n != SIZES[2]
    )
    return Analysis(
        fits=fits, residuals=_residuals(points), frontier=frontier, heldout=_heldout(points), returns=_returns(frontier),
        seed_noise=noise, missing={},
    )  # fmt: skip


def _with(fit, **values):
    import dataclasses

    params = {k: dataclasses.replace(v, value=values.get(k, v.value)) for k, v in fit.params.items()}
    return dataclasses.replace(fit, params=params)


FINDINGS = (
    Finding("law", "Does loss follow a law of size and data?", "Yes: L(N, D) = E + A/N^α + B/D^β describes 70 points to 0.41 %, with α = 0.33 [0.317, 0.343] and β = 0.45 [0.433, 0.468].", "supported", "fig-surface", "Supported when the fit converged, at least 5 sizes and 3 horizons are fitted, and the residual rms is below 2 %.", {"residual_rms": 0.0041, "points": 70}),
    Finding("predicts", "Does the law predict a size it has not seen?", "Yes: without the largest size it predicts its 7 losses to 0.6 % on average, 0.9 % at worst; the naive rule errs by 3.1 %.", "supported", "fig-heldout", "Supported when the mean error is at most 2 % and at most half the naive error.", {"mean_abs_error": 0.006}),
    Finding("shape", "Is the residual free of trend?", "No: residuals rise by 0.3 % per decade of tokens, twice the seed noise.", "not supported", "fig-residuals", "Supported when no slope of the residual differs from zero at 95 %.", {}),
    Finding("energy", "What does loss cost in energy?", "Not known: no joule was measured on this machine.", "not enough data", "fig-energy", "Needs at least 5 trials with a counter or RAPL.", {}),
    Finding("abilities", "Which abilities appear, and at what size?", "Not known: no ability was measured.", "not enough data", "sec-abilities", "Needs at least one task on five sizes.", {}),
)  # fmt: skip
RULES = tuple({"finding": f.id, "question": f.question, "test": f.rule, "minimum points": 5} for f in FINDINGS)


def material(measured=False, hostile=False, seed=7):
    """A complete sweep; ``measured`` gives GPU counters, ``hostile`` gives names that try to break out."""
    rng = np.random.default_rng(seed)
    trials = _trial_rows(measured)
    points = _point_rows(trials, measured, rng)
    samples = [
        (t["trial"], t["label"], t["params_total"], prompt, f"{prompt}self, {'x' * 3}):\n        return self.{t['label'].replace(' ', '_')}\n\n    def __init__(self, name):\n        self.name = name\n" * 2)
        for t in trials[trials["state"] == "done"].to_dict("records")
        for prompt in ("def read(", "import ")
    ]
    name = HOSTILE if hostile else "Python standard library, byte level, 8 sizes"
    if hostile:
        trials = trials.assign(label=trials["label"] + HOSTILE, reason=HOSTILE, device=HOSTILE)
        points = points.assign(label=points["label"] + HOSTILE)
        samples = [(t, label + HOSTILE, n, p + HOSTILE, text + HOSTILE + "\x00\x1b[31m\ud800") for t, label, n, p, text in samples]
    return Material(
        sweep={"name": "quickstart", "title": name}, points=points, trials=trials, curves=_curve_rows(trials, rng), samples=samples,
        environments=[{"python": "3.11.7", "torch": "2.13.0+cpu", "host": {"cpu": "x86-64", "cores": 2, "name": HOSTILE if hostile else "lab-7"}, "git": {"commit": "0de4910", "dirty": False}}],
        host=None, analysis=analysis_of(points, rng), findings=FINDINGS, rules=RULES,
    )  # fmt: skip


def empty_material():
    """A sweep of which nothing has run."""
    full = material()
    trials = full.trials.assign(state="pending", reason=None, tokens=None, wall_s=None, tokens_per_s=None, memory_host_bytes=None)
    for component in ("gpu", "cpu", "ram"):
        for part in ("j", "provenance", "reason"):
            trials[f"energy_{component}_{part}"] = None
    reasons = {k: "no trial has finished" for k in ("L(N,D)", "L(N)", "L(D)", "L(C)", "frontier", "heldout", "returns", "seed_noise", "residuals")}
    nothing = Analysis(fits={}, residuals=(), frontier=(), heldout=None, returns=(), seed_noise=(), missing=reasons)
    return Material(
        sweep=full.sweep, points=full.points.iloc[:0], trials=trials, curves=full.curves.iloc[:0], samples=[], environments=[],
        host=None, analysis=nothing, findings=(), rules=(),
    )  # fmt: skip
