"""Drawn figures and pixel noise whose likelihood is known exactly: what pictures of known Bayes error are made of.

A pixel belongs to a figure or to the ground. Its grey value is drawn from one of two tables of 2¹⁶ entries, so that
the probability of every value is a whole multiple of 2⁻¹⁶: what is drawn is exactly what is counted.
"""

import math
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]
Pixels = NDArray[np.uint8]

ANGLES = 8  # a figure is turned by a whole multiple of 45 degrees
_DRAWS = 2**16
_GROUND, _CONTRAST = 96.0, 64.0  # grey of the ground, and how much brighter a figure is
_FINE = 5  # a pixel is covered when most of 5 x 5 places in it are


def _stroke(along: Floats, across: Floats) -> Masks:
    return (np.abs(across) < 0.25) & (np.abs(along) < 0.9)


FIGURES: Mapping[str, Callable[[Floats, Floats], Masks]] = MappingProxyType(
    {
        "disc": lambda x, y: x * x + y * y < 0.72,
        "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.72) < 0.2,
        "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) < 0.76,
        "frame": lambda x, y: np.abs(np.maximum(np.abs(x), np.abs(y)) - 0.65) < 0.2,
        "triangle": lambda x, y: (y > -0.5) & (math.sqrt(3) * np.abs(x) + y < 1.0),
        "plus": lambda x, y: _stroke(x, y) | _stroke(y, x),
        "bar": lambda x, y: (np.abs(y) < 0.35) & (np.abs(x) < 0.95),
        "ell": lambda x, y: _stroke(x, y + 0.6) | _stroke(y, x + 0.6),
        "tee": lambda x, y: _stroke(x, y + 0.6) | _stroke(y, x),
        "half": lambda x, y: (np.hypot(x, y) < 0.95) & (y > 0),
    }
)
"""Regions of the plane by name, about as wide as the unit circle."""


def render(figure: str, radius: float, angle: int, side: int) -> Masks:
    """Return the pixels that a figure covers, shape ``(side, side)``.

    Args:
        figure: a key of ``FIGURES``.
        radius: of the unit circle, in pixels; the figure stands in the middle.
        angle: in eighths of a full turn.
        side: of the picture, in pixels.
    """
    places = ((np.arange(side * _FINE) + 0.5) / _FINE - side / 2) / radius
    x, y = np.meshgrid(places, places)
    turn = 2 * math.pi * angle / ANGLES
    inside = FIGURES[figure](x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn))
    covered = inside.reshape(side, _FINE, side, _FINE).sum(axis=(1, 3))
    return np.asarray(2 * covered > _FINE**2)


@dataclass(frozen=True, slots=True)
class PixelNoise:
    """How grey a pixel is, given what it shows.

    Attributes:
        tables: grey values of ground and figure, shape ``(2, 65536)``: each entry as likely as another.
        log_probability: ln of the probability of each grey value, shape ``(2, 256)``.
    """

    tables: Pixels
    log_probability: Floats

    @classmethod
    def of(cls, noise: float, specks: float) -> "PixelNoise":
        """Make the tables.

        Args:
            noise: standard deviation, in units of the contrast between figure and ground.
            specks: share of pixels that show any grey whatever they belong to; above zero, so that no value is
                impossible.
        """
        counts = np.stack([_counts(_GROUND + _CONTRAST * shows, noise * _CONTRAST, specks) for shows in (0, 1)])
        tables = np.stack([np.repeat(np.arange(256), row) for row in counts]).astype(np.uint8)
        return cls(tables, np.log(counts / _DRAWS))

    def draw(self, masks: Masks, rng: np.random.Generator) -> Pixels:
        """Return grey values of the shape of ``masks``."""
        numbers = rng.integers(0, _DRAWS, size=masks.shape, dtype=np.uint16)
        grey: Pixels = np.where(masks, self.tables[1][numbers], self.tables[0][numbers])
        return grey

    def evidence(self, pixels: Pixels) -> Floats:
        """Return ln of the odds of each grey value, figure against ground, in the shape of ``pixels``."""
        return np.asarray((self.log_probability[1] - self.log_probability[0])[pixels])


def png(picture: Pixels) -> bytes:
    """Return a picture ``(height, width, 3)`` as a PNG file (W3C, 2nd edition: 8 bits a channel, no filter)."""
    height, width = picture.shape[:2]
    lines = b"".join(b"\0" + line.tobytes() for line in picture)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    framed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def _counts(mean: float, deviation: float, specks: float) -> NDArray[np.int64]:
    """Return of 2¹⁶ draws how many give each grey value: a normal law, clipped, among specks."""
    below = [0.5 * math.erfc((mean - edge) / (deviation * math.sqrt(2))) for edge in np.arange(0.5, 255.0)]
    cumulative = (1 - specks) * np.array([*below, 1.0]) + specks * np.arange(1, 257) / 256
    ends = np.rint(np.array([0.0, *cumulative]) * _DRAWS).astype(np.int64)
    counts: NDArray[np.int64] = ends[1:] - ends[:-1]
    return counts
