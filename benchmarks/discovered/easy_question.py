"""A scaling law, fitted by least squares in every group by itself.

    brier_score = E + A*exp(alpha*log_flops)

Inputs, in the order of the columns of data_points: log_flops.

Constants: E, A are solved for; alpha searched in [-6.59769, 6.59769].

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = ["E", "A", "alpha"]
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [0, 1]
SEARCHED = [2]
POSITIVE = np.array([False, False, False])
LOW = np.array([-np.inf, -np.inf, -6.59769316004732])
HIGH = np.array([np.inf, np.inf, 6.59769316004732])
FIRST = np.array([0, 0, -0.942527594292474])
LAST = np.array([0, 0, 0.942527594292474])
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [-0.666523516896662, 0.186845722259103, -0.325211855220425],
    [-0.424052272191629, -0.00978901299761074, -3.17935482043479],
    [-0.186735574263241, -0.00196545422921995, -6.35193150441106],
    [-0.383108614319925, -0.0344141199486888, 0.863144143328037],
    [-0.538856080259452, -0.000249823839062932, -6.59769316004732],
    [-0.388300898910635, -0.0183382922863049, -2.56854517131458],
    [0.00179606966201831, -0.0521595482345596, -1.56373342738594],
    [-0.010887968907331, -0.0777911033691611, -1.35519164422365],
    [16.9310150373228, -17.4741580459482, -0.0105683753880882],
], float).reshape(-1, len(NAMES))
DRAWS = 32  # further starts
WALKS, STEPS = 12, 40  # how many starts are walked from, the most promising first, and how far
FINISHED, LAST_STEPS = 2, 400  # the same of the best walks
FAR = 1e30  # the error of a prediction that is not finite


def scaling_law_func(data_points, params):
    """Predictions (n,) for constants (P,), or (n, T) for (T, P), from data (n, F)."""
    data = np.asarray(data_points, float).reshape(len(data_points), 1)
    params = np.asarray(params, float)
    if params.ndim == 2:
        return np.column_stack([scaling_law_func(data, row) for row in params])
    log_flops = data[:, 0]
    E, A, alpha = params
    with np.errstate(all="ignore"):
        return E + A*np.exp(alpha*log_flops)


def terms(data, shape):
    """What each solved constant multiplies (n, L), and what is added to them (n,)."""
    log_flops = data[:, 0]
    (alpha,) = shape
    basis = np.empty((len(data), 2))
    basis[:, 0] = 1  # E
    basis[:, 1] = np.exp(alpha*log_flops)  # A
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
    data = np.asarray(data_points, float).reshape(len(losses), 1)
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
    constants[SOLVED] = refined(basis, rest, losses, np.zeros(len(SOLVED)))
    return constants, errors((basis @ constants[SOLVED] + rest), losses)


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
    """Constants (L,) of least squares, changed from those given by as little as rows demand."""
    return constants + solve(basis, losses - rest - basis @ constants)
