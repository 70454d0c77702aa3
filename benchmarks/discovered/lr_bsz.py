"""A scaling law, fitted by least squares in every group by itself.

    lm_loss = (1 + alpha*sigmoid((beta + log(non_embedding_param_size) +
    gamma*log(lr))/delta))*(A*(kappa + log(lr))^2 + (1 + B*(bsz +
    lam*data_size^0.5)^-mu)*(nu*(bsz/lr)^-rho + (sigma/data_size)^tau +
    (omega/non_embedding_param_size)^mu))

Inputs, in the order of the columns of data_points: lr, bsz, data_size,
non_embedding_param_size.

Constants: alpha, delta, lam, nu, sigma, omega searched above 0; beta searched in [-30.4595,
-8.24429]; gamma searched in [-4.66071, 4.66071]; A, B are solved for; kappa searched in
[-11.2821, 23.4122]; mu, rho, tau searched in [-8, 8].

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = (
    ["alpha", "beta", "gamma", "delta", "A", "kappa", "B", "lam", "mu", "nu", "rho",
    "sigma", "tau", "omega"]
)
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [4, 6]
SEARCHED = [0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13]
POSITIVE = np.array((
    [True, False, False, True, False, False, False, True, False, True, False, True,
    False, True]
))
LOW = np.array((
    [-np.inf, -30.4594509519301, -4.66070623435255, -np.inf, -np.inf, -11.2821012783998,
    -np.inf, -np.inf, -8, -np.inf, -8, -np.inf, -8, -np.inf]
))
HIGH = np.array((
    [np.inf, -8.24429464729887, 4.66070623435255, np.inf, np.inf, 23.4122115294236,
    np.inf, np.inf, 8, np.inf, 8, np.inf, 8, np.inf]
))
FIRST = np.array((
    [-2.84807428990708, -20.9386696785167, -0.665815176336079, -1.9361778300554, 0,
    3.58688992495308, 0, -15.1948117980968, 0.05, 3.64155314547664, 0.05,
    19.8699499042336, 0.05, 15.9010747578604]
))
LAST = np.array((
    [4.05968098907506, -17.7650759207123, 0.665815176336079, 1.46501955160675, 0,
    8.54322032607071, 0, -8.28705651911466, 1.2, 10.5493084244588, 1.2,
    26.7777051832158, 1.2, 22.8088300368425]
))
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [37.909255058639, -25.2101109596287, 2.68333101071382, 4.06290631106397,
     -0.0276894876472744, 9.95647022072402, -1.4976844512271, 0.0317181702828668,
     0.115191613691345, 21.9731925512496, 0.451808868702961, 130982979575.434,
     0.323018198024676, 25201299146971.3],
], float).reshape(-1, len(NAMES))
DRAWS = 32  # further starts
WALKS, STEPS = 12, 40  # how many starts are walked from, the most promising first, and how far
FINISHED, LAST_STEPS = 2, 400  # the same of the best walks
FAR = 1e30  # the error of a prediction that is not finite


def sigmoid(x):
    return np.exp(-np.logaddexp(0.0, -x))


def scaling_law_func(data_points, params):
    """Predictions (n,) for constants (P,), or (n, T) for (T, P), from data (n, F)."""
    data = np.asarray(data_points, float).reshape(len(data_points), 4)
    params = np.asarray(params, float)
    if params.ndim == 2:
        return np.column_stack([scaling_law_func(data, row) for row in params])
    lr = data[:, 0]
    bsz = data[:, 1]
    data_size = data[:, 2]
    non_embedding_param_size = data[:, 3]
    alpha, beta, gamma, delta, A, kappa, B, lam, mu, nu, rho, sigma, tau, omega = params
    with np.errstate(all="ignore"):
        return (
            (1 + alpha*sigmoid((beta + np.log(non_embedding_param_size)
            + gamma*np.log(lr))/delta))*(A*(kappa + np.log(lr))**2 + (1 + B*(bsz
            + lam*data_size**0.5)**-mu)*(nu*(bsz/lr)**-rho + (sigma/data_size)**tau
            + (omega/non_embedding_param_size)**mu))
        )


def terms(data, shape):
    """What each solved constant multiplies (n, L), and what is added to them (n,)."""
    lr = data[:, 0]
    bsz = data[:, 1]
    data_size = data[:, 2]
    non_embedding_param_size = data[:, 3]
    alpha, beta, gamma, delta, kappa, lam, mu, nu, rho, sigma, tau, omega = shape
    basis = np.empty((len(data), 2))
    basis[:, 0] = (
        (kappa + np.log(lr))**2*(1 + alpha*sigmoid((beta + np.log(non_embedding_param_size)
        + gamma*np.log(lr))/delta))
    )  # A
    basis[:, 1] = (
        (bsz + lam*data_size**0.5)**-mu*(nu*(bsz/lr)**-rho + (sigma/data_size)**tau
        + (omega/non_embedding_param_size)**mu)*(1 + alpha*sigmoid((beta
        + np.log(non_embedding_param_size) + gamma*np.log(lr))/delta))
    )  # B
    rest = (
        (nu*(bsz/lr)**-rho + (sigma/data_size)**tau
        + (omega/non_embedding_param_size)**mu)*(1 + alpha*sigmoid((beta
        + np.log(non_embedding_param_size) + gamma*np.log(lr))/delta))
    )
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
    data = np.asarray(data_points, float).reshape(len(losses), 4)
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
