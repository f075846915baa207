"""Fixed colours and markers: viridis by size, Okabe-Ito by category, the shape repeating the colour.

Colours are CSS variables. The page resolves them for light, dark and print, so figures carry no colour of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

# Marker area differs by shape at one nominal size; these factors make them look alike.
WEIGHT: dict[str, float] = {
    "diamond": 1.2, "triangle-up": 1.3, "triangle-down": 1.3, "triangle-right": 1.3, "pentagon": 1.22, "hexagon": 1.15,
    "star": 1.45, "x-thin": 0.9,
}  # fmt: skip
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "triangle-down", "hexagon", "star")
# Where on viridis the smallest and largest size lie, and the luminance of the page behind them.
_LIGHT, _DARK = (0.0, 0.92, 0.95), (0.25, 1.0, 0.01)
_CONTRAST = 3.0  # WCAG 2.2, 1.4.11: what is needed to see a mark


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


SIZE_COLOUR = "var(--size-"


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
        return Style(label, f"{SIZE_COLOUR}{nearest})", SYMBOLS[nearest % len(SYMBOLS)])

    def css(self, dark: bool) -> str:
        """Return the declarations of ``--size-0`` … for one colour scheme."""
        from plotly.colors import sample_colorscale

        low, high, page = _DARK if dark else _LIGHT
        if not self.sizes:
            return ""
        colours = sample_colorscale("Viridis", _spread(len(self.sizes), low, high), colortype="tuple")
        return " ".join(f"--size-{i}: {_readable(colour, page)};" for i, colour in enumerate(colours))


def _spread(n: int, low: float, high: float) -> list[float]:
    return [low + (high - low) * (i / (n - 1) if n > 1 else 0.5) for i in range(n)]


def luminance(rgb: tuple[float, float, float]) -> float:
    """Return the relative luminance of an sRGB colour with parts from 0 to 1 (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _readable(rgb: tuple[float, float, float], page: float) -> str:
    """Return the colour, moved towards black (or white, on a dark page) until it stands out enough."""
    towards = 0.0 if page > 0.5 else 1.0
    while (max(luminance(rgb), page) + 0.05) / (min(luminance(rgb), page) + 0.05) < _CONTRAST:
        rgb = (
            rgb[0] + (towards - rgb[0]) * 0.04,
            rgb[1] + (towards - rgb[1]) * 0.04,
            rgb[2] + (towards - rgb[2]) * 0.04,
        )
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgb)


def legend(styles: Iterable[Style]) -> tuple[Style, ...]:
    """Return the styles without repeats, in order."""
    return tuple(dict.fromkeys(styles))
