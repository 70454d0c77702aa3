"""A scaling law, fitted by least squares in every group by itself.

    loss = exp(E + A*num_params^-alpha + B/parallel_size^0.5)

Inputs, in the order of the columns of data_points: num_params, parallel_size.

Constants: E, A, B are linear in the logarithm; alpha searched in [-8, 8].

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = ["E", "A", "alpha", "B"]
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [0, 1, 3]
SEARCHED = [2]
POSITIVE = np.array([False, False, False, False])
LOW = np.array([-np.inf, -np.inf, -8, -np.inf])
HIGH = np.array([np.inf, np.inf, 8, np.inf])
FIRST = np.array([0, 0, 0.05, 0])
LAST = np.array([0, 0, 1.2, 0])
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [-0.306954589110192, 23.1227406490762, 0.201290657149512, 0.0614958648221389],
    [0.287602407675288, 19.6453430380956, 0.192899123842058, 0.0521941010369758],
], float).reshape(-1, len(NAMES))
DRAWS = 32  # further starts
WALKS, STEPS = 12, 40  # how many starts are walked from, the most promising first, and how far
FINISHED, LAST_STEPS = 2, 400  # the same of the best walks
FAR = 1e30  # the error of a prediction that is not finite


def scaling_law_func(data_points, params):
    """Predictions (n,) for constants (P,), or (n, T) for (T, P), from data (n, F)."""
    data = np.asarray(data_points, float).reshape(len(data_points), 2)
    params = np.asarray(params, float)
    if params.ndim == 2:
        return np.column_stack([scaling_law_func(data, row) for row in params])
    num_params = data[:, 0]
    parallel_size = data[:, 1]
    E, A, alpha, B = params
    with np.errstate(all="ignore"):
        return np.exp(E + A*num_params**-alpha + B/parallel_size**0.5)


def terms(data, shape):
    """What each solved constant multiplies (n, L), and what is added to them (n,)."""
    num_params = data[:, 0]
    parallel_size = data[:, 1]
    (alpha,) = shape
    basis = np.empty((len(data), 3))
    basis[:, 0] = 1  # E
    basis[:, 1] = num_params**-alpha  # A
    basis[:, 2] = parallel_size**(-0.5)  # B
    rest = 0
    return basis, rest


def solve(basis, goal):
    """Constants (L,) of least squares; columns are scaled, and rows left out that overflow.

    Columns that can hardly be told apart share one answer: theirs would cancel to noise.
    """
    sound = np.isfinite(goal) & np.isfinite(basis).all(axis=1)
    basis, goal = basis[sound], goal[sound]
    scale = np.abs(basis).max(axis=0, initial=0.0)
    scale[scale == 0] = 1.0
    return np.linalg.lstsq(basis / scale, goal, rcond=1e-11)[0] / scale


def fit_scaling_law(data_points, loss_values):
    """Constants (P,) of least squares, or (T, P) for losses (n, T) of T > 1 targets."""
    losses = np.asarray(loss_values, float)
    losses = losses[:, None] if losses.ndim == 1 else losses
    data = np.asarray(data_points, float).reshape(len(losses), 2)
    kept = np.isfinite(losses) & np.isfinite(data).all(axis=1)[:, None]
    with np.errstate(all="ignore"):
        each = [fit_rows(data[rows], loss[rows]) for rows, loss in zip(kept.T, losses.T)]
    fitted = np.array(each)
    return fitted if len(fitted) > 1 else fitted[0]


def fit_rows(data, losses):
    """Constants (P,) for one target (n,), of the least squares that all starts lead to."""
    def squares(constants):
        return np.sum(errors(scaling_law_func(data, constants), losses) ** 2)

    starts = np.concatenate([STARTS, drawn()])
    if len(losses) < len(NAMES):
        nearest = min(STARTS if len(STARTS) else starts, key=squares)
        return min(nearest, corrected(data, losses, nearest), key=squares)

    shapes = to_search(starts)[:, SEARCHED]
    shapes = sorted(shapes, key=lambda shape: np.sum(project(data, losses, shape)[1] ** 2))
    found = [*STARTS, *(walk(data, losses, shape, STEPS) for shape in shapes[:WALKS])]
    found = sorted(found, key=squares)[:FINISHED]
    found += [walk(data, losses, to_search(each)[SEARCHED], LAST_STEPS) for each in found]
    found += [polish(data, losses, each) for each in found]
    return min(found, key=squares)


def drawn():
    """Starts (DRAWS, P) between FIRST and LAST, the same ones every time."""
    share = np.random.default_rng(0).random((DRAWS, len(NAMES)))
    return from_search(FIRST + share * (LAST - FIRST))


def to_search(constants):
    """Constants (..., P) as coordinates of the search."""
    return np.where(POSITIVE, np.log(np.maximum(constants, 1e-300)), constants)


def from_search(points):
    """The constants (..., P) of coordinates of the search."""
    return np.where(POSITIVE, np.exp(points), points)


def errors(predicted, losses):
    """Predictions less losses (n,), always finite."""
    return np.nan_to_num(predicted - losses, nan=FAR, posinf=FAR, neginf=-FAR)


def project(data, losses, shape):
    """Constants (P,) at a point (K,) of the search, the others solved for; and errors (n,)."""
    point = np.zeros(len(NAMES))
    point[SEARCHED] = shape
    constants = from_search(point)
    basis, rest = terms(data, constants[SEARCHED])
    constants[SOLVED] = refined(basis, rest, losses, solve(basis, np.log(losses) - rest))
    return constants, errors(np.exp(basis @ constants[SOLVED] + rest), losses)


def corrected(data, losses, constants):
    """The constants (P,), those that can be solved for refined and the others as they are."""
    basis, rest = terms(data, constants[SEARCHED])
    constants = constants.copy()
    constants[SOLVED] = refined(basis, rest, losses, constants[SOLVED])
    return constants


def walk(data, losses, shape, steps):
    """Constants (P,) where a search from a point (K,) ends, the others solved for all the way."""
    bounds = LOW[SEARCHED], HIGH[SEARCHED]
    ended = descend(lambda point: project(data, losses, point)[1], shape, bounds, steps, "2-point")
    return project(data, losses, ended)[0]


def polish(data, losses, constants):
    """Constants (P,) where a search of all of them together ends."""
    def residuals(point):
        return errors(scaling_law_func(data, from_search(point)), losses)

    start = to_search(constants)
    return from_search(descend(residuals, start, (LOW, HIGH), LAST_STEPS, "3-point"))


def descend(residuals, start, bounds, steps, slopes):
    """Where least squares lead from a start; the start itself where they cannot be followed."""
    if not len(start) or not len(residuals(start)):
        return start
    options = {"x_scale": "jac", "ftol": 1e-13, "xtol": 1e-13, "gtol": None, "max_nfev": steps}
    try:
        return least_squares(residuals, np.clip(start, *bounds), slopes, bounds, **options).x
    except (ValueError, np.linalg.LinAlgError):
        return start


def refined(basis, rest, losses, constants):
    """Constants (L,) after some steps towards least squares, or as given where that fails."""
    first = constants
    for _ in range(6):
        predicted = np.exp(basis @ constants + rest)
        constants = constants + solve(predicted[:, None] * basis, losses - predicted)
    before, after = (errors(np.exp(basis @ c + rest), losses) for c in (first, constants))
    return constants if after @ after <= (1 + 1e-9) * (before @ before) else first
