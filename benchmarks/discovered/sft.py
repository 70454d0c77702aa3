"""A scaling law, fitted by least squares in every group by itself.

    sft_loss = E + A*sft_data_size^beta/(alpha + sft_data_size)^0.5

Inputs, in the order of the columns of data_points: sft_data_size.

Constants: E, A are solved for; alpha searched above 0; beta searched in [-8, 8].

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = ["E", "A", "alpha", "beta"]
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [0, 1]
SEARCHED = [2, 3]
POSITIVE = np.array([False, False, True, False])
LOW = np.array([-np.inf, -np.inf, -np.inf, -8])
HIGH = np.array([np.inf, np.inf, np.inf, 8])
FIRST = np.array([0, 0, 2.99573227355399, 0.05])
LAST = np.array([0, 0, 15.2255214457015, 1.2])
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [4.73242107424195, -114.524853263783, 853429.124538014, 0.249842468154069],
    [4.0290405845192, -358.7597454237, 3772051.21754039, 0.193514093241355],
    [1.13021014919456, 2126.11538670069, 482081.521957118, -0.056792788086322],
    [3.89747110116997, -1509.14737797419, 4487723.22233393, 0.0838301650427436],
    [1.61694881176305, 1001.39736061012, 57323.1484316561, -0.0936254145935524],
    [3.76221925094573, -0.321887998517304, 475.258175677106, 0.638034926424307],
    [4.33592113068195, -7346.54593555002, 24600179.0390732, 0.0460831326569274],
    [1.43055208428704, 1079.99829970505, 164313.980695659, -0.0761967153451163],
    [7.16180233525026, -4.97088635532509, 0.479758305723001, 0.506701553583998],
    [1.70374474735087, 669.70097380961, 35368.3042625636, -0.0527046591240106],
    [1.29557780941318, 1093.40417938762, 251141.020893656, -0.0899866239339417],
    [3.90718902418125, -0.58416098097424, 32.1210651451573, 0.592678523804613],
    [-1.53755991676058, 6.09096040877492, 10.7326994919043, 0.457258214984257],
    [-1.95094661026541, 5.41706642099659, 7.50677497945806, 0.470232490338442],
    [0.787348358454791, 325.894304715345, 17777.1222872533, -0.0131792297334351],
    [0.729947443120943, 233.42716982897, 12914.4662494192, -0.00733397542917819],
    [0.935018014957458, 469.933475451902, 29286.0813747974, -0.0638643101382964],
    [1.03832153496498, 688.096406397886, 56238.3574127819, -0.0981382650474922],
    [0.71206672509684, 357.45194414509, 12394.5126517809, -0.0332007470344434],
    [0.673136900895123, 255.636377284792, 7794.98624608298, -0.0208869254969847],
    [2.84536103291216, -0.488805162703536, 11280.0001241842, 0.596702786018834],
    [0.866780668606599, 314.827529861827, 12055.2500982664, -0.0452446904856188],
    [1.99441173385733, -0.0522015695727206, 31332.8635829894, 0.609161134426683],
    [0.825594277450861, 275.633932050227, 11879.3183939251, -0.0201306144099339],
    [0.443812942139274, 3770.18672367097, 4173961.42692274, -0.176400939039579],
    [0.562411015275104, 2.43918360986844, 61.7641382225225, 0.288817649848983],
    [3.48821245529404, -1072.70516580097, 8245660.07474271, 0.0946510285518191],
    [1.94921168094628, 273.37321641121, 48221.4777983555, -0.0613749358871429],
    [1.43398770879014, 503.923014235915, 52003.2422331954, -0.113428186990018],
    [-1.38934822537111, 4.20427991300188, 3.63593592981132, 0.468789769492744],
    [24.8690600242947, -225912.133769752, 116139894.27368, 0.0075947306437589],
    [1.45908094120053, 461.145867016691, 74621.0792282213, -0.110664614309006],
    [1.48355592631869, 332.630886433003, 7326.56935598148, -0.141409774290999],
    [1.17454391018048, 1587.47093087629, 362963.932585691, -0.175603108322864],
    [1.30072242304767, 297.607649507758, 57983.4484270343, -0.142658894150191],
    [1.45353121815927, 603.372178438609, 79758.648377023, -0.150429470996819],
    [0.820333207594438, 1.39211765283256, 15.6519865530574, 0.418957013434218],
    [4.80325713727987, -3580.06830990252, 5404781.25440278, 0.0594260718088402],
    [-592659.183061642, 592661.346348977, 2.10355188038214e-05, 0.499999880739251],
    [2.17407776449598, -0.113394312200215, 1616.78058945164, 0.647997506689337],
    [7.02127506247541, -9144.2384773361, 7402831.88662347, 0.0421821323046638],
    [-0.404404693055879, 4.29083275409001, 5.96456466135831, 0.433527692186356],
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
    sft_data_size = data[:, 0]
    E, A, alpha, beta = params
    with np.errstate(all="ignore"):
        return E + A*sft_data_size**beta/(alpha + sft_data_size)**0.5


def terms(data, shape):
    """What each solved constant multiplies (n, L), and what is added to them (n,)."""
    sft_data_size = data[:, 0]
    alpha, beta = shape
    basis = np.empty((len(data), 2))
    basis[:, 0] = 1  # E
    basis[:, 1] = sft_data_size**beta/(alpha + sft_data_size)**0.5  # A
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
