"""Random truths, designs and noises: half of the worlds lie outside the forms that are fitted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
INSIDE = ("plain", "small noise")
OUTSIDE = ("interaction", "heavy tails", "heteroscedastic", "correlated trunks")


@dataclass(frozen=True, slots=True)
class World:
    """A truth, and what one study of it saw.

    ``loss`` is the noiseless loss; ``largest`` the (N, D) that the design's range ends at.
    """

    kind: str
    truth: dict[str, float]
    loss: Callable[[Array | float, Array | float], Array]
    params: Array
    tokens: Array
    losses: Array
    trials: NDArray[np.intp]


def random_world(rng: np.random.Generator, kind: str, trials: int, horizons: int = 4) -> World:
    """Return a world: a law near the published ones, sizes over two or three decades, varied tokens per parameter."""
    truth = {
        "E": rng.uniform(1.2, 2.2),
        "alpha": rng.uniform(0.25, 0.5),
        "beta": rng.uniform(0.25, 0.5),
    }
    smallest, decades = 10 ** rng.uniform(5.5, 7.5), rng.uniform(1.8, 3)
    # Both terms are worth 0.5 to 2 nats at the geometric middle of the design.
    middle = smallest * 10 ** (decades / 2)
    truth["A"] = rng.uniform(0.5, 2) * middle ** truth["alpha"]
    truth["B"] = rng.uniform(0.5, 2) * (20 * middle) ** truth["beta"]
    sizes = np.repeat(np.geomspace(smallest, smallest * 10**decades, max(5, trials // 3)), 3)[:trials]
    sizes = np.concatenate([sizes, np.geomspace(smallest, smallest * 10**decades, trials - len(sizes))])
    longest = sizes * 20 * 4 ** rng.uniform(-1, 1.5, size=trials)
    params = np.repeat(sizes, horizons)
    tokens = (longest[:, None] / 2.0 ** np.arange(horizons)).ravel()
    trial = np.repeat(np.arange(trials), horizons)
    bend = 0.7 if kind == "interaction" else 1.0

    def loss(n: Array | float, d: Array | float) -> Array:
        terms = (truth["A"] / n ** truth["alpha"]) ** (1 / bend) + (truth["B"] / d ** truth["beta"]) ** (1 / bend)
        return np.asarray(truth["E"] + terms**bend)

    noise = _noise(rng, kind, params, trial)
    return World(kind, truth, loss, params, tokens, loss(params, tokens) * np.exp(noise), trial)


def _noise(rng: np.random.Generator, kind: str, params: Array, trial: NDArray[np.intp]) -> Array:
    scale = 0.001 if kind == "small noise" else 10 ** rng.uniform(-2.7, -2.1)
    own = rng.normal(size=len(params))
    common = rng.normal(size=int(trial.max()) + 1)[trial]
    if kind == "heavy tails":
        return scale * rng.standard_t(2.5, size=len(params))
    if kind == "heteroscedastic":
        return scale * own * (params.max() / params) ** 0.25
    if kind == "correlated trunks":
        return scale * (np.sqrt(0.9) * common + np.sqrt(0.1) * own)
    return scale * (np.sqrt(0.3) * common + np.sqrt(0.7) * own)
