"""A scaling law, fitted by least squares in every group by itself.

    loss_domain_1, loss_domain_2, loss_domain_3, loss_domain_4, loss_domain_5 = E + (1 +
    A*proportion_domain_2^2)*exp(alpha*proportion_domain_1 + beta*proportion_domain_2 +
    gamma*proportion_domain_3 + delta*proportion_domain_4 + kappa*proportion_domain_5)

Inputs, in the order of the columns of data_points: proportion_domain_1, proportion_domain_2,
proportion_domain_3, proportion_domain_4, proportion_domain_5.

Constants: E, A are solved for; alpha searched in [-42, 42]; beta searched in [-112, 112]; gamma
searched in [-224, 224]; delta searched in [-84, 84]; kappa searched in [-28, 28].

Each target has constants of its own.

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = ["E", "A", "alpha", "beta", "gamma", "delta", "kappa"]
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [0, 1]
SEARCHED = [2, 3, 4, 5, 6]
POSITIVE = np.array([False, False, False, False, False, False, False])
LOW = np.array([-np.inf, -np.inf, -42, -112, -224, -84, -28])
HIGH = np.array([np.inf, np.inf, 42, 112, 224, 84, 28])
FIRST = np.array([0, 0, -6, -16, -32, -12, -4])
LAST = np.array([0, 0, 6, 16, 32, 12, 4])
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [2.66388000155469, 5.45289842252179, -12.8306690984807, -0.52521657092529,
     0.822839023887284, 0.367557878672665, -0.525325794681593],
    [3.38969726505669, 10.8428644920629, -0.514038362884408, -5.58085335232556,
     -0.74337311383174, -0.351406016957114, -1.0239844349325],
    [2.98043863812259, 56.8888563872625, -0.191830154554421, -6.39487269744866,
     -19.0673736951215, -0.199750586293269, -0.631687717333845],
    [1.61035692603384, 5.55102046432761, -0.33292260546465, -1.05985997804374,
     -0.242671204571233, -20.4863378533719, -0.471216614082558],
    [3.4539913512802, 56.8888888807662, -0.768314815295151, -7.2796559350409,
     -0.778235511119859, -0.19877081143706, -5.01461548432514],
    [2.36653257308611, 4.04872951796313, -13.6602722899372, -0.00674035802079026,
     0.976208551168978, 0.580255716510747, -0.714137167575572],
    [3.07259772705355, 14.5280864152674, -0.525534188009559, -6.11422499556713,
     -0.723321991961892, -0.351382053546714, -1.12481976449269],
    [2.67767186326513, 56.8888888765939, -0.212347019543135, -6.41151565263264,
     -18.0674115554294, -0.119580570759616, -0.669838489936652],
    [1.37882494632077, 2.06543981904888, -0.379315733896813, -0.504918007224988,
     -0.402338644525977, -20.7647168369299, -0.622018709211422],
    [3.09743150566855, 56.8888892677635, -0.898059746342448, -6.80809708478341,
     -0.772559901738586, -0.170101407116693, -4.71938051790805],
    [2.22585693316085, 6.06859840764319, -14.1688505955046, -0.474253057321473,
     1.17001770718033, 0.544881504645036, -0.730898860030031],
    [2.89213463492102, 10.1588630972677, -0.526931716199461, -5.21651258943859,
     -0.718329249355344, -0.338662838900061, -1.07437913248088],
    [2.54701623149799, 56.8888122360507, -0.249999249582993, -6.32969306411976,
     -19.3696464875964, -0.0606739581798014, -0.676706360132855],
    [1.2742591476255, 1.34835131980352, -0.394838780620097, -0.561035761064114,
     -0.495902633049637, -20.9365025722281, -0.649776733644177],
    [2.93672172983869, 56.8888905107627, -0.897197242229761, -6.71335640432588,
     -0.905547859393684, -0.180638526942511, -5.03452781887693],
    [2.16864297740375, 3.18436424238034, -14.4260568635006, 0.282823933600405, 1.10034630475345,
     0.720454693514516, -0.822380491894966],
    [2.86572045593422, 15.7925712938852, -0.582400671446921, -6.40472005678616,
     -0.9068515490278, -0.301560842014609, -1.24822832614946],
    [2.47276699981612, 56.8893312297663, -0.210591959363954, -6.28081871898043,
     -18.9805011398711, -0.0881135000191806, -0.648113418730083],
    [1.23422019755573, -0.236952193915584, -0.588806550929275, -0.140649395013627,
     -0.510473397038443, -20.558738871615, -0.68279109104405],
    [2.85757841219793, 56.8888890087503, -1.00205540369744, -6.45028841076395,
     -1.69126692957692, 0.161822072354493, -4.8956157044577],
], float).reshape(-1, len(NAMES))
DRAWS = 32  # further starts
WALKS, STEPS = 12, 40  # how many starts are walked from, the most promising first, and how far
FINISHED, LAST_STEPS = 2, 400  # the same of the best walks
FAR = 1e30  # the error of a prediction that is not finite


def scaling_law_func(data_points, params):
    """Predictions (n,) for constants (P,), or (n, T) for (T, P), from data (n, F)."""
    data = np.asarray(data_points, float).reshape(len(data_points), 5)
    params = np.asarray(params, float)
    if params.ndim == 2:
        return np.column_stack([scaling_law_func(data, row) for row in params])
    proportion_domain_1 = data[:, 0]
    proportion_domain_2 = data[:, 1]
    proportion_domain_3 = data[:, 2]
    proportion_domain_4 = data[:, 3]
    proportion_domain_5 = data[:, 4]
    E, A, alpha, beta, gamma, delta, kappa = params
    with np.errstate(all="ignore"):
        return (
            E + (1 + A*proportion_domain_2**2)*np.exp(alpha*proportion_domain_1
            + beta*proportion_domain_2 + gamma*proportion_domain_3 + delta*proportion_domain_4
            + kappa*proportion_domain_5)
        )


def terms(data, shape):
    """What each solved constant multiplies (n, L), and what is added to them (n,)."""
    proportion_domain_1 = data[:, 0]
    proportion_domain_2 = data[:, 1]
    proportion_domain_3 = data[:, 2]
    proportion_domain_4 = data[:, 3]
    proportion_domain_5 = data[:, 4]
    alpha, beta, gamma, delta, kappa = shape
    basis = np.empty((len(data), 2))
    basis[:, 0] = 1  # E
    basis[:, 1] = (
        proportion_domain_2**2*np.exp(alpha*proportion_domain_1 + beta*proportion_domain_2
        + gamma*proportion_domain_3 + delta*proportion_domain_4 + kappa*proportion_domain_5)
    )  # A
    rest = (
        np.exp(alpha*proportion_domain_1 + beta*proportion_domain_2
        + gamma*proportion_domain_3 + delta*proportion_domain_4 + kappa*proportion_domain_5)
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
    data = np.asarray(data_points, float).reshape(len(losses), 5)
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
