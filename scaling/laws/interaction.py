"""Do size and data limit the loss independently? The sum of terms, and Kaplan's joint law, inside one larger law.

    L(N, D) = E + ((A / N^alpha)^(1/kappa) + (B / D^beta)^(1/kappa))^kappa

kappa = 1 is Hoffmann's sum of terms (2203.15556, eq. 2); E = 0 and beta = kappa is Kaplan's joint law (2001.08361,
eq. 1.5). A kappa away from one is an interaction of size and data that the sum of terms cannot show: it bends between
the ends of the data, and beyond them its prediction is biased by more than its interval says.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scaling.laws.forms import Array
from scaling.laws.robust import DELTA, Solution, minimise

FORM = "E + ((A/N^alpha)^(1/kappa) + (B/D^beta)^(1/kappa))^kappa"
FREE = 6
_KAPPAS = (0.5, 0.7, 1.0, 1.4)  # starts
_LOW, _HIGH = (0.0, -20.0, 0.005, -20.0, 0.005, np.log(0.2)), (1.0, 20.0, 3.0, 20.0, 3.0, np.log(3.0))


def interacting_loss(law: Mapping[str, float], params: Array, tokens: Array) -> Array:
    """Return the loss.

    Args:
        law: E, A, B, alpha, beta, kappa.
        params: N.
        tokens: D.
    """
    kappa = law["kappa"]
    size = (np.log(law["A"]) - law["alpha"] * np.log(params)) / kappa
    data = (np.log(law["B"]) - law["beta"] * np.log(tokens)) / kappa
    return np.asarray(law["E"] + np.exp(kappa * np.logaddexp(size, data)), dtype=float)


def fit_interaction(
    params: Array, tokens: Array, losses: Array, start: Mapping[str, float], *, delta: float = DELTA
) -> tuple[dict[str, float], Solution]:
    """Fit all six parameters, from the fitted sum of terms at several kappas.

    Args:
        params: N of each point.
        tokens: D of each point.
        losses: nats per token.
        start: E, A, B, alpha, beta of L(N,D) through the same points.
        delta: where Huber's loss turns linear, in log loss.
    """
    problem = _Problem(np.log(params), np.log(tokens), np.log(losses))
    starts = np.array([problem.start(start, kappa) for kappa in _KAPPAS])
    found = minimise(problem.residuals, starts, delta, np.array(_LOW), np.array(_HIGH))
    return problem.natural(found.theta), found


@dataclass(frozen=True, slots=True)
class _Problem:
    """theta = (E / least loss, ln A', alpha, ln B', beta, ln kappa); A' and B' are the terms at the middle."""

    log_n: Array
    log_d: Array
    log_loss: Array

    @property
    def least(self) -> float:
        return float(np.exp(self.log_loss.min()))

    def start(self, law: Mapping[str, float], kappa: float) -> list[float]:
        size = np.log(law["A"]) - law["alpha"] * self.log_n.mean()
        data = np.log(law["B"]) - law["beta"] * self.log_d.mean()
        floor = min(law.get("E", 0.0) / self.least, 0.99)
        return [floor, float(size), law["alpha"], float(data), law["beta"], float(np.log(kappa))]

    def natural(self, theta: Array) -> dict[str, float]:
        floor, size, alpha, data, beta, log_kappa = (float(v) for v in theta)
        return {
            "E": floor * self.least,
            "A": float(np.exp(size + alpha * self.log_n.mean())),
            "B": float(np.exp(data + beta * self.log_d.mean())),
            "alpha": alpha,
            "beta": beta,
            "kappa": float(np.exp(log_kappa)),
        }

    def residuals(self, theta: Array) -> Array:
        floor, size, alpha, data, beta, log_kappa = theta
        kappa = np.exp(log_kappa)
        n = (size - alpha * (self.log_n - self.log_n.mean())) / kappa
        d = (data - beta * (self.log_d - self.log_d.mean())) / kappa
        reducible = np.exp(np.clip(kappa * np.logaddexp(n, d), -50, 50))
        return np.asarray(np.log(floor * self.least + reducible) - self.log_loss, dtype=float)
