"""Worlds whose truth is known: an ability against size, with its log-probability, items and seeds.

Half of each class is drawn from forms that the detector does not fit: Gompertz curves, mixtures of skills,
heavy-tailed noise.
"""

from dataclasses import dataclass

import numpy as np

CLASSES = ("flat", "smooth", "artefact", "break weak", "break moderate", "break strong")
_THIRD, _BEGUN = 0.36, 0.02  # of the range; a score this far off its floor there has begun to rise
_EXPONENT = {"break weak": 0.3, "break moderate": 0.5, "break strong": 1.2}


@dataclass(frozen=True)
class EmergenceWorld:
    kind: str
    outside: bool
    x: np.ndarray
    score: np.ndarray
    logprob: np.ndarray
    seeds: np.ndarray
    n_items: int
    floor: float


def draw_world(rng, kind, sizes, *, outside, seeds=3, items=500, noise=0.03):
    """One world over three decades of size; ``noise`` is the scatter of ln(loss) between seeds."""
    t = np.linspace(0, 1, sizes)
    truth, floor = _truth(rng, kind, t, outside)
    x = np.repeat(1e6 * 10 ** (3 * t), seeds)
    loss = np.repeat(truth["loss"], seeds)
    draws = rng.normal(size=len(x)) if not outside else rng.standard_t(4, size=len(x)) / np.sqrt(2)
    seen = loss * np.exp(noise * draws)
    p = truth["score_of"](np.repeat(t, seeds), seen, loss)
    score = rng.binomial(items, np.clip(p, 0, 1)) / items
    return EmergenceWorld(kind, outside, x, score, -seen, np.tile(np.arange(seeds), sizes), items, floor)


def _truth(rng, kind, t, outside):
    if kind == "flat":
        return _flat(rng, t, outside)
    if kind == "smooth":
        return _smooth(rng, t, outside)
    if kind == "artefact":
        loss, tokens = _artefact(rng, t, outside)
    else:
        loss, tokens = _break(rng, t, _EXPONENT[kind], outside), 5
    return {"loss": loss, "score_of": lambda t, seen, loss: np.exp(-tokens * seen)}, 0.0


def _flat(rng, t, outside):
    floor = rng.choice([0.0, 0.25, 0.5])
    level = rng.uniform(1.0, 3.0)
    wiggle = rng.normal(0, 0.01, len(t)) if outside else 0.0
    return {"loss": level * np.exp(wiggle + 0 * t), "score_of": lambda t, seen, loss: floor + 0 * t}, floor


def _smooth(rng, t, outside):
    """Accuracy from near its floor or well above it, in 3 to 6 decades from 10 to 90 %.

    A smooth rise has begun where the smallest third of the range ends. One that starts later is foretold by nothing: on
    the score alone it is the late rise of an artefact.
    """
    floor = rng.choice([0.0, 0.25, 0.5])
    while True:
        share = _smooth_share(rng, outside)
        if share(np.array([_THIRD]))[0] >= _BEGUN:
            break
    base = -np.log(0.05 + 0.93 * share(t))

    def score_of(t, seen, loss):
        return floor + (1 - floor) * np.clip(share(t) + 0.3 * (loss - seen) * share(t), 0, 1)

    return {"loss": base, "score_of": score_of}, floor


def _smooth_share(rng, outside):
    kind = rng.choice(["gompertz", "skills"]) if outside else rng.choice(["logistic", "line"])
    width = rng.uniform(1.0, 2.0)  # in ranges
    middle = rng.uniform(0.2, 1.2)

    def share(u):
        if kind == "logistic":
            return 1 / (1 + np.exp(-4.39 / width * (u - middle)))
        if kind == "line":
            return np.clip(0.05 + 0.7 / width * u, 0, 1)
        if kind == "gompertz":  # 10 to 90 % of exp(-exp(-b u)) takes 3.08 / b
            return np.exp(-np.exp(-3.08 / width * (u - middle)))
        where = middle + width * np.linspace(-1, 1, 12) * 0.6  # skills spread over scale, each sudden
        return np.mean([1 / (1 + np.exp(-25 * (u - m))) for m in where], axis=0)

    return share


def _artefact(rng, t, outside):
    """Loss per token falls smoothly; exact match of the answer stays near zero over a third, and then rises."""
    while True:
        tokens, first, last = int(rng.integers(5, 11)), rng.uniform(1.2, 3.0), rng.uniform(0.02, 0.15)
        loss_at = _artefact_loss(rng, first, last, outside)
        low, high = np.exp(-tokens * loss_at(np.array([_THIRD, 1.0])))
        if low < _BEGUN and high > 0.3:
            return loss_at(t), tokens


def _artefact_loss(rng, first, last, outside):
    if not outside:
        return lambda t: first * (last / first) ** t
    if rng.random() < 0.5:  # probability per token as a Gompertz curve, a little bent
        return lambda t: first * (last / first) ** (t**1.15)
    weights = rng.dirichlet([4, 4, 4])  # three kinds of token, each with an exponent of its own
    return lambda t: first * sum(w * (last / first) ** (t * s) for w, s in zip(weights, (0.8, 1.0, 1.3), strict=True))


def _break(rng, t, exponent, outside):
    """Loss per token rests at guessing to a point inside the range, then falls."""
    chance = np.log(rng.integers(4, 20))
    at = rng.uniform(0.35, 0.7)
    decades = 3 * np.maximum(t - at, 0)
    slope = rng.uniform(0.85, 1.15) * exponent
    if not outside:
        return chance * 10 ** (-slope * decades)
    if rng.random() < 0.5:  # Gompertz-like onset
        soft = 0.06 * np.logaddexp(0, (t - at) / 0.06) * 3
        return chance * 10 ** (-slope * soft)
    hard, steps = rng.uniform(0, 0.1), np.array([0.0, 0.08, 0.16])  # three skills in a row, the rest never learnt
    fall = np.mean([1 - 10 ** (-1.6 * slope * 3 * np.maximum(t - at - s, 0)) for s in steps], axis=0)
    return chance * (1 - (1 - hard) * fall)
