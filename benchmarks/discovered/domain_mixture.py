"""A scaling law, fitted by least squares in every group by itself.

    loss_domain_1, loss_domain_2, loss_domain_3, loss_domain_4, loss_domain_5 = E +
    exp(alpha*proportion_domain_1 + beta*proportion_domain_2 + gamma*proportion_domain_3 +
    delta*proportion_domain_4 + kappa*proportion_domain_5) + A*proportion_domain_1^2

Inputs, in the order of the columns of data_points: proportion_domain_1, proportion_domain_2,
proportion_domain_3, proportion_domain_4, proportion_domain_5.

Constants: E, A are solved for; alpha searched in [-42, 42]; beta searched in [-112, 112]; gamma
searched in [-224, 224]; delta searched in [-84, 84]; kappa searched in [-28, 28].

Each target has constants of its own.

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = ["E", "alpha", "beta", "gamma", "delta", "kappa", "A"]
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [0, 6]
SEARCHED = [1, 2, 3, 4, 5]
POSITIVE = np.array([False, False, False, False, False, False, False])
LOW = np.array([-np.inf, -42, -112, -224, -84, -28, -np.inf])
HIGH = np.array([np.inf, 42, 112, 224, 84, 28, np.inf])
FIRST = np.array([0, -6, -16, -32, -12, -4, 0])
LAST = np.array([0, 6, 16, 32, 12, 4, 0])
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [2.81040747957179, -21.9296598873725, 0.601531752007653, 0.785918583085238,
     0.416566439606353, -0.857821892680367, -0.684969315886139],
    [3.54440481171932, -1.11399157880265, -7.89416284885496, -1.05810531384234,
     -0.396079397964156, -1.58361660268436, 0.208254229693772],
    [3.09621388034314, -0.733523157693022, -0.860912205825827, -41.3599356821622,
     -0.639074377248529, -0.764435816538524, 0.395556725561613],
    [1.60774217911261, -0.362817623921214, -0.0459278268527828, -0.582661598816351,
     -20.3333687544387, -0.477016678631391, 0.0198967334519891],
    [3.46094990913604, -2.27328169169608, 0.631061720931323, 0.100166045131055,
     0.368548624950823, -6.32799494887632, 0.285790347452066],
    [2.49373704100892, -22.7088126054263, 1.33800828580595, 1.36104435299874, 1.05033079164691,
     -1.16742343979175, -0.607442257141946],
    [3.20235688161047, -1.07392552467753, -7.25064650875783, -1.24078662188583,
     -0.363875359984383, -1.62634986906821, 0.212289340125813],
    [2.80617907012807, -0.756030483972916, -0.892005407474224, -41.639238061331,
     -0.530892108918484, -0.852629036990074, 0.3704437596219],
    [1.37653007558581, -0.412617060052796, -0.121595271331189, -0.556613985278368,
     -20.6208644015097, -0.615778127466988, 0.0173701434330388],
    [3.10842487781424, -2.88494401196241, 1.83661212349486, 0.941806908408844,
     0.437040350813407, -6.44691458559871, 0.361267486069335],
    [2.34009060388692, -22.5524979100285, 1.04478395949794, 1.33435055138375, 0.888529326719857,
     -1.12091494561222, -0.551839334060541],
    [3.03586970156024, -1.17211098197197, -6.84952516989179, -1.16515385487824,
     -0.349361889996851, -1.60623156223573, 0.236415430430773],
    [2.67209907698369, -0.804225465700443, -0.806242857571142, -46.8693034318232,
     -0.465514052085441, -0.842309406602026, 0.370541620292554],
    [1.27371235046802, -0.401164512582606, -0.295942884805097, -0.589464691710927,
     -20.8928731271425, -0.651885595076883, 0.00388500932628667],
    [2.94366807286467, -2.57750988212312, 1.6069436671099, 0.221612216948203, 0.355895253367412,
     -6.46609034492732, 0.308028083776653],
    [2.27598915295153, -22.4974690463591, 1.55105550205713, 1.65377583248705, 1.30608835830434,
     -1.27364173980245, -0.520479529982342],
    [2.94323625581816, -0.984633044900225, -5.86035581772615, -1.4983070046631,
     -0.286339973067468, -1.55379944532552, 0.176801225881936],
    [2.60438325694146, -0.796919113350722, -0.738817161057162, -47.2284810926358,
     -0.553097041107957, -0.812376697684686, 0.405315223022082],
    [1.23044600736328, -0.654108561199519, -0.242282220797615, -0.539173175455329,
     -20.3183131050152, -0.654995056027166, 0.0279306517399984],
    [2.86638713079968, -2.9673253941307, 2.27220543036413, -0.839525628316457,
     0.959653030587505, -6.55266807189836, 0.351554209612889],
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
    E, alpha, beta, gamma, delta, kappa, A = params
    with np.errstate(all="ignore"):
        return (
            E + np.exp(alpha*proportion_domain_1 + beta*proportion_domain_2
            + gamma*proportion_domain_3 + delta*proportion_domain_4 + kappa*proportion_domain_5)
            + A*proportion_domain_1**2
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
    basis[:, 1] = proportion_domain_1**2  # A
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
