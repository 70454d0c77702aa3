"""Pipelines by name, and the choice between them."""

from dataclasses import dataclass, replace

from ..laws import Law
from ..losses import Loss
from .adam import Adam
from .bfgs import BFGS
from .keep import Keep
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .variable_projection import VariableProjection

Moving = Adam | BFGS | LBFGS | LevenbergMarquardt | VariableProjection
Stage = Keep | Moving
Pipeline = tuple[Stage, ...]


def _race(stage: LevenbergMarquardt | VariableProjection, share: float) -> Pipeline:
    """Successive halving: short runs from many starts, long ones from the few that lead.

    The last are finished by variable projection, which gets along valleys that damping the linear
    parameters makes long.
    """
    short, longer = (replace(stage, max_steps=steps) for steps in (8, 24))
    last = VariableProjection(max_steps=500)
    return Keep(4, share=share), short, Keep(4, share=0.4), longer, Keep(3), last


PIPELINES: dict[str, Pipeline] = {
    # Screen the starts by value, walk those that are left into their basins, finish the best. The
    # last stage takes badly conditioned optima from four digits to ten.
    "adam-lbfgs": (
        Keep(256),
        Adam(precision="float32"),
        Keep(32),
        LBFGS(),
        VariableProjection(max_steps=500),
    ),
    "varpro": _race(VariableProjection(), share=1 / 32),
    "lm": _race(LevenbergMarquardt(), share=1 / 16),
}
AUTO = "auto"
# Beyond so many nonlinear parameters short runs tell too little of where a start will end: of the
# zoo, with noise, racing missed the optimum of the law with the most (9), and of no other.
MOST_RACED = 6


@dataclass(frozen=True)
class Choice:
    """A pipeline, and why it is that one; an empty reason where nothing was chosen."""

    stages: Pipeline
    reason: str = ""


def choose(name: str, law: Law, loss: Loss) -> Choice:
    """The pipeline called `name` for a law whose linear parameters are known.

    "auto" takes what needs the fewest evaluations: variable projection where some parameters are
    linear, and solving for them takes no iteration of its own; else Levenberg-Marquardt. With
    many nonlinear parameters, or a loss that is not convex, it takes the default, which follows
    more starts to the end.
    """
    linear = ", ".join(law.affine)
    if name == "varpro" and not linear:
        return Choice(
            PIPELINES["lm"],
            f"varpro has nothing to project, for law `{law.name}` is affine in no parameter; "
            "lm took its place.",
        )
    if name != AUTO:
        return Choice(PIPELINES[name])
    curved = len(law.parameters) - len(law.affine)
    if curved > MOST_RACED:
        why = f"auto chose adam-lbfgs: law `{law.name}` is curved in {curved} parameters."
        return Choice(PIPELINES["adam-lbfgs"], why)
    if not loss.convex:
        why = f"auto chose adam-lbfgs: {type(loss).__name__} has local minima of its own."
        return Choice(PIPELINES["adam-lbfgs"], why)
    if not linear:
        why = f"auto chose lm: law `{law.name}` is affine in no parameter."
        return Choice(PIPELINES["lm"], why)
    if loss.scale == "log":
        why = f"auto chose lm: with {type(loss).__name__} no parameter is linear in the residuals."
        return Choice(PIPELINES["lm"], why)
    why = f"auto chose varpro: law `{law.name}` is affine in {linear}, solved for at every step."
    return Choice(PIPELINES["varpro"], why)
