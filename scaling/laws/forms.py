"""The laws as formulas: a floor plus one falling power term per variable, with exact derivatives.

Every form here is ``E + sum_k A_k / X_k^p_k`` (Hoffmann et al. 2022, 2203.15556, eq. 2; one term gives the curves of
Kaplan et al. 2020, 2001.08361). Inside, a law is the vector ``theta = (E, b_1, p_1, b_2, p_2, …)`` with
``ln L = ln(E + sum_k exp(b_k - p_k x_k))``: the log-sum-exp of Hoffmann et al., except that the floor is kept linear,
so that E = 0 is a bound that can be reached and not a limit at minus infinity. ``x`` and ``ln L`` are centred, so that
all of theta is of order one.

Arrays: a batch of B laws on n points. Sums over points are matrix products, which is what makes thousands of
bootstrap refits cheap.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """A floor plus power terms.

    Attributes:
        name: ``L(N,D)``, ``L(N)``, …
        variables: name of each variable, such as ``("N", "D")``.
        coefficients: name of each term's factor.
        exponents: name of each term's exponent.
        floor: whether E is fitted (then E >= 0) or held at zero.
    """

    name: str
    variables: tuple[str, ...]
    coefficients: tuple[str, ...]
    exponents: tuple[str, ...]
    floor: bool = True

    @property
    def text(self) -> str:
        """The formula, such as ``E + A/N^alpha + B/D^beta``."""
        terms = zip(self.coefficients, self.variables, self.exponents, strict=True)
        return " + ".join((["E"] if self.floor else []) + [f"{a}/{x}^{p}" for a, x, p in terms])

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fitted parameters: E first, then factors, then exponents."""
        return (("E",) if self.floor else ()) + self.coefficients + self.exponents

    @property
    def width(self) -> int:
        """Length of theta; the floor's place is there even when it is held at zero."""
        return 1 + 2 * len(self.variables)

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which entries of theta are fitted."""
        return np.array([self.floor] + [True] * (self.width - 1))

    def without_floor(self) -> "PowerLaw":
        """Return the same law with E held at zero."""
        return PowerLaw(f"{self.name} E=0", self.variables, self.coefficients, self.exponents, floor=False)

    def natural(self, theta: Array, centre: "Centre") -> Array:
        """Turn centred vectors ``[B, width]`` into parameters ``[B, len(parameters)]`` in natural units."""
        floor = theta[:, :1] * np.exp(centre.log_loss)
        exponents = theta[:, 2::2]
        factors = np.exp(theta[:, 1::2] + exponents * centre.log_variables + centre.log_loss)
        return np.hstack(([floor] if self.floor else []) + [factors, exponents])


SURFACE = PowerLaw("L(N,D)", ("N", "D"), ("A", "B"), ("alpha", "beta"))
CURVE_N = PowerLaw("L(N)", ("N",), ("A",), ("alpha",))
CURVE_D = PowerLaw("L(D)", ("D",), ("B",), ("beta",))
CURVE_C = PowerLaw("L(C)", ("C",), ("K",), ("gamma",))


def loss_at(params: Mapping[str, float | Array], law: PowerLaw, **variables: float | Array) -> Array:
    """Return the loss of a law in natural units; scalars and arrays broadcast.

    Args:
        params: parameter name -> value, or one array of draws.
        law: the form.
        variables: one value or array per variable of the form, such as ``N=1e9, D=2e10``.
    """
    total = np.asarray(params["E"] if law.floor else 0.0, dtype=float)
    for a, x, p in zip(law.coefficients, law.variables, law.exponents, strict=True):
        total = total + params[a] * np.power(variables[x], -np.asarray(params[p], dtype=float))
    return np.asarray(total, dtype=float)


@dataclass(frozen=True, slots=True)
class Centre:
    """What was subtracted: mean log of each variable ``[K]``, and of the loss."""

    log_variables: Array
    log_loss: float


class Design:
    """The points a law is evaluated at, with the products that its derivatives need made once.

    Args:
        x: centred log variables ``[n, K]``.
    """

    def __init__(self, x: Array) -> None:
        n, terms = x.shape
        ones = np.ones((n, 1))
        self.x = x
        # d z_k / d theta for each block of theta: (E), (b_1, p_1), (b_2, p_2), …
        self._basis = [ones] + [np.hstack([ones, -x[:, k : k + 1]]) for k in range(terms)]
        self._starts = np.cumsum([0] + [b.shape[1] for b in self._basis])
        self._pairs = {
            (j, k): np.einsum("na,nb->nab", self._basis[j], self._basis[k]).reshape(n, -1)
            for j in range(terms + 1)
            for k in range(j, terms + 1)
        }

    def log_loss(self, theta: Array) -> tuple[Array, list[Array]]:
        """Return ``ln L`` ``[B, n]`` and each block's slope of it: ``1/L`` for E, the term's share for the others."""
        terms = [np.exp(theta[:, 2 * k + 1, None] - theta[:, 2 * k + 2, None] * x) for k, x in enumerate(self.x.T)]
        total = theta[:, :1] + sum(terms)
        return np.log(total), [1 / total, *(t / total for t in terms)]

    def gradient_sum(self, shares: list[Array], c: Array) -> Array:
        """Return ``sum_i c_i J_i`` as ``[B, width]``, J the gradient of ``ln L`` at point i; c is ``[B, n]``."""
        return np.hstack([(c * s) @ basis for s, basis in zip(shares, self._basis, strict=True)])

    def outer_sum(self, shares: list[Array], c: Array) -> Array:
        """Return ``sum_i c_i J_i J_i'`` as ``[B, width, width]``."""
        weighted = [c * s for s in shares]
        return self._assemble({(j, k): weighted[j] * shares[k] for j, k in self._pairs}, len(c))

    def curvature_sum(self, shares: list[Array], c: Array) -> Array:
        """Return ``sum_i c_i (L''/L)_i``; with the outer product it makes ``(ln L)'' = L''/L - J J'``."""
        return self._assemble({(k, k): c * shares[k] for k in range(1, len(shares))}, len(c))

    def _assemble(self, blocks: Mapping[tuple[int, int], Array], batch: int) -> Array:
        width = int(self._starts[-1])
        out = np.zeros((batch, width, width))
        for (j, k), coefficient in blocks.items():
            rows = slice(self._starts[j], self._starts[j + 1])
            columns = slice(self._starts[k], self._starts[k + 1])
            shape = (batch, rows.stop - rows.start, columns.stop - columns.start)
            block = (coefficient @ self._pairs[j, k]).reshape(shape)
            out[:, rows, columns] = block
            if j != k:
                out[:, columns, rows] = block.transpose(0, 2, 1)
        return out
