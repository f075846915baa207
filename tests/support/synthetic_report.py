"""A made-up sweep with a known law, as the report receives it: frames, their analysis, findings, hostile names."""

import dataclasses
import math
from functools import cache

import numpy as np
import pandas as pd
from support.ability_frames import ability_frame
from support.tuned_frames import best_of_frame, finetune_frame, preference_frame

from scaling.answers import Law, Side, compare
from scaling.findings import RULES, findings
from scaling.laws import Cuts, Interval, analyse, compute_optimal, isoflop
from scaling.laws.emergence import analyse_abilities
from scaling.laws.frontier import FlopsPerToken
from scaling.laws.selection import select
from scaling.laws.tuning import Tuned, analyse_tuned
from scaling.report.material import Material
from scaling.report.runs import OneRun, chosen
from scaling.store.traces import PowerRead

TRUTH = {"E": 0.82, "A": 12.0, "B": 460.0, "alpha": 0.33, "beta": 0.45}
SIZES = (3_600, 6_500, 10_300, 20_100, 33_400, 68_000, 115_000, 246_000)
HORIZONS = tuple(int(282_624 * 2 ** (k / 2)) for k in range(7))
CUTS = Cuts(min_tokens=5e5)
FAILED, DIVERGED = (5, 1), (2, 1)  # (rank of the size, seed)
HOSTILE = "</script><script>alert(1)</script> \"quote\" 'x' & 🦊 \u2028 \u202eevil %{x} <b>bold</b> {{ 7*7 }}"
PHASES = {"start": 0.06, "train": 0.8, "data_wait": 0.01, "evaluate": 0.1, "samples": 0.01, "save": 0.01}


def loss_of(n, d):
    """The true loss of n parameters after d tokens."""
    return TRUTH["E"] + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / d ** TRUTH["beta"]


def trials_frame(measured=False):
    """Two seeds up to 70k parameters; one trial failed, one diverged; ``measured`` reads a GPU counter."""
    pairs = [(i, seed) for i, n in enumerate(SIZES) for seed in ((0, 1) if n <= 70_000 else (0,))]
    return pd.DataFrame([_trial(i, seed, measured) for i, seed in pairs])


def _trial(rank, seed, measured):
    state = {FAILED: "failed", DIVERGED: "diverged"}.get((rank, seed), "done")
    reason = {"failed": "killed: signal 9 (out of memory?)", "diverged": "loss is NaN at step 312"}.get(state)
    row = trial_row(SIZES[rank], f"d{8 * (rank + 1)} s{seed}", f"t{rank}{seed}abcdef01", seed, measured)
    ended = dict.fromkeys(_ended(1, measured))
    gone = {"failed": ended, "diverged": {"loss_nats": None, "bpb": None}}.get(state, {})
    return row | gone | {"state": state, "reason": reason, "attempts": 1 + (state == "failed")}


def trial_row(n, label, trial, seed, measured=False):
    """One finished trial of ``n`` parameters."""
    start = {
        "trial": trial,
        "label": label,
        "family": "gpt",
        "seed": seed,
        "state": "done",
        "reason": None,
        "attempts": 1,
        "params_total": n,
        "params_non_embedding": int(n * 0.7),
        "params_matmul": int(n * 0.85),
        "horizons": " ".join(map(str, HORIZONS)),
        "lr_hidden": 0.02,
        "lr_embedding": 0.024,
    }
    return start | _ended(n, measured)


def _ended(n, measured):
    wall = 3 + n / 4000
    gpu = (wall * 310, "measured_counter", None) if measured else (None, "unavailable", "this machine has no GPU")
    energy = {
        "gpu": gpu,
        "cpu": (wall * 21, "modelled_load", "RAPL is not readable; load times a constant"),
        "ram": (wall * 3, "modelled_constant", "a constant per module"),
    }
    return {
        "tokens": HORIZONS[-1],
        "loss_nats": loss_of(n, HORIZONS[-1]),
        "bpb": loss_of(n, HORIZONS[-1]) / math.log(2),
        "tokens_per_s": 4.2e5 * (n / 3600) ** -0.55,
        "tokens_per_s_reason": None,
        "steady_s": wall * PHASES["train"] * 0.75,
        "mfu": None,
        "mfu_reason": "peak FLOP/s of this processor is not known",
        "memory_host_bytes": 3.1e8 + n * 40,
        "memory_device_bytes": None,
        "memory_predicted_bytes": 2.9e8 + n * 38,
        **{
            f"energy_{c}_{k}": v
            for c, three in energy.items()
            for k, v in zip(("j", "provenance", "reason"), three, strict=True)
        },
        "power_idle_w": 62.0 if measured else None,
        "wall_s": wall,
        **{f"seconds_{phase}": wall * share for phase, share in PHASES.items()},
        "data_wait_share": PHASES["data_wait"] / PHASES["train"],
        "device": "cpu",
    }


def points_frame(trials, rng, measured=False):
    """The annealed points of finished trials, with noise of half a per cent."""
    done = trials[trials["state"] == "done"].to_dict("records")
    return pd.DataFrame([row for trial in done for row in _points(trial, rng, measured)])


def _points(trial, rng, measured):
    n, shift = trial["params_total"], rng.normal(0, 0.004)
    shared = ("trial", "label", "family", "seed", "params_total", "params_non_embedding", "params_matmul", "state")
    for k, d in enumerate(HORIZONS):
        loss = loss_of(n, d) * math.exp(shift + rng.normal(0, 0.002))
        yield {
            **{name: trial[name] for name in shared},
            "tokens": d,
            "tokens_unique": d,
            "epochs": 1.0,
            "tokens_per_param": d / n,
            "flops_train": 6.4 * n * d,
            "flops_train_full_attention": 6.9 * n * d,
            "flops_6nd": 6.0 * n * d,
            "loss_nats": loss,
            "loss_se_nats": 0.006,
            "bpb": loss / math.log(2),
            "anneal": "average",
            "train_s": 2.0 * (k + 1),
            "energy_gpu_j": 2 + 6.4 * n * d / 3e9 if measured else None,
            "energy_gpu_provenance": "measured_counter" if measured else "unavailable",
            "energy_gpu_shared": False,
            "validation_fingerprint": "a1b2c3d4" * 8,
            "data_fingerprint": "e5f60718" * 8,
        }


def metrics_frame(points):
    """Recall and what a guess has, rising with size and data, as a family that compares rows measures them."""
    last = points[points["tokens"].isin(HORIZONS[-2:])]  # a page has room for so many points
    rows = last[["trial", "label", "seed", "params_total", "tokens", "flops_train"]].to_dict("records")
    shared = {"family": "clip", "batch_rows": 64}
    return pd.DataFrame(
        [
            {**row, **shared, "metric": metric, "value": value}
            for row in rows
            for metric, value in (("recall_caption", 1 - 0.5 * row["tokens"] ** -0.05), ("recall_chance", 1 / 64))
        ]
    )


def curves_frame(trials, rng, steps=800):
    """Training losses of finished trials, noisier than the points and a little above them."""
    done = trials[trials["state"] == "done"].to_dict("records")
    return pd.concat([_curve(trial, rng, np.arange(1, steps + 1)) for trial in done], ignore_index=True)


def _curve(trial, rng, step):
    tokens = step * (HORIZONS[-1] / len(step))
    loss = loss_of(trial["params_total"], tokens) * 1.02 + np.minimum(3.5, 40 / step) * 0.5
    columns = {
        "trial": trial["trial"],
        "step": step,
        "tokens": tokens.astype(int),
        "flops_train": 6.4 * trial["params_total"] * tokens,
        "loss_nats": np.minimum(loss * np.exp(rng.normal(0, 0.012, len(step))), 4.9),
        "lr_scale": 1.0,
        "grad_norm": 0.8,
        "train_s": step * 0.01,
    }
    return pd.DataFrame(columns)


def _samples(trials):
    text = "self, name):\n        self.name = name\n\n    def read(self):\n        return self._{}\n"
    return [
        (t["trial"], t["label"], t["params_total"], prompt, text.format(t["label"].replace(" ", "_")), None)
        for t in trials[trials["state"] == "done"].to_dict("records")
        for prompt in ("def read(", "import ")
    ]


@cache
def _analysis(measured):
    rng = np.random.default_rng(7)
    return analyse(points_frame(trials_frame(measured), rng, measured), CUTS, resamples=100)


def runs_of(trials, measured=False):
    """Logs of the trials shown one by one, and power where a counter was read: half of it throttled."""
    rows = {t["trial"]: t for t in trials.to_dict("records")}
    power = [
        (0.1 * k, 310.0 + k % 7, "replay" if k > 250 else "train", "power cap" if k > 150 else "") for k in range(300)
    ]
    return tuple(
        OneRun(
            trial=name,
            label=rows[name]["label"],
            state=rows[name]["state"],
            reason=rows[name]["reason"] if rows[name]["state"] != "done" else "",
            log=f"step 800  loss 1.52\n{name} ended",
            power=PowerRead(attempt=1, samples=tuple(power), unreadable=0) if measured else None,
        )
        for name in chosen(trials)
    )


def law_of_points(points, analysis):
    """The law as ``answers.law_of`` gives it for a store."""
    used = select(points, CUTS, "total").used
    n, d, c = (used[column].to_numpy(dtype=float) for column in ("params", "tokens", "flops_train"))
    fit = analysis.fits["L(N,D)"]
    flops = FlopsPerToken.through(n, c / d)
    return Law(name="synthetic", fit=fit, flops=flops, params=n, tokens=d, compute=c, rollouts=analysis.rollouts)


def profiles(points):
    """The IsoFLOP profiles of the fitted points."""
    used = select(points, CUTS, "total").used
    n, d, loss, c = (used[k].to_numpy(dtype=float) for k in ("params", "tokens", "loss_nats", "flops_train"))
    return isoflop(n, d, loss, used["trial"].to_numpy(), flops=c, resamples=100)


def material(measured=False):
    """Return a complete sweep."""
    rng = np.random.default_rng(7)
    trials = trials_frame(measured)
    points = points_frame(trials, rng, measured)
    analysis = _analysis(measured)
    abilities, results = _abilities()
    tuned, best_of = pd.concat([finetune_frame(), preference_frame()], ignore_index=True), best_of_frame()
    tuning = analyse_tuned(tuned, best_of)
    environment = {"python": "3.11.7", "torch": "2.13.0+cpu", "host": {"cpu": "x86-64", "cores": 2}}
    return Material(
        law=law_of_points(points, analysis),
        isoflop=profiles(points),
        approaches=compute_optimal(points, analysis, cuts=CUTS, resamples=100),
        surfaces={"total": analysis.fits["L(N,D)"]},
        sweep={"name": "synthetic", "title": "A made-up sweep of eight sizes"},
        points=points,
        trials=trials,
        curves=curves_frame(trials, rng),
        metrics=metrics_frame(points),
        samples=_samples(trials),
        environments=[{"trials": "all", **environment, "git": {"commit": "0de4910", "dirty": False}}],
        host=None,
        analysis=analysis,
        findings=findings(analysis, points, trials, {}, results, tuning),
        abilities=abilities,
        ability_results=results,
        tuned=tuned,
        best_of=best_of,
        runs=runs_of(trials, measured),
        tuning=tuning,
        rules=RULES,
    )


SETUP = {"validation set": ("v1",), "family": ("gpt",), "training data": ("corpus",)}


def side(material, name, shift=0.0, **setup):
    """A side with the made-up sweep's law, its loss shifted by a constant in every draw."""
    fit = material.analysis.fits["L(N,D)"]
    floor = fit.params["E"]
    params = fit.params | {"E": Interval(value=floor.value + shift, low=floor.low, high=floor.high)}
    at = list(fit.params).index("E")
    draws = tuple((*d[:at], d[at] + shift, *d[at + 1 :]) for d in fit.draws)
    moved = dataclasses.replace(fit, params=params, draws=draws)
    analysis = dataclasses.replace(material.analysis, fits={"L(N,D)": moved})
    law = dataclasses.replace(material.law, name=name, fit=moved)
    return Side(name=name, setup=SETUP | setup, analysis=analysis, law=law)


def comparison():
    """Two studies of one shape, the first half a nat worse everywhere."""
    return compare([side(material(), "worse", 0.5), side(material(), "better")])


@cache
def _abilities():
    frame = ability_frame()
    return frame, analyse_abilities(frame, simulations=100)


def hostile_material():
    """Return the same sweep with names that try to break out of wherever they are put."""
    full = material()
    samples = [
        (trial, label + HOSTILE, n, prompt + HOSTILE, text + HOSTILE + "\x00\x1b[31m\ud800", HOSTILE)
        for trial, label, n, prompt, text, _ in full.samples
    ]
    return dataclasses.replace(
        full,
        sweep={"name": HOSTILE, "title": HOSTILE},
        trials=full.trials.assign(label=full.trials["label"] + HOSTILE, reason=HOSTILE, device=HOSTILE),
        points=full.points.assign(label=full.points["label"] + HOSTILE),
        samples=samples,
        runs=[dataclasses.replace(r, label=r.label + HOSTILE, reason=HOSTILE, log=HOSTILE) for r in full.runs],
        environments=[{HOSTILE: HOSTILE}],
        warnings=[HOSTILE],
    )


def masked_material(full, bare):
    """Return a full sweep as an encoder's: another unit, attention over the whole window, and an empty one's texts."""
    about = {"family": "bert", "objective": "masked token", "loss_unit": "nats per masked token"}
    points = full.points.assign(**about, flops_train_full_attention=full.points["flops_train"])
    analysis = analyse(points, CUTS, resamples=20)
    return dataclasses.replace(
        full,
        points=points,
        analysis=analysis,
        law=dataclasses.replace(full.law, fit=analysis.fits["L(N,D)"], unit=about["loss_unit"]),
        findings=findings(analysis, points, full.trials, {}),
        **{k: getattr(bare, k) for k in ("samples", "abilities", "ability_results", "tuned", "best_of", "tuning")},
    )


def empty_material():
    """Return a sweep of which nothing has run."""
    full = material()
    known = ("trial", "label", "family", "seed", "params_total", "params_non_embedding", "params_matmul", "horizons")
    trials = full.trials.assign(**dict.fromkeys(c for c in full.trials if c not in known)).assign(state="pending")
    points = full.points.iloc[:0]
    nothing = analyse(points, Cuts())
    return dataclasses.replace(
        full,
        points=points,
        trials=trials,
        curves=full.curves.iloc[:0],
        runs=(),
        samples=[],
        environments=[],
        analysis=nothing,
        law=None,
        isoflop=None,
        approaches=(),
        surfaces={},
        abilities=full.abilities.iloc[:0],
        ability_results=(),
        metrics=full.metrics.iloc[:0],
        tuned=full.tuned.iloc[:0],
        best_of=full.best_of.iloc[:0],
        tuning=Tuned(),
        findings=findings(nothing, points, trials, {}),
    )
