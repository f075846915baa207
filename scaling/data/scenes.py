"""Drawn scenes with captions: coloured figures, one to a quarter of the picture, and a sentence that names them.

Every colour is a set of full channels, so that a channel of a pixel is figure or ground under the noise of
``drawing.PixelNoise``. A quarter shows one of finitely many drawings: the likelihood of a picture under any caption is
then a finite sum, so that the best possible reader is known: it tells what a picture shows, drawn or generated.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scaling.data.drawing import FIGURES, Floats, Masks, PixelNoise, Pixels, render
from scaling.data.shapes import patch_side
from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer import SymbolTokenizer
from scaling.errors import UsageError
from scaling.spec.schema import ScenesSpec

COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "red": (1, 0, 0),
        "green": (0, 1, 0),
        "blue": (0, 0, 1),
        "yellow": (1, 1, 0),
        "white": (1, 1, 1),
        "cyan": (0, 1, 1),
        "magenta": (1, 0, 1),
    }
)
"""Channels that are full, by name."""
PLACES = ("upper-left", "upper-right", "lower-left", "lower-right")
STOP, AND = 0, 1  # the first words of every vocabulary; then places, colours, figures
WORDS_EACH = 4  # colour, figure, place, and a word that joins or ends
_RADII = (0.38, 0.46)  # of a figure, in sides of a quarter
_TRAIN, _VALIDATION = 1, 2  # streams of random numbers
_TOGETHER = 512  # pictures handled at once: what fits a cache

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScenesSource:
    """A ``TokenSource`` that draws its own pairs: a row holds the patches of a picture, then the words about it."""

    spec: ScenesSpec
    location: Mapping[str, object]
    name: str = "scenes"

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def reader(self, context: int) -> "SceneReader":
        """Return who sees in pictures as much as anyone could."""
        patches = context - caption_words(self.spec)
        return SceneReader(self.spec, Scenes.of(self.spec), patch_side(self.spec.side, patches))

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Draw training and validation pairs; ``context`` is the patches of a picture and the words of its caption.

        Raises:
            UsageError: patches that do not fill the picture; too few pairs.
        """
        spec, words = self.spec, caption_words(self.spec)
        pairs = validation_tokens // context
        patch = _patch(spec, context - words, words)
        if min(pairs, spec.pairs) < MIN_WINDOWS:
            raise too_small(spec.pairs * context, validation_tokens, context, "data.scenes.pairs")
        world = Scenes.of(spec)
        train, held = (
            rows_of(*world.draw(count, np.random.default_rng([spec.seed, stream])), patch)
            for count, stream in ((spec.pairs, _TRAIN), (pairs, _VALIDATION))
        )
        return Split(
            train=train,
            validation=held,
            validation_bytes=None,
            tokenizer=SymbolTokenizer(len(vocabulary(spec))),
            kind="pairs",
            shape={"patch_values": 3 * patch * patch, "words": words},
        )


def _patch(spec: ScenesSpec, patches: int, words: int) -> int:
    try:
        return patch_side(spec.side, patches)
    except UsageError as error:
        fitting = [str(n * n + words) for n in range(2, spec.side) if spec.side % n == 0]
        raise UsageError(
            "data.bad_patches",
            f"data.context {patches + words}: {words} words of a caption leave {patches} patches, which do not cut a "
            f"picture of {spec.side} x {spec.side} pixels into squares",
            why="of pairs, data.context is the patches of the picture and the words of its caption",
            hint=f"use {' or '.join(fitting)}",
        ) from error


def caption_words(spec: ScenesSpec) -> int:
    """Return how many words a caption has."""
    return WORDS_EACH * spec.objects


def vocabulary(spec: ScenesSpec) -> tuple[str, ...]:
    """Return the words of captions, in the order of their numbers."""
    return (".", "and", *PLACES, *list(COLOURS)[: spec.colours], *list(FIGURES)[: spec.figures])


def rows_of(pictures: Pixels, captions: Tokens, patch: int) -> Tokens:
    """Return rows of patches, left to right and down, each pixel by pixel and channel, then the caption."""
    n, side = pictures.shape[:2]
    across = side // patch
    cut = pictures.reshape(n, across, patch, across, patch, 3).swapaxes(2, 3).reshape(n, -1)
    return np.concatenate([cut, captions], axis=1)


def pictures_of(patches: NDArray[np.generic], patch: int) -> NDArray[np.generic]:
    """Return pictures ``(n, side, side, 3)`` of flattened patches ``(n, values)``: the inverse of ``rows_of``."""
    n = len(patches)
    across = round((patches.shape[1] // (3 * patch * patch)) ** 0.5)
    return patches.reshape(n, across, across, patch, patch, 3).swapaxes(2, 3).reshape(n, across * patch, -1, 3)


@dataclass(frozen=True, slots=True)
class Scenes:
    """The world that is drawn.

    Attributes:
        views: what each figure in each colour may look like in a quarter of the picture, all equally likely: shape
            ``(kinds, views, quarter, quarter, 3)``; a kind is a colour and a figure, figures counting fastest.
        noise: of the channels of a pixel.
        figures, objects: how many there are, and how many a scene shows, in as many different quarters.
    """

    views: Masks
    noise: PixelNoise
    figures: int
    objects: int

    @classmethod
    def of(cls, spec: ScenesSpec) -> "Scenes":
        """Make the world of these settings."""
        quarter = spec.side // 2
        canvas, drawn = quarter + 2 * spec.jitter, list[Masks]()
        for figure in list(FIGURES)[: spec.figures]:
            whole = [render(figure, r * quarter, angle, canvas) for r in _RADII for angle in range(spec.angles)]
            windows = np.lib.stride_tricks.sliding_window_view(np.stack(whole), (quarter, quarter), axis=(1, 2))
            drawn.append(windows.reshape(-1, quarter, quarter))
        channels = np.array(list(COLOURS.values())[: spec.colours], dtype=bool)
        views = np.stack(drawn)[None, ..., None] & channels[:, None, None, None, None, :]
        kinds = views.reshape(-1, *views.shape[2:])
        return cls(kinds, PixelNoise.of(spec.noise, spec.specks), spec.figures, spec.objects)

    @property
    def arrangements(self) -> Whole:
        """Every choice of quarters, ascending: shape ``(choices, objects)``."""
        return np.array(list(itertools.combinations(range(len(PLACES)), self.objects)))

    def draw(self, pairs: int, rng: np.random.Generator) -> tuple[Pixels, Tokens]:
        """Draw pictures ``(n, side, side, 3)`` and their captions ``(n, words)``; every caption is as likely."""
        kinds, views, quarter = self.views.shape[:3]
        arrangements = self.arrangements
        places = arrangements[rng.integers(0, len(arrangements), size=pairs)]
        shown = rng.integers(0, kinds, size=places.shape)
        view = rng.integers(0, views, size=places.shape)
        drawn = np.empty((pairs, 2 * quarter, 2 * quarter, 3), dtype=np.uint8)
        for first in range(0, pairs, _TOGETHER):
            these = slice(first, first + _TOGETHER)
            drawn[these] = self.noise.draw(self._masks(places[these], shown[these], view[these]), rng)
        return drawn, self.captions(places, shown)

    def _masks(self, places: Whole, shown: Whole, view: Whole) -> Masks:
        n, quarter = len(places), self.views.shape[2]
        masks = np.zeros((n, len(PLACES), quarter, quarter, 3), dtype=bool)
        masks[np.arange(n)[:, None], places] = self.views[shown, view]
        grid = masks.reshape(n, 2, 2, quarter, quarter, 3).swapaxes(2, 3)
        return grid.reshape(n, 2 * quarter, 2 * quarter, 3)

    def captions(self, places: Whole, shown: Whole) -> Tokens:
        """Return the words for kinds ``(n, objects)`` at places ``(n, objects)``, which ascend."""
        colour, figure = np.divmod(shown, self.figures)
        first = 2 + len(PLACES)
        colours = len(self.views) // self.figures
        joins = np.broadcast_to([AND] * (self.objects - 1) + [STOP], shown.shape)
        words = np.stack([first + colour, first + colours + figure, 2 + places, joins], axis=2)
        return words.reshape(len(shown), -1).astype(np.uint8)

    def evidence(self, pictures: Pixels) -> Floats:
        """Return ln of the odds of each kind in each quarter against bare ground: shape ``(n, places, kinds)``."""
        kinds, views, quarter = self.views.shape[:3]
        templates = self.views.reshape(kinds * views, -1).astype(np.float32).T
        found = np.empty((len(pictures), len(PLACES), kinds))
        for first in range(0, len(pictures), _TOGETHER):
            these = pictures[first : first + _TOGETHER]
            quarters = these.reshape(-1, 2, quarter, 2, quarter, 3).swapaxes(2, 3).reshape(len(these) * 4, -1)
            scores = (self.noise.evidence(quarters).astype(np.float32) @ templates).reshape(-1, kinds, views)
            most = scores.max(axis=2, keepdims=True)
            odds = most[..., 0] + np.log(np.exp(scores - most).mean(axis=2))
            found[first : first + _TOGETHER] = odds.reshape(len(these), len(PLACES), kinds)
        return found

    def likelihood(self, pictures: Pixels, captions: Tokens) -> Floats:
        """Return ln p(picture | caption) - ln p(picture | bare ground) of every two: shape ``(pictures, captions)``."""
        evidence = self.evidence(pictures)
        places, kinds = self.meaning(captions)
        return np.asarray(evidence[:, places, kinds].sum(axis=2))

    def meaning(self, captions: Tokens) -> tuple[Whole, Whole]:
        """Return the places and kinds ``(n, objects)`` that captions name."""
        words = captions.reshape(len(captions), self.objects, WORDS_EACH).astype(np.int64)
        first = 2 + len(PLACES)
        figure = words[..., 1] - first - len(self.views) // self.figures
        return words[..., 2] - 2, (words[..., 0] - first) * self.figures + figure

    def read(self, pictures: Pixels) -> Tokens:
        """Return the likeliest caption of each picture: what the best possible reader sees in it."""
        evidence = self.evidence(pictures)
        kinds, best = evidence.argmax(axis=2), evidence.max(axis=2)
        arrangements = self.arrangements
        places = arrangements[best[:, arrangements].sum(axis=2).argmax(axis=1)]
        return self.captions(places, np.take_along_axis(kinds, places, axis=1))


@dataclass(frozen=True, slots=True)
class SceneReader:
    """A ``Reader`` of rows of scenes, by the likelihood of a picture under every caption.

    Attributes:
        spec: of the scenes.
        world: that is drawn.
        patch: side of a patch in pixels.
    """

    spec: ScenesSpec
    world: Scenes
    patch: int

    def pictures(self, rows: Tokens) -> Pixels:
        """Return pictures ``(n, side, side, 3)``."""
        patches, _ = self._parts(rows)
        return pictures_of(patches, self.patch).astype(np.uint8)

    def captions(self, rows: Tokens) -> list[str]:
        """Return the captions in words."""
        return self._spoken(self._parts(rows)[1])

    def seen(self, rows: Tokens) -> list[str]:
        """Return the likeliest caption of each picture in words."""
        return self._spoken(self.world.read(self.pictures(rows)))

    def agreement(self, rows: Tokens, asked: Tokens) -> dict[str, Floats]:
        """Return how much of the captions of ``asked`` the pictures of ``rows`` show, each ``(n,)``, 0 to 1.

        ``place``: figures for which something stands at their place; ``colour`` and ``figure``: those that are right
        there; ``scene``: all of that for all figures.
        """
        places, kinds = self.world.meaning(self._parts(asked)[1])
        stands, shown = self.world.meaning(self.world.read(self.pictures(rows)))
        at = np.full((len(rows), len(PLACES)), -1)
        np.put_along_axis(at, stands, shown, axis=1)
        found = np.take_along_axis(at, places, axis=1)
        there, (colour, figure) = found >= 0, np.divmod(found, self.world.figures)
        right = {"place": there, "colour": there & (colour == kinds // self.world.figures)}
        right |= {"figure": there & (figure == kinds % self.world.figures)}
        scene = np.logical_and.reduce(list(right.values())).all(axis=1).astype(float)
        return {**{name: hit.mean(axis=1) for name, hit in right.items()}, "scene": scene}

    def _parts(self, rows: Tokens) -> tuple[Tokens, Tokens]:
        patches, captions = np.split(rows, [-caption_words(self.spec)], axis=1)
        return patches, captions

    def _spoken(self, captions: Tokens) -> list[str]:
        words = vocabulary(self.spec)
        return [" ".join(words[i] for i in caption).replace(" .", "") for caption in captions]
