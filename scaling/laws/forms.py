"""The laws as formulas: a floor plus one falling power term per variable, with exact derivatives.

Every form here is ``E + sum_k A_k / X_k^p_k`` (Hoffmann et al. 2022, 2203.15556, eq. 2; one term gives the curves of
Kaplan et al. 2020, 2001.08361). Inside, a law is the vector ``theta = (E, b_1, p_1, b_2, p_2, …)`` with
``ln L = ln(E + sum_k exp(b_k - p_k x_k))``: the log-sum-exp of Hoffmann et al., except that the floor is kept linear,
so that E = 0 is a bound that can be reached and not a limit at minus infinity. ``x`` and ``ln L`` are centred, so that
all of theta is of order one.

Any parameter can be held at a value, and the exponents can be tied: both are affine in theta, so a law with
constraints is the same law on a smaller ``Space``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """A floor plus power terms.

    Attributes:
        name: ``L(N,D)``, ``L(N)``, …
        variables: name of each variable, such as ``("N", "D")``.
        coefficients: name of each term's factor.
        exponents: name of each term's exponent.
        floor: whether E is a parameter (then E >= 0) or held at zero.
        fixed: parameters held at a value in natural units, as (name, value).
        tied: all exponents are one.
    """

    name: str
    variables: tuple[str, ...]
    coefficients: tuple[str, ...]
    exponents: tuple[str, ...]
    floor: bool = True
    fixed: tuple[tuple[str, float], ...] = ()
    tied: bool = False

    @property
    def text(self) -> str:
        """The formula with what constrains it, such as ``E + A/N^alpha + B/D^beta, alpha = beta``."""
        terms = zip(self.coefficients, self.variables, self.exponents, strict=True)
        formula = " + ".join((["E"] if self.floor else []) + [f"{a}/{x}^{p}" for a, x, p in terms])
        tied = [" = ".join(self.exponents)] if self.tied else []
        return ", ".join([formula, *tied, *(f"{name} = {value:g} fixed" for name, value in self.fixed)])

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fitted parameters: E first, then factors, then exponents."""
        return (("E",) if self.floor else ()) + self.coefficients + self.exponents

    @property
    def width(self) -> int:
        """Length of theta; the floor's place is there even when it is held at zero."""
        return 1 + 2 * len(self.variables)

    @property
    def freedom(self) -> int:
        """How many parameters are free."""
        held = {name for name, _ in self.fixed}
        if self.tied:
            exponents = 0 if held & set(self.exponents) else 1
        else:
            exponents = sum(p not in held for p in self.exponents)
        return exponents + sum(a not in held for a in self.coefficients) + (self.floor and "E" not in held)

    def without_floor(self) -> "PowerLaw":
        """Return the same law with E held at zero."""
        return replace(self, name=f"{self.name} E=0", floor=False, fixed=tuple(f for f in self.fixed if f[0] != "E"))

    def constrained(self, fixed: Mapping[str, float] | None = None, *, tied: bool = False) -> "PowerLaw":
        """Return the same law with parameters held at values, or its exponents tied.

        Raises:
            UsageError: an unknown name, a value out of range, or tied exponents fixed at two values.
        """
        held = dict(fixed or {})
        unknown = [name for name in held if name not in self.parameters]
        if unknown:
            raise UsageError(
                "laws.fixed",
                f"{self.name} has no parameter {', '.join(unknown)}",
                hint=f"fix any of {', '.join(self.parameters)}",
            )
        for name, value in held.items():
            if not np.isfinite(value) or value < 0 or (value == 0 and name in self.coefficients):
                raise UsageError("laws.fixed", f"{name} cannot be fixed at {value:g}", hint="give a value above zero")
        if tied and len({held[p] for p in self.exponents if p in held}) > 1:
            raise UsageError("laws.fixed", "tied exponents are one number, but two values are fixed")
        law = replace(self, fixed=tuple(held.items()), tied=tied)
        if law.freedom == 0:
            raise UsageError("laws.fixed", "every parameter is fixed, so nothing is left to fit")
        return law

    def space(self, centre: "Centre") -> "Space":
        """Return where theta may move. A factor held at A ties ``b = ln A - p m - ln L0`` to its exponent."""
        held, width = dict(self.fixed), self.width
        origin, basis, leads = np.zeros(width), np.eye(width), np.ones(width, dtype=bool)
        if not self.floor or "E" in held:
            origin[0] = held.get("E", 0.0) / np.exp(centre.log_loss)
            leads[0] = False
        self._tie_exponents(held, origin, basis, leads)
        for k, name in enumerate(self.coefficients):
            if name in held:
                origin[2 * k + 1] = np.log(held[name]) - centre.log_loss - centre.log_variables[k] * origin[2 * k + 2]
                basis[2 * k + 1] = -centre.log_variables[k] * basis[2 * k + 2]
                leads[2 * k + 1] = False
        return Space(origin, basis[:, leads], np.flatnonzero(leads))

    def _tie_exponents(self, held: Mapping[str, float], origin: Array, basis: Array, leads: NDArray[np.bool_]) -> None:
        places = range(2, self.width, 2)
        common = next((held[p] for p in self.exponents if p in held), None) if self.tied else None
        for place, name in zip(places, self.exponents, strict=True):
            value = held.get(name, common)
            if value is not None:
                origin[place], leads[place] = value, False
                basis[place] = 0.0
            elif self.tied and place > 2:
                basis[place], leads[place] = basis[2], False

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


@dataclass(frozen=True, slots=True)
class Space:
    """The affine set that theta may move in: ``theta = origin + basis @ theta[leads]``.

    Attributes:
        origin: ``[width]``.
        basis: ``[width, freedom]``; the identity at the leading entries.
        leads: entries of theta that are free by themselves ``[freedom]``; the others follow.
        low: least values of the leading entries: a floor and exponents are not negative.
    """

    origin: Array
    basis: Array
    leads: NDArray[np.intp]
    low: Array = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", np.where(self.leads % 2 == 0, 0.0, -np.inf))

    @property
    def whole(self) -> bool:
        """Whether nothing is constrained."""
        return len(self.leads) == len(self.origin)

    def put(self, theta: Array) -> Array:
        """Return ``[…, width]`` moved into the set, its leading entries kept."""
        return np.asarray(self.origin + theta[..., self.leads] @ self.basis.T, dtype=float)
