"""The design half of ``scaling plan``: which ladder to train for a budget, before there is a sweep."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.laws.design import Cell, Precision
    from scaling.laws.propose import Proposal

FORMAT = 1  # version of the JSON document


def find(budget: str, target: str, noise: float) -> "Proposal":
    """Return the proposal for a budget and a target as they were typed.

    Raises:
        UsageError: one of them is missing or no count, or the target lies below the budget.
        NotEnoughData: the budget buys no ladder.
    """
    from scaling.errors import UsageError
    from scaling.laws.propose import propose

    if not budget or not target:
        raise UsageError(
            "plan.design",
            "--design needs --budget and --target, both in training FLOPs",
            hint="try: scaling plan --design --budget 1e17 --target 1e19",
        )
    if not noise > 0:
        raise UsageError("plan.noise", f"--noise {noise:g} must be above zero", hint="0.003 is 0.3 % between seeds")
    return propose(_flops(budget, "--budget"), _flops(target, "--target"), noise=noise)


def _flops(text: str, option: str) -> float:
    from scaling.errors import UsageError
    from scaling.units import parse_count

    try:
        return parse_count(text)
    except ValueError as error:
        raise UsageError("plan.count", f"{option}: {error}", hint="write 1e17") from None


def document(proposal: "Proposal", noise: float) -> dict[str, object]:
    """Return the proposal as one JSON document."""
    import dataclasses

    from scaling.laws.design import PRIOR

    return {
        "format": FORMAT,
        "budget_flops": sum(cell.flops for cell in proposal.cells),
        "target_flops": proposal.precision.target_flops,
        "flops_convention": "6ND",
        "prior": dict(PRIOR),
        "noise_log": noise,
        "tried": proposal.tried,
        "ladder": dataclasses.asdict(proposal.ladder),
        "cells": [_cell(cell) for cell in proposal.cells],
        "precision": _precision(proposal.precision),
        "uniform_grid": {
            "cells": [_cell(cell) for cell in proposal.uniform],
            "precision": _precision(proposal.uniform_precision),
        },
        "yaml": proposal.yaml,
    }


def _cell(cell: "Cell") -> dict[str, object]:
    return {
        "params": cell.params,
        "horizons_tokens": list(cell.horizons),
        "seeds": cell.seeds,
        "flops_6nd": cell.flops,
    }


def _precision(found: "Precision") -> dict[str, object]:
    return {
        "a_width": found.a_width,
        "loss_width_relative": found.loss_width,
        "warnings": list(found.warnings),
        "reason": found.reason,
    }


def lines(proposal: "Proposal", noise: float) -> list[str]:
    """Return the proposal for people; the block to paste is printed apart."""
    from scaling.units import format_flops, format_si

    cells, precision = proposal.cells, proposal.precision
    runs = sum(cell.seeds for cell in cells)
    budget = sum(cell.flops for cell in cells)
    return [
        f"# {runs} runs for {format_flops(budget)}, {len(cells)} sizes from {format_si(cells[0].params)} to "
        f"{format_si(cells[-1].params)}; narrowest of {proposal.tried:,} ladders",
        f"# expected 95 % intervals: a {_wide(precision)} wide, loss at {format_flops(precision.target_flops)} "
        f"{_percent(precision)} wide",
        f"# a uniform grid of the same cost: a {_wide(proposal.uniform_precision)}, loss "
        f"{_percent(proposal.uniform_precision)}",
        f"# assumed: Chinchilla's law (alpha, beta also 30 % off), {noise:.2%} noise between seeds, 6ND; and that the",
        "# law holds down to the smallest size and the shortest horizon",
    ]


def _wide(found: "Precision") -> str:
    return "unknown" if found.a_width is None else f"{found.a_width:.3f}"


def _percent(found: "Precision") -> str:
    return "unknown" if found.loss_width is None else f"{found.loss_width:.1%}"
