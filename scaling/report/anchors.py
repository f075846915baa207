"""The names of every place in the report that something else may link to.

Findings name one of these as their figure; a test keeps every one of them present in every rendered page.
"""

FIGURES: tuple[str, ...] = (
    "fig-budget",
    "fig-coverage",
    "fig-noise",
    "fig-heldout",
    "fig-rollout",
    "fig-residuals",
    "fig-curves",
    "fig-ln",
    "fig-ld",
    "fig-beside",
    "fig-surface",
    "fig-price",
    "fig-parameters",
    "fig-isoflop",
    "fig-frontier",
    "fig-returns",
    "fig-system",
    "fig-energy",
    "fig-efficiency",
    "fig-isojoule",
    "fig-quality",
    "fig-abilities",
    "fig-ability-loss",
    "fig-transfer",
    "fig-pressed",
    "fig-runs",
    "fig-power",
)

SECTIONS: tuple[tuple[str, str], ...] = (
    ("sec-answers", "Answers"),
    ("sec-budget", "What a budget buys"),
    ("sec-coverage", "Coverage"),
    ("sec-trust", "Can I trust it?"),
    ("sec-curves", "Training curves"),
    ("sec-laws", "Loss against size and data"),
    ("sec-surface", "The surface L(N, D)"),
    ("sec-frontier", "Compute-optimal training"),
    ("sec-returns", "Diminishing returns"),
    ("sec-system", "Speed and memory"),
    ("sec-energy", "Energy"),
    ("sec-samples", "Samples by size"),
    ("sec-abilities", "Abilities"),
    ("sec-tuning", "Beyond pre-training"),
    ("sec-runs", "One run at a time"),
    ("sec-tables", "Tables"),
)

ANCHORS: frozenset[str] = frozenset(FIGURES) | {name for name, _ in SECTIONS}
