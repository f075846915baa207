"""What is minimised: one small table of residual scale and delta.

Every objective here is a Huber loss (Huber 1964) of one residual per point, summed: a quadratic within delta and
straight lines outside. Least squares has an infinite delta; least absolute deviations is its limit at zero, reached
by continuation in delta and then solved exactly (``lad``). The *sum* is kept, as averaging makes optimisers with
absolute tolerances stop early (Besiroglu et al. 2024, 2404.10102).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaling.errors import UsageError

DELTA = 1e-3  # Hoffmann et al. 2022 (2203.15556), section 3.3
_LAD_DELTA = 1e-6  # the smooth stage before the exact one


@dataclass(frozen=True, slots=True)
class Objective:
    """A sum over points of a loss of the residual.

    Attributes:
        kind: key of the table.
        scale: residual is ``ln fitted - ln seen`` or ``fitted - seen``.
        delta: where Huber's loss turns linear, on that scale (linear: relative to the mean loss).
        exact: the absolute value itself, not its rounded tip.
    """

    kind: str
    scale: Literal["log", "linear"]
    delta: float
    exact: bool = False

    @property
    def name(self) -> str:
        """As printed, such as ``huber_log(0.001) sum``."""
        return f"{self.kind}({self.delta:g}) sum" if self.kind == "huber_log" else f"{self.kind} sum"

    @property
    def squares(self) -> bool:
        """Whether it is least squares."""
        return bool(np.isinf(self.delta))

    def reported(self, value: float, mean_loss: float) -> float:
        """Turn what Newton minimises (half squares, losses over their mean) into the sum that a reader expects."""
        unit = 1.0 if self.scale == "log" else mean_loss
        return value * 2 * unit**2 if self.squares else value


_TABLE = {
    "huber_log": Objective("huber_log", "log", DELTA),
    "ls_log": Objective("ls_log", "log", np.inf),
    "ls_linear": Objective("ls_linear", "linear", np.inf),
    "lad_log": Objective("lad_log", "log", _LAD_DELTA, exact=True),
}
OBJECTIVES = tuple(_TABLE)


def objective(kind: str = "huber_log", delta: float = DELTA) -> Objective:
    """Return an objective by name.

    Args:
        kind: ``huber_log``, ``ls_log``, ``ls_linear`` or ``lad_log``.
        delta: of ``huber_log``; the others have none.

    Raises:
        UsageError: no such objective, or a delta that is not above zero.
    """
    if kind not in _TABLE:
        raise UsageError("laws.objective", f"{kind!r} is no objective", hint=f"one of {', '.join(OBJECTIVES)}")
    if not delta > 0:
        raise UsageError("laws.delta", f"delta must be above zero, not {delta:g}")
    return Objective("huber_log", "log", delta) if kind == "huber_log" else _TABLE[kind]
