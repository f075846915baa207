"""The ladder with the narrowest interval for a training budget, out of a small family.

A ladder has some sizes at equal ratios, horizons at equal ratios, and more seeds for its smaller half. Horizons are
either the same tokens for all sizes or the same tokens per parameter. The largest size follows from the budget. The
score is averaged over laws around the prior, so that the choice does not rest on alpha and beta being right. What it
does rest on: that the law holds down to the smallest size and the shortest horizon of the ladder.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.design import NOISE, PRIOR, TRUNK_SHARE, Cell, Precision, expected_precision, widths

SIZES, SIZE_SPANS = (5, 6, 8, 10), (10.0, 30.0, 100.0, 300.0)
HORIZONS, HORIZON_SPANS = (3, 5, 7), (4.0, 16.0, 64.0)
RATIOS = (5.0, 20.0, 80.0)  # tokens per parameter of the largest size at its last horizon
SEEDS = (1, 2, 4)  # of the smaller half
OFF = 0.3  # share by which alpha and beta of the prior may be wrong
MIN_RATIO, MAX_RATIO = 0.5, 3000.0  # tokens per parameter at which models of today still follow such a law
MIN_PARAMS = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """A ladder before its largest size is known.

    Attributes:
        sizes: how many.
        size_span: largest over smallest.
        horizons: how many per size.
        horizon_span: last over first.
        ratio: tokens per parameter of the largest size at its last horizon.
        per_param: horizons in tokens per parameter; else in tokens, the same for all sizes.
        seeds: of the smaller half of the sizes; the others have one.
    """

    sizes: int
    size_span: float
    horizons: int
    horizon_span: float
    ratio: float
    per_param: bool
    seeds: int

    def cells(self, budget_flops: float) -> tuple[Cell, ...]:
        """Return its runs, scaled so that training costs the budget by 6ND, smallest first."""
        shares = self.size_span ** (np.arange(self.sizes) / (self.sizes - 1) - 1)
        steps = self.horizon_span ** (np.arange(self.horizons) / (self.horizons - 1) - 1)
        seeds = [self.seeds if i < self.sizes // 2 else 1 for i in range(self.sizes)]
        tokens = shares if self.per_param else np.ones(self.sizes)
        largest = np.sqrt(budget_flops / (6 * self.ratio * float((shares * tokens * seeds).sum())))
        return tuple(
            Cell(float(largest * n), tuple((self.ratio * largest * t * steps).tolist()), s)
            for n, t, s in zip(shares, tokens, seeds, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The ladder that was found, beside a uniform grid of the same cost.

    Attributes:
        ladder: its shape.
        cells: its runs.
        precision: what it would learn under the prior.
        uniform: the grid that it is compared with.
        uniform_precision: what the grid would learn.
        tried: ladders compared.
    """

    ladder: Ladder
    cells: tuple[Cell, ...]
    precision: Precision
    uniform: tuple[Cell, ...]
    uniform_precision: Precision
    tried: int

    @property
    def yaml(self) -> str:
        """The ``trials:`` block of a sweep file: sizes and horizons rounded to three digits."""
        half = len(self.cells) // 2
        parts = [self._block(self.cells, "[0]", "every size")]
        if self.ladder.seeds > 1:
            seeds = f"[{', '.join(str(s) for s in range(1, self.ladder.seeds))}]"
            parts.append(self._block(self.cells[:half], seeds, "more seeds where they are cheap"))
        return "trials:\n" + "".join(parts)

    def _block(self, cells: tuple[Cell, ...], seeds: str, remark: str) -> str:
        last = self.cells[-1]
        horizons = [f"{d / last.params:.3g}x" if self.ladder.per_param else _short(d) for d in last.horizons]
        return (
            f"  - ladder:  # {remark}\n"
            f"      sizes: [{', '.join(_short(cell.params) for cell in cells)}]\n"
            f"      horizons: [{', '.join(horizons)}]\n"
            f"      seeds: {seeds}\n"
        )


def _short(value: float) -> str:
    for suffix, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if float(f"{value:.3g}") >= factor:
            return f"{float(f'{value / factor:.3g}'):g}{suffix}"
    return f"{value:.3g}"


def uniform_grid(budget_flops: float) -> tuple[Cell, ...]:
    """Return the plain grid: eight sizes over a factor of 30, six horizons over a factor of 8 in tokens, one seed."""
    plain = Ladder(sizes=8, size_span=30.0, horizons=6, horizon_span=8.0, ratio=20.0, per_param=False, seeds=1)
    return plain.cells(budget_flops)


def laws_around(prior: Mapping[str, float], off: float = OFF) -> tuple[dict[str, float], ...]:
    """Return the prior and laws whose exponents are off by a share either way, with the terms kept at 1e8 and 1e10."""
    found = [dict(prior)]
    for of_alpha, of_beta in itertools.product((1 - off, 1 + off), repeat=2):
        alpha, beta = prior["alpha"] * of_alpha, prior["beta"] * of_beta
        a = prior["A"] * 1e8 ** (alpha - prior["alpha"])
        b = prior["B"] * 1e10 ** (beta - prior["beta"])
        found.append({"E": prior["E"], "A": a, "B": b, "alpha": alpha, "beta": beta})
    return tuple(found)


def propose(
    budget_flops: float,
    target_flops: float,
    prior: Mapping[str, float] = PRIOR,
    *,
    noise: float = NOISE,
    trunk_share: float = TRUNK_SHARE,
) -> Proposal:
    """Return the ladder of least product of the widths of a and of the loss at the target, over laws around the prior.

    Args:
        budget_flops: training compute of the whole ladder, 6ND.
        target_flops: compute at which the loss is wanted.
        prior: E, A, B, alpha, beta.
        noise: standard deviation of log loss between seeds.
        trunk_share: share of the noise variance common to the horizons of one run.

    Raises:
        UsageError: a budget that is not above zero, or a target below the budget.
        NotEnoughData: the budget buys no ladder of models above a thousand parameters.
    """
    if not 0 < budget_flops <= target_flops < np.inf:
        raise UsageError("design.budget", "the budget must be above zero and the target no smaller than it")
    laws = laws_around(prior)
    world = _World(target_flops, noise, trunk_share)
    scored = [(world.score(cells, laws), i, ladder, cells) for i, (ladder, cells) in enumerate(_family(budget_flops))]
    if not scored or not np.isfinite(min(scored)[0]):
        raise NotEnoughData(
            "design.small_budget",
            f"{budget_flops:.3g} FLOPs buy no ladder of models above {MIN_PARAMS:g} parameters",
            hint="give a larger budget",
        )
    _, _, ladder, cells = min(scored, key=lambda row: row[:2])
    grid = uniform_grid(budget_flops)
    return Proposal(
        ladder=ladder,
        cells=cells,
        precision=world.precision(cells, prior),
        uniform=grid,
        uniform_precision=world.precision(grid, prior),
        tried=len(scored),
    )


def _family(budget: float) -> Iterator[tuple[Ladder, tuple[Cell, ...]]]:
    shapes = itertools.product(SIZES, SIZE_SPANS, HORIZONS, HORIZON_SPANS, RATIOS, (False, True), SEEDS)
    for sizes, size_span, horizons, horizon_span, ratio, per_param, seeds in shapes:
        ladder = Ladder(
            sizes=sizes, size_span=size_span, horizons=horizons, horizon_span=horizon_span,
            ratio=ratio, per_param=per_param, seeds=seeds,
        )  # fmt: skip
        cells = ladder.cells(budget)
        ratios = [d / cell.params for cell in cells for d in (cell.horizons[0], cell.horizons[-1])]
        if cells[0].params >= MIN_PARAMS and min(ratios) >= MIN_RATIO and max(ratios) <= MAX_RATIO:
            yield ladder, cells


@dataclass(frozen=True, slots=True)
class _World:
    target_flops: float
    noise: float
    trunk_share: float

    def precision(self, cells: tuple[Cell, ...], law: Mapping[str, float]) -> Precision:
        return expected_precision(cells, self.target_flops, law, noise=self.noise, trunk_share=self.trunk_share)

    def score(self, cells: tuple[Cell, ...], laws: tuple[dict[str, float], ...]) -> float:
        """Return the mean over laws of the log widths of a and of the loss; infinite where one is not identified."""
        total = 0.0
        for law in laws:
            found = widths(cells, self.target_flops, law, self.noise, self.trunk_share)
            if found is None:
                return float("inf")
            total += float(np.log(found).sum())
        return total / len(laws)
