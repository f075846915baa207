"""Trials, those that did not end as planned, and points left out."""

import pandas as pd

from scaling.laws.analysis import Dropped
from scaling.report.material import Material
from scaling.report.panel import Column, Table


def trials(material: Material) -> Table:
    """Return one row per trial: what it was, how it ended, what it cost."""
    columns = (
        Column("label", "Trial"),
        Column("trial", "Id"),
        Column("stage", "Stage"),
        Column("family", "Family"),
        Column("seed", "Seed"),
        Column("state", "State"),
        Column("attempts", "Attempts", "whole"),
        Column("params_total", "Parameters", "count"),
        *active_column(material.every_trial),
        Column("params_non_embedding", "Non-embedding", "count"),
        Column("tokens", "Tokens", "count"),
        Column("loss_nats", "Loss (nats)", "loss"),
        Column("bpb", "Bits per byte", "loss"),
        Column("tokens_per_s", "Throughput", "per_s"),
        Column("mfu", "MFU", "percent"),
        Column("energy_gpu_j", "GPU energy", "energy"),
        Column("wall_s", "Wall time", "seconds"),
        Column("data_wait_share", "Waiting for data", "percent"),
        Column("lr_hidden", "LR hidden", "learning_rate"),
        Column("lr_embedding", "LR embedding", "learning_rate"),
        Column("device", "Device"),
    )
    frame = material.every_trial.sort_values(["params_total", "label", "trial"])
    return Table.of("trials", "Trials", columns, frame, empty="The sweep has no trials.", filterable=True)


def active_column(frame: pd.DataFrame) -> tuple[Column, ...]:
    """Return the column of parameters that work on one token, where these are not all of them: a mixture of experts."""
    if "params_active" not in frame:
        return ()
    counted = frame.dropna(subset=["params_active", "params_total"])
    parted = bool((counted["params_active"].astype(float) < counted["params_total"].astype(float)).any())
    return (Column("params_active", "Active", "count"),) if parted else ()


def failures(material: Material) -> Table:
    """Return trials that did not end as planned, each with its reason."""
    columns = (
        Column("label", "Trial"),
        Column("trial", "Id"),
        Column("state", "State"),
        Column("reason", "Reason"),
        Column("attempts", "Attempts", "whole"),
        Column("tokens", "Tokens reached", "count"),
    )
    bad = material.every_trial[material.every_trial["state"].isin(["failed", "diverged", "interrupted", "orphaned"])]
    return Table.of(
        "failures", "Failed, diverged, interrupted and orphaned trials", columns, bad.sort_values(["label", "trial"]),
        empty="No trial failed, diverged or was interrupted.",
    )  # fmt: skip


def exclusions(material: Material) -> Table:
    """Return points that were measured but left out of fits, with the rule that did it and the fits it concerns."""
    labels = dict(zip(material.every_trial["trial"], material.every_trial["label"], strict=True))
    columns = (
        Column("label", "Trial"),
        Column("params", "Parameters", "count"),
        Column("tokens", "Tokens", "count"),
        Column("loss", "Loss (nats)", "loss"),
        Column("reason", "Left out because"),
        Column("fits", "Of"),
    )
    fits: dict[Dropped, list[str]] = {}
    for name, fit in material.analysis.fits.items():
        for dropped in fit.dropped:
            fits.setdefault(dropped, []).append(name)
    rows = [
        {
            "label": labels.get(point.trial, point.trial),
            "params": point.params,
            "tokens": point.tokens,
            "loss": point.loss,
            "reason": point.reason,
            "fits": "all fits" if len(names) == len(material.analysis.fits) else ", ".join(names),
        }
        for point, names in fits.items()
    ]
    return Table.of("exclusions", "Points left out of fits", columns, rows, empty="No point was left out of any fit.")
