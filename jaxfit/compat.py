"""Compat: `curve_fit` with SciPy's signature and return, from many starts at once."""

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from scipy.optimize import Bounds, OptimizeWarning

from . import predict
from .curve_search import apart, over, together
from .keywords import check_seed, refuse_unknown
from .laws import Law
from .singular import MAX_CONDITION
from .supports import Real

METHODS = ("lm", "trf", "dogbox")
SLOPES = ("2-point", "3-point", "cs")
# What steers SciPy's own search, or says how to do without derivatives.
STEERING = frozenset(
    "Dfun col_deriv diag diff_step epsfcn factor ftol gtol jac_sparsity max_nfev maxfev tr_options "  # noqa: SIM905
    "tr_solver verbose x_scale xtol".split()
)
# Starts that are drawn, and rows of all of them together beyond which there are fewer.
MOST_STARTS, FEWEST_STARTS, MOST_ROWS = 256, 16, 2**22
# Decades on both sides of a scale that starts are drawn from; around a guess, which knows better.
DECADES, AROUND_GUESS = 1.5, 1.0


def curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: str | None = None,
    jac: Any = None,
    *,
    full_output: bool = False,
    nan_policy: str | None = None,
    starts: int | None = None,
    seed: int = 0,
    **kwargs: Any,
) -> tuple:
    """`scipy.optimize.curve_fit`, from many starts at once: the same arguments and return.

    f: f(x, a, b, ...) in plain arithmetic and `jax.numpy`; NumPy's functions are refused by name.
        Each prediction may depend on its own point only. xdata: (n,), or (k, n) for k inputs.
    ydata: (n,). check_finite, nan_policy: what is done with points that are no numbers, as SciPy
        does it. absolute_sigma: whether `sigma` is in the unit of ydata, and pcov not scaled.
    p0: a guess, by default SciPy's. The optimum that it leads to is returned, unless another fits
        better; starts for those are drawn around it and at scales of the data.
    bounds: (low, high), or `scipy.optimize.Bounds`.
    sigma: standard deviations, one or (n,), or a covariance (n, n), which is to be symmetric too.
    method, jac, and kwargs that steer SciPy's search (`maxfev`, `ftol`, ...) are checked by name
        and change nothing: there is one search, derivatives are exact, and the stop has no units.
        `loss=` other than "linear" is refused.
    starts: how many, 256 by default and fewer beyond 2**14 points; seed: of those that are drawn.

    Returns popt (P,) and pcov (P, P), float64; with `full_output` also infodict (`nfev`, of all
    starts, and `fvec` (n,), the residuals over sigma or over the root of a covariance; none of
    MINPACK's own), a message and 1. pcov is as SciPy's, and inf, with an `OptimizeWarning`, where
    the data leave a direction of the parameters open, of which SciPy may give huge numbers. The
    message tells of another optimum that was found to fit as well.

    Refused, where SciPy goes on: fewer points than parameters by any method; xdata whose last axis
    does not hold the points, so a frame as it stands; masked points; sigma, p0 or, with
    `check_finite=False`, points that are not finite; and an f that is finite at no start.

    Raises ValueError or TypeError as SciPy does; RuntimeError where no optimum was found.
    """
    _check_options(method, jac, nan_policy, kwargs)
    x, y, sigma = _points(xdata, ydata, sigma, check_finite, nan_policy)
    names = _names(f, p0)
    low, high = _ends(bounds, len(names))
    if method == "lm" and (np.isfinite(low) | np.isfinite(high)).any():
        raise ValueError(
            "Method 'lm' only works for unconstrained problems. Use 'trf' or 'dogbox' instead."
        )
    if len(names) > len(y):
        raise TypeError(
            f"The number of func parameters={len(names)} must not exceed the number of data "
            f"points={len(y)}"
        )
    guess = _guess(p0, low, high)
    check_seed(seed)
    theta = _starts(guess, p0 is not None, x, y, low, high, starts, seed)
    law = _law(f, names, x)
    search = apart if sigma.ndim == 1 else together
    found = search(law, x, y, sigma, low, high, theta)
    popt = np.array([*found.params.values()])
    residual, pcov = _covariance(law, found, x, y, sigma, absolute_sigma)
    if np.isinf(pcov).any():
        told = f": {found.undetermined}" if found.undetermined else ""
        text = f"Covariance of the parameters could not be estimated{told}"
        warnings.warn(text, category=OptimizeWarning, stacklevel=2)
    if not full_output:
        return popt, pcov
    info = {"nfev": found.evaluations, "fvec": residual}
    return popt, pcov, info, f"Converged, {found.message}".strip(), 1


@dataclass(frozen=True)
class Curve:
    """f(x, a, b, ...) as the function of a law; `stacked`: x is (k, n), one row an input."""

    f: Callable[..., Any]
    stacked: bool

    @property
    def __name__(self) -> str:
        return getattr(self.f, "__name__", type(self.f).__name__)

    @property
    def __wrapped__(self):
        return self.f

    def __call__(self, /, *columns, **parameters):
        x = jnp.stack(columns) if self.stacked else columns[0]
        pred = self.f(x, *parameters.values())
        return jnp.broadcast_to(pred, columns[0].shape) if jnp.ndim(pred) == 0 else pred


def _law(f, names, x) -> Law:
    inputs = tuple(f"xdata[{i}]" for i in range(len(x))) if x.ndim > 1 else ("xdata",)
    curve = Curve(f, x.ndim > 1)
    supports = tuple((name, Real(start=(-1.0, 1.0))) for name in names)
    return Law(curve, inputs, supports, "a function of the user's", curve.__name__)


def _check_options(method, jac, nan_policy, kwargs) -> None:
    """Raise ValueError or TypeError for what `curve_fit` cannot do as asked."""
    if "args" in kwargs:
        raise ValueError("'args' is not a supported keyword argument.")
    if kwargs.get("loss", "linear") != "linear" or "f_scale" in kwargs:
        raise ValueError(
            "curve_fit fits by least squares; for a robust loss use jaxfit.fit(..., "
            "loss=jaxfit.Huber(delta))."
        )
    known = [*inspect.signature(curve_fit).parameters, "loss", *sorted(STEERING)]
    known.remove("kwargs")
    refuse_unknown("curve_fit", kwargs, known)
    if method not in (None, *METHODS):
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}, not {method!r}.")
    if not (jac is None or callable(jac) or (isinstance(jac, str) and jac in SLOPES)):
        raise ValueError(f"`jac` must be one of {', '.join(SLOPES)}, or callable; not {jac!r}.")
    if nan_policy == "propagate":
        raise ValueError("`nan_policy='propagate'` is not supported by this function.")
    if nan_policy not in (None, "raise", "omit"):
        raise ValueError("nan_policy must be one of {None, 'raise', 'omit'}")


def _points(xdata, ydata, sigma, check_finite, nan_policy):
    """Inputs (n,) or (k, n), targets (n,), and what `_deviations` makes of sigma, in float64."""
    if check_finite is None:
        check_finite = nan_policy is None
    if any(np.ma.is_masked(np.ma.asarray(each)) for each in (xdata, ydata)):
        raise ValueError("Some points are masked, which NumPy forgets; leave them out.")
    as_array = np.asarray_chkfinite if check_finite else np.asarray
    y, x = as_array(ydata, float), as_array(xdata, float)
    if y.size == 0:
        raise ValueError("`ydata` must not be empty!")
    if y.ndim != 1 or x.ndim not in (1, 2) or x.shape[-1] != len(y):
        raise ValueError(
            f"`xdata` has shape {x.shape} and `ydata` {y.shape}; give ydata (n,), and xdata (n,) "
            "or (k, n), whose last axis holds the points (the transpose of a table of rows)."
        )
    sigma = _deviations(sigma, len(y))
    bad = ~(np.isfinite(x).reshape(-1, len(y)).all(axis=0) & np.isfinite(y))
    if not bad.any():
        return x, y, sigma
    if nan_policy != "omit" or np.isinf(x).any() or np.isinf(y).any():
        raise ValueError("The input contains nan or infinite values")
    if bad.all():
        raise ValueError("`ydata` must not be empty!")
    sigma = sigma[~bad] if sigma.ndim == 1 else sigma[np.ix_(~bad, ~bad)]
    return x[..., ~bad], y[~bad], sigma


def _deviations(sigma, n) -> np.ndarray:
    """Standard deviations (n,); or a covariance (n, n), where points go together."""
    if sigma is None:
        return np.ones(n)
    sigma = np.asarray(sigma, float)
    if sigma.shape == (n, n) and n > 1:
        variances = np.diagonal(sigma)
        try:
            np.linalg.cholesky(np.asarray_chkfinite(sigma))
        except np.linalg.LinAlgError:
            raise ValueError("`sigma` must be positive definite.") from None
        if not np.allclose(sigma, sigma.T, rtol=1e-8, atol=1e-8 * variances.min()):
            raise ValueError("`sigma`, a covariance, must be symmetric.")
        if (sigma != np.diag(variances)).any():
            return sigma
        sigma = np.sqrt(variances)
    if sigma.size != 1 and sigma.shape != (n,):
        raise ValueError("`sigma` has incorrect shape.")
    sigma = np.abs(np.broadcast_to(sigma.ravel(), (n,)))
    if not ((sigma > 0) & np.isfinite(sigma)).all():
        raise ValueError("`sigma` must be finite and not 0.")
    return sigma


def _names(f, p0) -> tuple[str, ...]:
    """The P parameters of f: those of its signature, or as many as `p0` gives."""
    try:
        stated = [*inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):
        stated = []
    free = [s.name for s in stated if s.kind in (s.POSITIONAL_ONLY, s.POSITIONAL_OR_KEYWORD)][1:]
    if p0 is None:
        if not free:
            raise ValueError("Unable to determine number of fit parameters.")
        return tuple(free)
    count = np.atleast_1d(p0).size
    return tuple(free[:count]) if count <= len(free) else tuple(f"p{j}" for j in range(count))


def _ends(bounds, count) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds (P,) each."""
    pair = (bounds.lb, bounds.ub) if isinstance(bounds, Bounds) else bounds
    if len(pair) != 2:
        raise ValueError("`bounds` must contain 2 elements.")
    try:
        low, high = (np.broadcast_to(np.asarray(end, float), (count,)) for end in pair)
    except ValueError:
        raise ValueError("The number of lower and upper bounds must match parameters.") from None
    if not (low < high).all():
        raise ValueError("Each lower bound must be strictly less than each upper bound.")
    return low, high


def _guess(p0, low, high) -> np.ndarray:
    """The first start (P,): the user's, or where SciPy starts."""
    if p0 is not None:
        guess = np.atleast_1d(np.asarray(p0, float)).ravel()
        if not np.isfinite(guess).all():
            raise ValueError("`p0` must be finite.")
        if ((guess < low) | (guess > high)).any():
            raise ValueError("`x0` is infeasible: `p0` lies outside of the bounds.")
        return guess
    below, above = np.isfinite(low), np.isfinite(high)
    with np.errstate(invalid="ignore"):
        middle = 0.5 * low + 0.5 * high
    beside = np.where(below, low + 1.0, np.where(above, high - 1.0, 1.0))
    return np.where(below & above, middle, beside)


def _starts(guess, given, x, y, low, high, starts, seed) -> np.ndarray:
    """Starts (S, P): the guess first; uniform between two bounds; else of some decades.

    A parameter is a number without unit, or as large as an input, one over it, or the target; or,
    with a guess, as large as that.
    """
    if starts is None:
        starts = max(FEWEST_STARTS, min(MOST_STARTS, MOST_ROWS // len(y)))
    if isinstance(starts, bool) or not isinstance(starts, int | np.integer) or starts < 1:
        raise ValueError(f"starts={starts!r}; give how many starts to draw, 1 or more.")
    rng, shape = np.random.default_rng(seed), (int(starts) - 1, len(guess))
    spread = np.concatenate([np.atleast_2d(x).std(axis=1), [y.std()]])
    sizes = np.concatenate([[1.0], spread, 1.0 / spread[:-1]]) if spread.all() else np.ones(1)
    drawn = rng.choice(sizes, shape) * 10.0 ** rng.uniform(-DECADES, DECADES, shape)
    drawn *= rng.choice([-1.0, 1.0], shape)
    if given:
        near = guess * 10.0 ** rng.uniform(-AROUND_GUESS, AROUND_GUESS, shape)
        drawn = np.where((rng.random(shape) < 0.5) & (guess != 0), near, drawn)
    below, above = np.isfinite(low), np.isfinite(high)
    with np.errstate(invalid="ignore", over="ignore"):
        drawn = np.where(below & ~above, low + np.abs(drawn), drawn)
        drawn = np.where(above & ~below, high - np.abs(drawn), drawn)
        drawn = np.where(below & above, low + rng.random(shape) * (high - low), drawn)
    return np.concatenate([guess[None], np.clip(drawn, low, high)])


def _covariance(law, found, x, y, sigma, absolute) -> tuple[np.ndarray, np.ndarray]:
    """Residuals (n,) over sigma, and pcov (P, P) as SciPy has it, held parameters and all.

    pcov is inf where the data leave it open.
    """
    params = {name: np.array([value]) for name, value in found.params.items()}
    columns, one, n = list(np.atleast_2d(x)), np.zeros(len(y), int), len(y)
    residual = over(sigma, predict.at_rows(law, params, columns, one) - y)
    slopes = over(sigma, predict.slopes_at_rows(law, params, columns, one))
    effect, width = np.linalg.norm(slopes, axis=0), len(params)
    nothing = np.full((width, width), np.inf)
    if found.open or not (effect > 0).all() or (not absolute and n <= width):
        return residual, nothing
    _, values, directions = np.linalg.svd(slopes / effect, full_matrices=False)
    if not values[0] < MAX_CONDITION * values[-1]:
        return residual, nothing
    root = directions / values[:, None] / effect
    scale = 1.0 if absolute else np.sum(residual**2) / (n - width)
    return residual, root.T @ root * scale
