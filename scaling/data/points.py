"""Points of the plane from a mixture whose density is known: round clouds of one size on a square grid.

What is known of the density says how far from it any other sample is: the mean of a Gaussian kernel under the mixture
is a sum over clouds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer import SymbolTokenizer
from scaling.families.gan import HALF_WIDTH, POSITIONS, centres
from scaling.spec.schema import PointsSpec

_TRAIN, _VALIDATION = 1, 2  # streams of random numbers
_DEVIATIONS = 1_000  # the shape counts thousandths


@dataclass(frozen=True, slots=True)
class PointsSource:
    """A ``TokenSource`` that draws points: a row holds the two coordinates of one, which is a token."""

    spec: PointsSpec
    location: Mapping[str, object]
    name: str = "points"

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Draw training and validation points. Raises ``UsageError`` for another context than 1, or too few points."""
        spec, points = self.spec, validation_tokens // context
        if context != 1 or min(points, spec.points) < MIN_WINDOWS:
            raise too_small(spec.points, validation_tokens, context, "data.context of points is 1")
        train, held = (
            draw(spec, count, np.random.default_rng([spec.seed, stream]))
            for count, stream in ((spec.points, _TRAIN), (points, _VALIDATION))
        )
        return Split(
            train=written(train),
            validation=written(held),
            validation_bytes=None,
            tokenizer=SymbolTokenizer(POSITIONS),
            kind="points",
            shape={"across": spec.across, "deviation": round(spec.deviation * _DEVIATIONS)},
        )


def draw(spec: PointsSpec, points: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw points, shape ``(n, 2)``: each cloud is as likely."""
    middles = np.array(centres(spec.across))
    chosen = middles[rng.integers(0, len(middles), size=points)]
    return np.asarray(chosen + spec.deviation * rng.standard_normal((points, 2)))


def written(points: NDArray[np.float64]) -> Tokens:
    """Return coordinates as whole numbers, from ``-HALF_WIDTH`` up."""
    steps = np.rint((points + HALF_WIDTH) * POSITIONS / (2 * HALF_WIDTH))
    return np.asarray(steps.clip(0, POSITIONS - 1).astype(np.uint16))
