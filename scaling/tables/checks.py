"""What is wrong with the numbers of a table: each fault with its rows, what it means and what was done.

The check of units rests on one identity: training costs about 6 FLOPs per parameter and token (Kaplan et al. 2020,
2001.08361, section 2.1), so C / (6 N D) is near one, a third where only the forward pass is counted, and a power of a
thousand where a column is in millions or billions.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from scaling.tables.table import Problem

FIELD_COLUMNS = {"params": "N", "tokens": "D", "flops_train": "C", "loss_nats": "the loss"}
_NEAR_ONE = (0.2, 5.0)  # exact FLOPs of small models: embeddings cost nothing, attention costs more
_FORWARD_ONLY = (0.32, 0.345)  # 2ND instead of 6ND
_ODD_ROW = 3.0  # times the table's own median ratio
_STEADY = 0.03  # interquartile range of ln ratio: the same convention in every row
_PER_PARAM = (1e-3, 1e6)  # tokens per parameter that anyone trains
_NEAR_POWER = 0.7  # in log10: how far exact FLOPs may be from 6ND
_ILLIONS = {3: "thousands", 6: "millions", 9: "billions", 12: "trillions"}
_LOSS_HIGH = 25.0  # nats per token; a uniform guess over 2^32 tokens is 22


def check(points: pd.DataFrame, computed: frozenset[str]) -> list[Problem]:
    """Return every problem found.

    Args:
        points: ``params`` (the N in use), ``tokens``, ``flops_train``, ``loss_nats``, ``trial``, indexed by row.
        computed: columns that were computed from the others, which therefore say nothing about units.
    """
    found = [*_values(points, computed), *_loss(points["loss_nats"]), *_copies(points)]
    found += _plausible(points) if computed else _units(points)
    return found


def _values(points: pd.DataFrame, computed: frozenset[str]) -> Iterator[Problem]:
    rest, wrapped = "; left out of every fit", ", as 64-bit products past 9.2e18 become"
    for column, name in FIELD_COLUMNS.items():
        if column in computed:
            continue
        values = points[column]
        for code, bad, text in (
            ("missing", values.isna(), "is missing"),
            ("infinite", np.isinf(values), "is infinite"),
            ("zero", values == 0, "is zero"),
            ("negative", values < 0, "is negative" + (wrapped if name == "C" else "")),
        ):
            if bad.any():
                yield Problem.at(f"{column}_{code}", points.index[bad], f"{name} {text}{rest}")


def _loss(loss: "pd.Series[float]") -> Iterator[Problem]:
    if (loss < 0).any() and loss.median() < 1:
        text = "losses below zero: is the column ln(loss)? A fit of N and D needs the loss itself, in nats"
        yield Problem(code="loss_is_log", what=text)
    high = loss[np.isfinite(loss) & (loss > _LOSS_HIGH)]
    if len(high):
        yield Problem.at("loss_high", high.index, "the loss is above 25 nats: a perplexity, or a run that diverged?")


def _copies(points: pd.DataFrame) -> Iterator[Problem]:
    keys = [c for c in ("params", "tokens", "flops_train", "seed", "data_fingerprint") if c in points]
    copied = points.duplicated([*keys, "loss_nats"], keep="first") & points["loss_nats"].notna()
    if copied.any():
        text = "the same numbers as an earlier row: copies count twice and narrow every interval"
        yield Problem.at("copies", points.index[copied], text)
    twice = points.duplicated(["trial", *keys], keep="first") & ~copied & points["loss_nats"].notna()
    if twice.any():
        yield Problem.at("two_losses", points.index[twice], "a second loss of the same run at the same horizon")


def _units(points: pd.DataFrame) -> Iterator[Problem]:
    """Check C / (6 N D), where all three are the table's own."""
    ratio = points["flops_train"] / (6 * points["params"] * points["tokens"])
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    if ratio.empty:
        return
    middle = float(ratio.median())
    spread = float(np.subtract(*np.percentile(np.log(ratio), [75, 25])))
    if _FORWARD_ONLY[0] < middle < _FORWARD_ONLY[1] and spread < _STEADY:
        text = "C / (6ND) is a third in most rows: the FLOPs are 2ND, forward only; training costs three times that"
        yield Problem(code="flops_forward_only", what=text)
    elif not _NEAR_ONE[0] < middle < _NEAR_ONE[1]:
        yield Problem(
            code="units", what=f"C / (6ND) is {middle:.2g} in the median row, far from 1{_which(middle, points)}"
        )
    odd = ratio[(ratio > _ODD_ROW * middle) | (ratio < middle / _ODD_ROW)]
    if len(odd):
        text = f"C / (6ND) is {odd.iloc[0]:.2g}, against {middle:.2g} in the other rows: another unit or convention"
        yield Problem.at("units_row", odd.index, text)


def _which(ratio: float, points: pd.DataFrame) -> str:
    """Guess which column is in thousands, millions or billions, from how far the ratio is from one."""
    power = 3 * round(float(np.log10(ratio)) / 3)
    if abs(np.log10(ratio) - power) > _NEAR_POWER or power == 0:
        return ": the columns cannot all be in single parameters, tokens and FLOPs"
    if power < 0:
        return f': is C in units of 1e{-power} FLOPs? (--column flops="NAME*1e{-power}")'
    if power not in _ILLIONS:
        return ': are N and D both in millions or billions? (--column params="NAME*1e6" and so on)'
    named = "tokens" if points["tokens"].median() < points["params"].median() else "params"
    return f': is {named} in {_ILLIONS[power]}? (--column {named}="NAME*1e{power}")'


def _plausible(points: pd.DataFrame) -> Iterator[Problem]:
    """Check tokens per parameter, where C or D was computed and the identity says nothing."""
    ratio = (points["tokens"] / points["params"]).replace([np.inf, -np.inf], np.nan).dropna()
    ratio = ratio[ratio > 0]
    if len(ratio) and not _PER_PARAM[0] < float(ratio.median()) < _PER_PARAM[1]:
        text = (
            f"{float(ratio.median()):.2g} tokens per parameter in the median row: is a column in millions or billions?"
        )
        yield Problem(code="units", what=text)
