"""From a table of scores to one result per probe: along which axis, with which verdict, in how many seeds.

The axis is decided before any score is seen. Where all sizes trained on the same tokens, scores are read against
parameters at that D; where all trained on the same tokens per parameter, at that ratio; else against training FLOPs:
a threshold in size read off mixed D would be one in data, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from scaling.errors import UsageError
from scaling.laws.emergence.call import ShapeCall, shape_call
from scaling.laws.emergence.surprise import SIMULATIONS
from scaling.laws.emergence.verdict import AbilityVerdict, Word, holm, verdict
from scaling.laws.forms import Array
from scaling.units import format_si

SOLVED = 0.9  # exact match that counts as solved
_SAME = 1.1  # largest ratio of tokens, or of tokens per parameter, that counts as one
CORRECTED_LEVEL = 0.05  # of p-values corrected for the number of probes


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What scores are read against.

    Attributes:
        name: column: ``params_total`` or ``flops_train``.
        rule: the token rule, in words.
    """

    name: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbilityResult:
    """One probe over all sizes.

    Attributes:
        probe: its name.
        ability: what people call it.
        axis: what it is read against.
        rows: the evaluations judged: x, seed, score (at least the floor), logprob, items, loss_nats, tokens,
            params_total.
        floor: best score that needs no ability, mean over the rows; ``None`` when not known.
        verdict: on this axis.
        p_corrected: least p-value of the surprises, corrected for the number of probes (Holm 1979).
        by_loss: the call with the validation loss as axis; ``None`` where losses are missing.
        solved: (x, seeds that solved it, seeds) per size.
    """

    probe: str
    ability: str
    axis: Axis
    rows: pd.DataFrame
    floor: float | None
    verdict: AbilityVerdict
    p_corrected: float | None
    by_loss: ShapeCall | None
    solved: tuple[tuple[float, int, int], ...]

    @property
    def top(self) -> float:
        """Mean score at the largest x."""
        return float(self.rows.loc[self.rows["x"] == self.rows["x"].max(), "score"].mean())

    @property
    def bottom(self) -> float:
        """Mean score at the smallest x: what stands for the floor where none is known."""
        return float(self.rows.loc[self.rows["x"] == self.rows["x"].min(), "score"].mean())


def analyse_abilities(frame: pd.DataFrame, *, simulations: int = SIMULATIONS) -> tuple[AbilityResult, ...]:
    """Judge every probe of a store.

    Args:
        frame: as ``Store.abilities`` gives it.
        simulations: smooth worlds drawn for each p-value.

    Returns:
        One result per probe, in order of name of ability, then of probe.

    Raises:
        UsageError: scores outside 0 to 1.
    """
    if frame.empty:
        return ()
    if not frame["score"].dropna().between(0, 1).all():
        raise UsageError("abilities.score", "scores must lie between 0 and 1")
    last, axis = judged_rows(frame)
    found = [
        _result(str(probe), part, axis, simulations)
        for (_, probe), part in last.dropna(subset=["score"]).groupby(["ability", "probe"], sort=True)
    ]
    return _corrected(found)


def judged_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, Axis]:
    """Return the evaluations that are judged, with their x, and the axis."""
    if frame["tokens"].isna().any():
        rule = "training tokens not told; parameters as the scale"
        return frame.assign(x=frame["params_total"].astype(float)), Axis(name="params_total", rule=rule)
    ends = frame.groupby("trial")["tokens"].max()
    sizes_at = frame.groupby("tokens")["params_total"].nunique()
    common = sizes_at.index[sizes_at == frame["params_total"].nunique()]
    if len(common):  # a trial that is not there yet takes its seed away, not the horizon
        tokens = max(common)
        axis = Axis(name="params_total", rule=f"every size at the same D = {format_si(float(tokens))} tokens")
        return frame[frame["tokens"] == tokens].assign(x=frame["params_total"].astype(float)), axis
    last = frame[frame["tokens"] == frame["trial"].map(ends)]
    ratio = last["tokens"] / last["params_total"]
    if ratio.max() <= _SAME * ratio.min():
        rule = f"every size at the same D/N = {ratio.median():.3g} tokens per parameter"
        return last.assign(x=last["params_total"].astype(float)), Axis(name="params_total", rule=rule)
    rule = "sizes trained on different D and D/N, so scores are read against training FLOPs"
    return last.assign(x=last["flops_train"].astype(float)), Axis(name="flops_train", rule=rule)


def _result(probe: str, part: pd.DataFrame, axis: Axis, simulations: int) -> AbilityResult:
    columns = ["x", "trial", "seed", "score", "logprob", "items", "loss_nats", "tokens", "params_total"]
    rows = part.sort_values(["x", "seed"])[columns].reset_index(drop=True)
    floor = None if part["floor"].isna().any() else float(part["floor"].astype(float).mean())
    logprob = None if rows["logprob"].isna().any() else rows["logprob"].to_numpy(dtype=float)
    items = None if rows["items"].isna().any() else rows["items"].to_numpy(dtype=float)
    if part["format_only"].notna().all():  # a choice among given answers has no format: below chance is an answer there
        rows["score"] = lifted(rows["score"].to_numpy(dtype=float), floor, items)
    judged = verdict(
        rows["x"].to_numpy(dtype=float), rows["score"].to_numpy(dtype=float), logprob=logprob,
        seeds=rows["seed"].astype(str).to_numpy(), n_items=items, floor=floor, simulations=simulations,
    )  # fmt: skip
    return AbilityResult(
        probe=probe,
        ability=str(part["ability"].iloc[0]),
        axis=axis,
        rows=rows,
        floor=floor,
        verdict=judged,
        p_corrected=None,
        by_loss=_by_loss(rows, floor, items, simulations),
        solved=_solved(rows),
    )


def lifted(score: Array, floor: float | None, items: Array | None) -> Array:
    """Return scores with those clearly below the floor put on it: a climb up to what needs no ability is format.

    Args:
        score: of each evaluation.
        floor: best score that needs no ability; without it, or without item counts, nothing is moved.
        items: behind each score; two binomial standard errors below the floor are clear.
    """
    if floor is None or items is None:
        return score
    clear = score < floor - 2 * np.sqrt(floor * (1 - floor) / items)
    return np.asarray(np.where(clear, floor, score), dtype=float)


def _solved(rows: pd.DataFrame) -> tuple[tuple[float, int, int], ...]:
    x, score = rows["x"].to_numpy(dtype=float), rows["score"].to_numpy(dtype=float)
    return tuple((float(at), int((score[x == at] >= SOLVED).sum()), int((x == at).sum())) for at in np.unique(x))


def _by_loss(rows: pd.DataFrame, floor: float | None, items: object, simulations: int) -> ShapeCall | None:
    """Judge the mean score of each size against its mean loss, falling."""
    if rows["loss_nats"].isna().any():
        return None
    means = rows.groupby("x", sort=True)[["loss_nats", "score", "items"]].mean()
    counts = None if items is None else rows.groupby("x", sort=True)["items"].sum().to_numpy(dtype=float)
    loss, score = means["loss_nats"].to_numpy(dtype=float), means["score"].to_numpy(dtype=float)
    if len(np.unique(loss)) < len(loss):
        return None
    return shape_call(loss, score, floor=floor, n_items=counts, log_x=False, simulations=simulations)


def _corrected(found: Sequence[AbilityResult]) -> tuple[AbilityResult, ...]:
    """Correct p-values for the number of probes; what does not survive is no longer called emergent."""
    raw: Mapping[int, float] = MappingProxyType({i: p for i, r in enumerate(found) if (p := _p(r)) is not None})
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    out = []
    for i, result in enumerate(found):
        p = corrected.get(i)
        judged = result.verdict
        if judged.emergent and (p is None or p > CORRECTED_LEVEL):
            told = f"unpredicted rise, not significant among {len(raw)} probes (corrected p = {p:.2g})"
            judged = replace(judged, emergent=False, sentence=judged.sentence.replace("emergent", told, 1))
        out.append(replace(result, p_corrected=p, verdict=judged))
    return tuple(out)


def _p(result: AbilityResult) -> float | None:
    """Return the p-value of the surprise that carries an unpredicted rise; of the score otherwise."""
    judged = result.verdict
    if judged.word is Word.UNPREDICTED_RISE and judged.logprob is not None:
        return judged.logprob.p
    return None if judged.score.surprise is None else judged.score.surprise.p
