"""Pictures of one figure among noise, whose best possible classifier is known.

A picture shows one of a few figures, at one of a finite number of sizes, angles and places, under pixel noise of known
law; the label is wrong at a known rate. The posterior of every class given a picture is then a finite sum, and so are
the loss and the accuracy that no model can better: exact for each picture, averaged over the validation pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import numpy as np

from scaling.data.drawing import ANGLES, FIGURES, Floats, Masks, PixelNoise, Pixels, render
from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer import SymbolTokenizer
from scaling.errors import UsageError
from scaling.families import NATS_PER_IMAGE
from scaling.spec.schema import ShapesSpec

_RADII = (0.24, 0.32)  # of a figure, in sides of the picture
_TRAIN, _VALIDATION = 1, 2  # streams of random numbers
_TOGETHER = 512  # pictures handled at once: what fits a cache


@dataclass(frozen=True, slots=True)
class ShapesSource:
    """A ``TokenSource`` that draws its own pictures: a row holds the patches of one, then its label."""

    spec: ShapesSpec
    location: Mapping[str, object]
    name: str = "shapes"

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Draw training and validation pictures, cut into ``context`` patches.

        Raises:
            UsageError: patches that do not fill the picture; too few pictures.
        """
        spec, pictures = self.spec, validation_tokens // context
        patch = patch_side(spec.side, context)
        if pictures < MIN_WINDOWS or spec.images < MIN_WINDOWS:
            raise too_small(spec.images * context, validation_tokens, context, "data.shapes.images")
        world = Shapes.of(spec)
        train, labels = world.draw(spec.images, np.random.default_rng([spec.seed, _TRAIN]))
        held, held_labels = world.draw(pictures, np.random.default_rng([spec.seed, _VALIDATION]))
        posterior = world.posterior(held)
        told = -np.log(posterior[np.arange(pictures), held_labels])
        uncertain = -(posterior * np.log(posterior)).sum(axis=1)
        return Split(
            train=rows_of(train, labels, patch),
            validation=rows_of(held, held_labels, patch),
            validation_bytes=None,
            tokenizer=SymbolTokenizer(spec.classes),
            entropy_nats=float(uncertain.mean()),
            entropy_se_nats=float(uncertain.std(ddof=1) / np.sqrt(pictures)),
            validation_entropy_nats=float(told.mean()),
            best_accuracy=float((posterior.argmax(axis=1) == held_labels).mean()),
            entropy_unit=NATS_PER_IMAGE,
            kind="images",
            shape={"patch_values": patch * patch},
        )


def patch_side(side: int, patches: int) -> int:
    """Return the side of a patch in pixels. Raises ``UsageError`` for patches that do not fill the picture."""
    across = isqrt(patches)
    if across * across != patches or side % across:
        fitting = [str(n * n) for n in range(2, side) if side % n == 0]
        raise UsageError(
            "data.bad_patches",
            f"data.context {patches}: pictures of {side} x {side} pixels are not cut into {patches} square patches",
            why="of pictures, data.context is the number of patches",
            hint=f"use {' or '.join(fitting)}",
        )
    return side // across


def rows_of(pictures: Pixels, labels: Tokens, patch: int) -> Tokens:
    """Return rows of patches, left to right and down, then the label: shape ``(n, side * side + 1)``."""
    n, across = len(pictures), pictures.shape[1] // patch
    cut = pictures.reshape(n, across, patch, across, patch).swapaxes(2, 3).reshape(n, -1)
    return np.concatenate([cut, labels[:, None]], axis=1)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The world that is drawn.

    Attributes:
        templates: what each class looks like in every size, angle and place, all equally likely: shape
            ``(classes, views, side, side)``.
        noise: of the pixels.
        wrong: share of labels that name another class, each of them as often.
    """

    templates: Masks
    noise: PixelNoise
    wrong: float

    @classmethod
    def of(cls, spec: ShapesSpec) -> "Shapes":
        """Make the world of these settings."""
        side, jitter = spec.side, spec.jitter
        canvas, views = side + 2 * jitter, list[Masks]()
        for figure in list(FIGURES)[: spec.classes]:
            whole = [render(figure, r * side, angle, canvas) for r in _RADII for angle in range(ANGLES)]
            windows = np.lib.stride_tricks.sliding_window_view(np.stack(whole), (side, side), axis=(1, 2))
            views.append(windows.reshape(-1, side, side))
        return cls(np.stack(views), PixelNoise.of(spec.noise, spec.specks), spec.wrong_labels)

    def draw(self, pictures: int, rng: np.random.Generator) -> tuple[Pixels, Tokens]:
        """Draw pictures, shape ``(n, side, side)``, and their labels, shape ``(n,)``."""
        classes, views = self.templates.shape[:2]
        shown, view = rng.integers(0, classes, size=pictures), rng.integers(0, views, size=pictures)
        other = (shown + rng.integers(1, classes, size=pictures)) % classes
        labels = np.where(rng.random(pictures) < self.wrong, other, shown).astype(np.uint8)
        drawn = np.empty((pictures, *self.templates.shape[2:]), dtype=np.uint8)
        for first in range(0, pictures, _TOGETHER):
            these = slice(first, first + _TOGETHER)
            drawn[these] = self.noise.draw(self.templates[shown[these], view[these]], rng)
        return drawn, labels

    def posterior(self, pictures: Pixels) -> Floats:
        """Return the probability of every label given each picture, shape ``(n, classes)``.

        Summed over all views of each class. In float32, whose rounding moves a probability by about 1e-4 of itself.
        """
        classes, views = self.templates.shape[:2]
        pixels = self.templates.reshape(classes * views, -1).astype(np.float32).T
        found = np.empty((len(pictures), classes))
        for first in range(0, len(pictures), _TOGETHER):
            these = pictures[first : first + _TOGETHER]
            evidence = self.noise.evidence(these).reshape(len(these), -1).astype(np.float32)
            scores = evidence @ pixels
            scores -= scores.max(axis=1, keepdims=True)
            likelihood = np.exp(scores, out=scores).reshape(len(these), classes, views).sum(axis=2, dtype=np.float64)
            found[first : first + _TOGETHER] = likelihood / likelihood.sum(axis=1, keepdims=True)
        told: Floats = (1 - self.wrong) * found + self.wrong * (1 - found) / (classes - 1)
        return told
