"""What others do: Huber on log loss through log-sum-exp, from many starts, by scipy's L-BFGS."""

import itertools

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

# Hoffmann et al. 2022 (2203.15556), section D.2
HOFFMANN_GRID = {
    "a": (0, 5, 10, 15, 20, 25), "b": (0, 5, 10, 15, 20, 25), "e": (-1, -0.5, 0, 0.5, 1),
    "alpha": (0, 0.5, 1, 1.5, 2), "beta": (0, 0.5, 1, 1.5, 2),
}  # fmt: skip


def hoffmann_starts():
    """Return the 4,500 starts of the original study, ``(a, b, e, alpha, beta)`` each."""
    return np.array(list(itertools.product(*HOFFMANN_GRID.values())), dtype=float)


def random_starts(rng, number, log_n, log_d, log_loss):
    """Return starts spread around laws of the right order of magnitude."""
    alpha, beta = rng.uniform(0.05, 1.0, size=(2, number))
    share = rng.dirichlet(np.ones(3), size=number) * np.exp(log_loss.mean())
    a, b = np.log(share[:, 0]) + alpha * log_n.mean(), np.log(share[:, 1]) + beta * log_d.mean()
    return np.column_stack([a, b, np.log(share[:, 2]), alpha, beta])


def huber_sum(x, log_n, log_d, log_loss, delta=1e-3):
    """Return the objective and its gradient."""
    a, b, e, alpha, beta = x
    terms = np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)])
    fitted = logsumexp(terms, axis=0)
    residual = fitted - log_loss
    pull = np.clip(residual, -delta, delta)
    share = np.exp(terms - fitted) * pull
    gradient = [share[0].sum(), share[1].sum(), share[2].sum(), -share[0] @ log_n, -share[1] @ log_d]
    return float(np.sum(np.abs(pull) * (np.abs(residual) - 0.5 * np.abs(pull)))), np.array(gradient)


def best_of(starts, log_n, log_d, log_loss, delta=1e-3):
    """Return the least objective over L-BFGS runs from every start, tolerances as tight as they go."""
    options = {"maxiter": 3000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-13, "maxcor": 30}
    found = []
    for start in starts:
        result = minimize(
            huber_sum, start, args=(log_n, log_d, log_loss, delta), jac=True, method="L-BFGS-B", options=options
        )
        found.append(result.fun)
    return min(found)
