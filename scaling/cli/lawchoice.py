"""The choices of ``scaling fit``: which form, which objective, what is held, and the user's price."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scaling.laws import Price
    from scaling.laws.forms import PowerLaw
    from scaling.laws.objectives import Objective


class Form(StrEnum):
    """Which form is fitted."""

    LAWS = "laws"
    JOINT = "joint"
    REPEATED = "repeated"
    BROKEN = "broken"


class Axis(StrEnum):
    """What a broken law is drawn against."""

    PARAMS = "params"
    TOKENS = "tokens"
    FLOPS = "flops"


class Goal(StrEnum):
    """What is minimised."""

    HUBER_LOG = "huber_log"
    LS_LOG = "ls_log"
    LS_LINEAR = "ls_linear"
    LAD_LOG = "lad_log"


FormOption = Annotated[
    Form, typer.Option(help="The usual laws, or another form: Kaplan's joint law, repeated data, breaks.")
]
AxisOption = Annotated[Axis, typer.Option(help="With --form broken: what the loss is drawn against.")]
BreaksOption = Annotated[int, typer.Option(min=0, max=3, help="With --form broken: how many breaks.")]
GoalOption = Annotated[Goal, typer.Option(help="What the fit of L(N,D) minimises.")]
DeltaOption = Annotated[float, typer.Option(help="Where Huber's loss turns linear, in log loss.")]
FixOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Hold a parameter of L(N,D), as E=1.7; repeatable.")
]
TiedOption = Annotated[bool, typer.Option("--tied", help="One exponent for size and data.")]
DropOption = Annotated[
    int, typer.Option(metavar="K", min=0, help="Leave out the K highest losses, an outlier rule blind to the fit.")
]
EnergyOption = Annotated[
    bool, typer.Option("--energy", help="Instead: best size at fixed measured energy, frontier, J per FLOP.")
]
CostOption = Annotated[
    float | None, typer.Option(metavar="MONEY", help="With --nat-worth: what one training FLOP costs.")
]
WorthOption = Annotated[
    float | None, typer.Option(metavar="MONEY", help="With --cost-per-flop: what one nat per token less is worth.")
]


def price_of(cost_per_flop: float | None, nat_worth: float | None) -> "Price | None":
    """Return the user's price, ``None`` where none is given. Raises ``UsageError`` for half of one."""
    from scaling.errors import UsageError
    from scaling.laws import Price

    if cost_per_flop is None and nat_worth is None:
        return None
    if cost_per_flop is None or nat_worth is None or not (cost_per_flop > 0 and nat_worth > 0):
        raise UsageError(
            "fit.price",
            "a price is both numbers, above zero",
            why="a power law has no knee: where to stop hangs on what a FLOP costs and what a nat is worth",
            hint="such as --cost-per-flop 2e-18 --nat-worth 1e6",
        )
    return Price(cost_per_flop=cost_per_flop, nat_worth=nat_worth)


def law_of_options(fix: list[str] | None, tied: bool) -> "PowerLaw":
    """Return L(N,D) with what is held and tied. Raises ``UsageError``."""
    from scaling.errors import UsageError
    from scaling.laws.forms import SURFACE

    held: dict[str, float] = {}
    for text in fix or []:
        name, _, value = text.partition("=")
        try:
            held[name.strip()] = float(value)
        except ValueError:
            raise UsageError("fit.fix", f"--fix {text} is not NAME=VALUE", hint="such as --fix E=1.7") from None
    return SURFACE.constrained(held, tied=tied)


def goal_of(kind: Goal, delta: float) -> "Objective":
    """Return the objective. Raises ``UsageError``."""
    from scaling.laws.objectives import objective

    return objective(kind.value, delta)
