"""Fixed colours and markers: viridis by size, Okabe-Ito by category, the shape repeating the colour.

Colours are CSS variables. The page resolves them for light, dark and print, so figures carry no colour of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "triangle-down", "hexagon", "star")
# Where on viridis the smallest and largest size lie: its ends vanish on white and on near-black.
_LIGHT, _DARK = (0.0, 0.82), (0.28, 1.0)


@dataclass(frozen=True, slots=True)
class Style:
    """How one category is drawn everywhere: a CSS colour, a marker and a dash."""

    label: str
    colour: str
    symbol: str = "circle"
    dash: str = "solid"


STATES: dict[str, Style] = {
    "done": Style("done", "var(--c-blue)", "circle"),
    "running": Style("running", "var(--c-green)", "triangle-right"),
    "pending": Style("not run yet", "var(--ink-3)", "circle-open"),
    "interrupted": Style("interrupted", "var(--c-orange)", "square-open"),
    "diverged": Style("diverged", "var(--c-purple)", "triangle-up"),
    "failed": Style("failed", "var(--c-vermillion)", "x-thin"),
}
COMPONENTS: dict[str, Style] = {
    "gpu": Style("GPU", "var(--c-blue)", "circle"),
    "cpu": Style("CPU", "var(--c-vermillion)", "square"),
    "ram": Style("RAM", "var(--c-green)", "diamond"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """The styles of one report: every size has one colour and one marker on every figure."""

    sizes: tuple[int, ...]

    @classmethod
    def of(cls, *frames: pd.DataFrame) -> "Look":
        """Return the look for every size that occurs in ``params_total`` of the frames."""
        found = {int(n) for f in frames if "params_total" in f for n in f["params_total"].dropna().unique()}
        return cls(tuple(sorted(found)))

    def size(self, params: float, label: str = "") -> Style:
        """Return the style of a size; the nearest known one where rounding moved it."""
        nearest = min(range(len(self.sizes)), key=lambda i: abs(self.sizes[i] - params))
        return Style(label, f"var(--size-{nearest})", SYMBOLS[nearest % len(SYMBOLS)])

    def css(self, dark: bool) -> str:
        """Return the declarations of ``--size-0`` … for one colour scheme."""
        from plotly.colors import sample_colorscale

        low, high = _DARK if dark else _LIGHT
        colours = sample_colorscale("Viridis", _spread(len(self.sizes), low, high)) if self.sizes else []
        return " ".join(f"--size-{i}: {colour};" for i, colour in enumerate(colours))


def _spread(n: int, low: float, high: float) -> list[float]:
    return [low + (high - low) * (i / (n - 1) if n > 1 else 0.5) for i in range(n)]


def legend(styles: Iterable[Style]) -> tuple[Style, ...]:
    """Return the styles without repeats, in order."""
    return tuple(dict.fromkeys(styles))
