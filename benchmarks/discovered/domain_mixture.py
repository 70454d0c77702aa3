"""A scaling law, fitted by least squares in every group by itself.

    loss_domain_1, loss_domain_2, loss_domain_3, loss_domain_4, loss_domain_5 = E +
    exp(alpha*proportion_domain_1 + beta*proportion_domain_2 + gamma*proportion_domain_3 +
    delta*proportion_domain_4 + kappa*proportion_domain_5) + A*proportion_domain_1

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
    [2.89057337850611, -26.8080413255561, 0.855828163044318, 1.08882463650282,
     0.638549039521833, -1.12968812125751, -0.50365733192668],
    [3.54962561169462, -1.22066272855082, -8.5056212134324, -1.00166451590928,
     -0.254355680650631, -1.66212676018487, 0.121959664439131],
    [3.08329777299117, -0.797673310684631, -0.733093014258651, -41.6744021595365,
     -0.457377448853435, -0.788851532941268, 0.223481739073545],
    [1.60347588856739, -0.414133431262501, -0.0682430409699388, -0.601275124535854,
     -20.1458553278442, -0.461240999446581, 0.0229238862531486],
    [3.4557984031221, -1.64618165060279, 0.120020418111563, -0.924413129384695,
     -0.0107429712314772, -6.01730522576809, 0.100884876036229],
    [2.56158153080938, -27.1261141776994, 1.97852930982793, 1.99289557014445, 1.63902057446006,
     -1.54315473441749, -0.439696984063568],
    [3.21534039116899, -1.23360102591042, -8.28298639775774, -1.17754965964679,
     -0.197793738528765, -1.7530309588547, 0.132299063311686],
    [2.79379209077327, -0.821106835633391, -0.765442007745072, -41.92135456328,
     -0.355029925404783, -0.87553775684894, 0.210406551673895],
    [1.371928619291, -0.474357568638127, -0.149416362655945, -0.581414439870636,
     -20.3872295560362, -0.596238666748671, 0.0229030068916615],
    [3.10173176492668, -2.0093353053551, 0.997617603990525, -0.643858048341324,
     0.0322475327966886, -5.93894443785623, 0.122920219456555],
    [2.40092106519927, -26.277055287252, 1.5033874982311, 1.81720942883638, 1.31974571589863,
     -1.42488210654924, -0.397371814917558],
    [3.04880798480078, -1.31198867198444, -7.71640291439389, -1.12841180168031,
     -0.166186704332065, -1.73736037348532, 0.136161757005622],
    [2.65821715368855, -0.876595522100636, -0.673859374426898, -46.8237526699761,
     -0.278271572592719, -0.863835987591397, 0.21488257548192],
    [1.2722637093752, -0.422363316448459, -0.306082135029175, -0.598601888595609,
     -20.8125900499138, -0.645015824218793, 0.00652651286256892],
    [2.93858755910991, -1.81698146226046, 0.891515031985794, -0.96121241797067,
     -0.0530865413632609, -6.04789469166744, 0.0998874278872753],
    [2.33461642485432, -26.1846167281039, 2.17237568604143, 2.29745868474859, 1.89644393965865,
     -1.62590929122887, -0.377827951539463],
    [2.97654699413399, -1.23885613899999, -7.46264265768617, -1.46040000060563,
     -0.0900972689776117, -1.78147247813342, 0.127774483902204],
    [2.590378025943, -0.863584762126221, -0.598303662151653, -47.1746901937692,
     -0.356032446954448, -0.837881264780988, 0.228654429634899],
    [1.2275897361607, -0.691510227602698, -0.249866610763901, -0.548105803902821,
     -20.1818631668166, -0.645696420993641, 0.0217996860705802],
    [2.86030688233528, -2.06112874153723, 1.3564486978848, -1.94375936724835, 0.432595448242328,
     -6.00455017727402, 0.112068309108756],
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
            + A*proportion_domain_1
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
    basis[:, 1] = proportion_domain_1  # A
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
