"""Moving figures whose state is known: four frames of one figure that flies straight under noise of known law.

A frame shows the figure at a whole pixel; the state of a clip is where it is in the second frame and how far it goes
from one to the next. States are few and equally likely, so the best estimate of the state from the first two frames is
a finite sum: what no reader of an embedding can better.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.data.drawing import ANGLES, FIGURES, Floats, Masks, PixelNoise, Pixels, render
from scaling.data.shapes import patch_side
from scaling.data.source import MIN_WINDOWS, Inputs, Progress, Split, too_small
from scaling.data.stream import Tokens
from scaling.data.tokenizer import SymbolTokenizer
from scaling.errors import UsageError
from scaling.spec.schema import MovingSpec

Ints = NDArray[np.int64]

FRAMES, SEEN = 4, 2  # of a clip; a token is a patch of two frames that follow each other
STATE = 4  # across, down, and the velocity of both, in pixels
UNITS = 8  # a number of a row counts eighths of a pixel, from ``OFFSET`` pixels below zero
OFFSET = 4
_RADIUS = 0.19  # of a figure, in sides of the frame
_TRAIN, _VALIDATION = 1, 2  # streams of random numbers
_TOGETHER = 256  # clips handled at once


@dataclass(frozen=True, slots=True)
class MovingSource:
    """A ``TokenSource`` that films: a row holds patches of two frames, of the next two, then state and estimate."""

    spec: MovingSpec
    location: Mapping[str, object]
    name: str = "moving"

    def inputs(self) -> Inputs:
        """Return nothing: the settings say it all."""
        return []

    def split(self, context: int, validation_tokens: int, progress: Progress) -> Split:
        """Film training and validation clips, each ``context`` patches of two frames.

        Raises:
            UsageError: patches that do not fill the frames; too few clips.
        """
        spec, clips = self.spec, validation_tokens // context
        if context % 2:
            raise UsageError(
                "data.bad_patches",
                f"data.context {context} is odd",
                why="of clips, data.context counts the patches of the first two frames and of the last two",
                hint=f"use {context + 1}",
            )
        patch = patch_side(spec.side, context // 2)
        if clips < MIN_WINDOWS or spec.clips < MIN_WINDOWS:
            raise too_small(spec.clips * context, validation_tokens, context, "data.moving.clips")
        world = Moving.of(spec)
        train, held = (
            world.rows(count, patch, np.random.default_rng([spec.seed, stream]))
            for count, stream in ((spec.clips, _TRAIN), (clips, _VALIDATION))
        )
        return Split(
            train=train,
            validation=held,
            validation_bytes=None,
            tokenizer=SymbolTokenizer(256),
            kind="clips",
            shape={"patch_values": SEEN * patch * patch, "state": STATE},
        )


@dataclass(frozen=True, slots=True)
class Moving:
    """The world that is filmed.

    Attributes:
        states: every state, equally likely, shape ``(states, 4)``: across and down in the second frame, velocities.
        figures: what may fly, each in any of its angles: shape ``(figures, sprite, sprite)``.
        side: of a frame.
        noise: of the pixels.
    """

    states: Ints
    figures: Masks
    side: int
    noise: PixelNoise

    @classmethod
    def of(cls, spec: MovingSpec) -> "Moving":
        """Make the world of these settings. Raises ``UsageError`` where a figure would leave the frame."""
        sprite = 2 * round(_RADIUS * spec.side)
        angles = range(0, ANGLES, 2)
        names = list(FIGURES)[: spec.figures]
        figures = np.stack([render(name, sprite / 2, angle, sprite) for name in names for angle in angles])
        free, fastest = spec.side - sprite, spec.speed
        if free < (FRAMES - 1) * fastest:
            raise UsageError(
                "data.too_fast",
                f"in {FRAMES} frames a figure at data.moving.speed {fastest} leaves a frame of {spec.side} pixels",
                hint=f"use data.moving.speed {free // (FRAMES - 1)}, or a larger data.moving.side",
            )
        places, speeds = np.arange(free + 1), np.arange(-fastest, fastest + 1)
        along = np.stack(np.meshgrid(places, speeds, indexing="ij"), axis=-1).reshape(-1, 2)
        first, last = along[:, 0] - along[:, 1], along[:, 0] + (FRAMES - 2) * along[:, 1]
        along = along[(first >= 0) & (first <= free) & (last >= 0) & (last <= free)]
        across, down = (part.reshape(-1) for part in np.meshgrid(*[np.arange(len(along))] * 2, indexing="ij"))
        states = np.stack([along[across, 0], along[down, 0], along[across, 1], along[down, 1]], axis=1)
        return cls(states, figures, spec.side, PixelNoise.of(spec.noise, spec.specks))

    def rows(self, clips: int, patch: int, rng: np.random.Generator) -> Tokens:
        """Film clips, shape ``(clips, 2 * side * side * SEEN + 8)``: patches, then state and best estimate."""
        state = self.states[rng.integers(0, len(self.states), size=clips)]
        figure = rng.integers(0, len(self.figures), size=clips)
        parts = []
        for first in range(0, clips, _TOGETHER):
            these = slice(first, first + _TOGETHER)
            frames = self.noise.draw(self.shown(state[these], figure[these], range(-1, FRAMES - 1)), rng)
            told = np.concatenate([state[these], self.estimate(frames[:, :SEEN])], axis=1)
            written = np.rint((told + OFFSET) * UNITS).clip(0, 255).astype(np.uint8)
            parts.append(np.concatenate([_patches(frames, patch), written], axis=1))
        return np.concatenate(parts)

    def shown(self, state: Ints, figure: Ints, times: range) -> Masks:
        """Return where figures are at times counted from the second frame: shape ``(n, times, side, side)``."""
        sprite, n = self.figures.shape[1], np.arange(len(state))
        masks = np.zeros((len(state), len(times), self.side, self.side), dtype=bool)
        spot = np.arange(sprite)
        for i, time in enumerate(times):
            across, down = (state[:, axis] + time * state[:, 2 + axis] for axis in (0, 1))
            rows, columns = (down[:, None] + spot)[:, :, None], (across[:, None] + spot)[:, None, :]
            masks[n[:, None, None], i, rows, columns] = self.figures[figure]
        return masks

    def estimate(self, frames: Pixels) -> Floats:
        """Return the mean of the state given two frames ``(n, 2, side, side)``: shape ``(n, 4)``.

        The evidence of a figure at a place is a sum over its pixels, so all places are one correlation.
        """
        sprite = self.figures.shape[1]
        windows = np.lib.stride_tricks.sliding_window_view(self.noise.evidence(frames), (sprite, sprite), axis=(2, 3))
        found = np.tensordot(windows, self.figures.astype(np.float64), axes=([4, 5], [1, 2]))  # (n, 2, down, across, f)
        x, y, dx, dy = self.states.T
        scores = found[:, 1, y, x] + found[:, 0, y - dy, x - dx]  # (n, states, figures)
        likely = np.exp(scores - scores.max(axis=(1, 2), keepdims=True)).sum(axis=2)
        mean: Floats = likely @ self.states / likely.sum(axis=1, keepdims=True)
        return mean


def _patches(frames: Pixels, patch: int) -> Pixels:
    """Return clips ``(n, 4, side, side)`` as patches of two frames each, left to right and down."""
    n, across = len(frames), frames.shape[2] // patch
    cut = frames.reshape(n, FRAMES // SEEN, SEEN, across, patch, across, patch)
    return cut.transpose(0, 1, 3, 5, 2, 4, 6).reshape(n, -1)


def frames_of(rows: Tokens, side: int, patch: int) -> Pixels:
    """Return the frames ``(n, 4, side, side)`` of rows."""
    n, across = len(rows), side // patch
    cut = rows[:, : FRAMES * side * side].reshape(n, FRAMES // SEEN, across, across, SEEN, patch, patch)
    return cut.transpose(0, 1, 4, 2, 5, 3, 6).reshape(n, FRAMES, side, side)
