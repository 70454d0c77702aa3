"""jaxfit: fit scaling laws from thousands of starts, in every group of a table at once.

Names are loaded when first used, so that importing jaxfit, or asking the command for help, does
not wait for JAX.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import compat as compat
    from . import core as core
    from . import recipes as recipes
    from . import reference as reference
    from .decide.allocation import Allocation as Allocation
    from .decide.allocation import allocate as allocate
    from .decide.isoflops import Isoflop as Isoflop
    from .decide.isoflops import isoflop as isoflop
    from .decide.model_ranking import ModelRanking as ModelRanking
    from .decide.next_runs import next_run as next_run
    from .decide.run_ranking import NextRun as NextRun
    from .decide.select_models import select_model as select_model
    from .density import InverseDensity as InverseDensity
    from .fitting import fit as fit
    from .interactive.page import page as page
    from .laws import LAWS as LAWS
    from .laws import Law as Law
    from .laws import law as law
    from .laws.text import parse as parse
    from .losses import MAE as MAE
    from .losses import MSE as MSE
    from .losses import Cauchy as Cauchy
    from .losses import Huber as Huber
    from .losses import LogHuber as LogHuber
    from .losses import LogMSE as LogMSE
    from .losses import Quantile as Quantile
    from .losses import Relative as Relative
    from .losses import SoftL1 as SoftL1
    from .priors import Hinge as Hinge
    from .priors import LogNormal as LogNormal
    from .priors import Normal as Normal
    from .priors import Ridge as Ridge
    from .refits import robustness as robustness
    from .result import Fit as Fit
    from .result import load as load
    from .select.compare import compare as compare
    from .select.comparison import Comparison as Comparison
    from .select.sealed import SealedHoldout as SealedHoldout
    from .select.splits import Corner as Corner
    from .select.splits import KFold as KFold
    from .select.splits import Largest as Largest
    from .select.splits import Rolling as Rolling
    from .solve.adam import Adam as Adam
    from .solve.bfgs import BFGS as BFGS
    from .solve.keep import Keep as Keep
    from .solve.lbfgs import LBFGS as LBFGS
    from .solve.levenberg_marquardt import LevenbergMarquardt as LevenbergMarquardt
    from .solve.presets import PIPELINES as PIPELINES
    from .solve.variable_projection import VariableProjection as VariableProjection
    from .status import STATUS as STATUS
    from .status import GroupsFailed as GroupsFailed
    from .supports import Interval as Interval
    from .supports import Positive as Positive
    from .supports import Real as Real
    from .sweeps.sweep import sweep as sweep
    from .sweeps.table import Sweep as Sweep
    from .sweeps.table import open_sweep as open_sweep
    from .tables import read as read

__version__ = "0.10.0"

# The oldest JAX that has what the engine calls, as in pyproject.toml.
_JAX = (0, 8)

_HOMES = {
    "Adam": "solve.adam",
    "Allocation": "decide.allocation",
    "BFGS": "solve.bfgs",
    "Cauchy": "losses",
    "Comparison": "select.comparison",
    "Corner": "select.splits",
    "Fit": "result",
    "GroupsFailed": "status",
    "Hinge": "priors",
    "Huber": "losses",
    "Interval": "supports",
    "InverseDensity": "density",
    "KFold": "select.splits",
    "Isoflop": "decide.isoflops",
    "Keep": "solve.keep",
    "LAWS": "laws",
    "LBFGS": "solve.lbfgs",
    "Largest": "select.splits",
    "Law": "laws",
    "LevenbergMarquardt": "solve.levenberg_marquardt",
    "LogHuber": "losses",
    "LogMSE": "losses",
    "LogNormal": "priors",
    "MAE": "losses",
    "MSE": "losses",
    "ModelRanking": "decide.model_ranking",
    "NextRun": "decide.run_ranking",
    "Normal": "priors",
    "PIPELINES": "solve.presets",
    "Positive": "supports",
    "Quantile": "losses",
    "Real": "supports",
    "Relative": "losses",
    "Ridge": "priors",
    "Rolling": "select.splits",
    "STATUS": "status",
    "SealedHoldout": "select.sealed",
    "SoftL1": "losses",
    "Sweep": "sweeps.table",
    "VariableProjection": "solve.variable_projection",
    "allocate": "decide.allocation",
    "compare": "select.compare",
    "fit": "fitting",
    "isoflop": "decide.isoflops",
    "law": "laws",
    "load": "result",
    "next_run": "decide.next_runs",
    "open_sweep": "sweeps.table",
    "page": "interactive.page",
    "parse": "laws.text",
    "read": "tables",
    "robustness": "refits",
    "select_model": "decide.select_models",
    "sweep": "sweeps.sweep",
}
_MODULES = {"compat", "core", "discover", "recipes", "reference", "sklearn", "synthetic"}
__all__ = sorted(_HOMES.keys() | _MODULES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOMES:
        _require_jax()
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _require_jax() -> None:
    """Raise ImportError naming the versions of JAX that will do, where there is another."""
    found = version("jax")
    if tuple(int(part) for part in found.split(".")[:2]) < _JAX:
        least = ".".join(map(str, _JAX))
        raise ImportError(
            f"jaxfit needs jax {least} or newer, and this is {found}: pip install -U jax jaxlib."
        )


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
