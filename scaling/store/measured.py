"""Which of a store's points carry measured joules, and how efficient each size was."""

import math
from dataclasses import dataclass

import pandas as pd

from scaling.provenance import Provenance

PLATEAU = 0.90  # of the best FLOPs per joule (or per second) among the sizes: below it a size is sub-saturated


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeEfficiency:
    """One size of a sweep, medians over its trials at their longest horizon.

    Attributes:
        params: its parameters.
        j_per_flop: measured GPU joules per training FLOP; ``None`` where none were measured.
        j_per_token: the same per token.
        flops_per_s: training FLOPs per second of one device; ``None`` where no time was recorded.
        tokens_per_s: the same in tokens.
        saturated: whether it lies on the plateau: within 10 % of the sweep's best FLOPs per joule, or per second
            where no joules were measured.
    """

    params: float
    j_per_flop: float | None
    j_per_token: float | None
    flops_per_s: float | None
    tokens_per_s: float | None
    saturated: bool


def measured_energy(points: pd.DataFrame) -> pd.Series:
    """Say which points hold joules that were measured on a GPU of their own (boolean, one per row)."""
    if "energy_gpu_j" not in points or points.empty:
        return pd.Series(False, index=points.index)
    measured = {p.value for p in Provenance if p.measured}
    joules = pd.to_numeric(points["energy_gpu_j"], errors="coerce")
    shared = points["energy_gpu_shared"] if "energy_gpu_shared" in points else pd.Series(False, index=points.index)
    alone = ~shared.fillna(False).astype(bool)
    return (joules > 0) & points["energy_gpu_provenance"].isin(measured) & alone


def efficiency_by_size(points: pd.DataFrame, params: str = "params_total") -> tuple[SizeEfficiency, ...]:
    """Return the efficiency of every size that has measured joules; where none has, of every size with a time.

    Args:
        points: points of a store.
        params: the column that counts parameters.
    """
    last = points.sort_values("tokens").drop_duplicates("trial", keep="last")
    last = last[pd.to_numeric(last[params], errors="coerce") > 0]
    flops, tokens = last["flops_train"].astype(float), last["tokens"].astype(float)
    joules, seconds = _numbers(last, "energy_gpu_j").where(measured_energy(last)), _numbers(last, "train_s")
    seconds = seconds.where(seconds > 0)
    ratios = {"jf": joules / flops, "jt": joules / tokens, "fs": flops / seconds, "ts": tokens / seconds}
    frame = pd.DataFrame({"params": last[params].astype(float), **ratios}).groupby("params").median().reset_index()
    used = frame[frame["jf"].notna()] if frame["jf"].notna().any() else frame[frame["fs"].notna()]
    merit = 1 / used["jf"] if used["jf"].notna().any() else used["fs"]
    good = (merit >= PLATEAU * merit.max()).tolist()
    columns = (used[name].astype(float).tolist() for name in ("params", *ratios))
    return tuple(
        SizeEfficiency(
            params=n,
            j_per_flop=_or_none(jf),
            j_per_token=_or_none(jt),
            flops_per_s=_or_none(fs),
            tokens_per_s=_or_none(ts),
            saturated=saturated,
        )
        for n, jf, jt, fs, ts, saturated in zip(*columns, good, strict=True)
    )


def _numbers(frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as numbers; all missing where there is none."""
    return pd.to_numeric(frame[column], errors="coerce") if column in frame else pd.Series(math.nan, index=frame.index)


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
