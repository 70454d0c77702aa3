"""A scaling law, fitted by least squares in every group by itself.

    sft_loss = (1 + A*sft_data_size/(alpha + sft_data_size))*exp(beta/(gamma +
    sft_data_size^0.5))

Inputs, in the order of the columns of data_points: sft_data_size.

Constants: A are solved for; alpha, gamma searched above 0; beta searched in [-2695.55,
2695.55].

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = ["A", "alpha", "beta", "gamma"]
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [0]
SEARCHED = [1, 2, 3]
POSITIVE = np.array([False, True, False, True])
LOW = np.array([-np.inf, -np.inf, -2695.54848024581, -np.inf])
HIGH = np.array([np.inf, np.inf, 2695.54848024581, np.inf])
FIRST = np.array([0, 2.99573227355399, -385.07835432083, 0.346573590279973])
LAST = np.array([0, 15.2255214457015, 385.07835432083, 8.76405326934776])
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [0.148371709638273, 112738.101338081, 744.874314496067, 501.206957976449],
    [-0.0755284644800138, 1165.187381098, 1038.19933019835, 806.25787206669],
    [-0.122658969596871, 520.529319935378, 2228.35150991803, 1757.94178688819],
    [0.360930630988956, 77755.9842351339, 346.909970474622, 327.134144723643],
    [0.505183546177131, 10488.6742225061, 255.477476771395, 166.485746653364],
    [-0.207858009535369, 700.543006078267, 1546.81479022841, 1203.18180326155],
    [0.316594326400657, 39089.1047683731, 221.36119936137, 235.208555625935],
    [-0.124188310122962, 523.264950392322, 1517.66387394487, 1250.77178568755],
    [0.707832574176829, 2.22507385850726e-308, 18.8156427230632, 102.915653868642],
    [0.627693896991497, 5946.86116917352, 244.776869104381, 152.824858611645],
    [-0.143665114627765, 673.935684106406, 1379.07451709378, 1357.58196523084],
    [-0.147991477724399, 1093.47094907296, 1969.01313805052, 1738.62752268549],
    [0.4452329543722, 47862.8757428399, 291.741812596802, 237.737666485043],
    [0.337431097442261, 63674.4891267029, 264.390643814624, 264.884686674216],
    [-0.437993709711867, 31701.6849957605, 1222.44314118244, 1080.42079266787],
    [-0.432078472366635, 25600.0228785567, 854.586346446212, 844.54102270776],
    [-0.32257710972913, 11.2955397807912, 633.757485934315, 430.99317497745],
    [-0.237013661399401, 102.168538522534, 605.7934390107, 493.868451328854],
    [-0.374282310747465, 24970.4467318645, 532.298070012291, 423.167979266857],
    [-0.42634405087823, 15647.9236075118, 547.067560533598, 450.113141064885],
    [-0.184570107646793, 8827.49042151294, 352.062190726623, 333.74989409487],
    [-0.242727270241835, 22739.0281328904, 359.998826926202, 304.094860571322],
    [0.250137847714178, 580827.987815608, 1012.60663314095, 1458.11471017791],
    [-0.379172339650609, 19487.1448954265, 761.572180824565, 661.653303824217],
    [-0.416012592569958, 35.8748512335856, 60.1225670190825, 87.5745913115267],
    [-0.318882642677296, 13.3889864399824, 48.8476549460577, 69.041961255014],
    [0.427271640035498, 167667.509566396, 704.839791841614, 658.924507139507],
    [0.827543120290225, 2.22507385850726e-308, 148.065650717885, 325.190597742098],
    [0.389934979935439, 5844.43277270456, 109.398763724382, 99.859665113144],
    [0.252204966681356, 11268.4130309146, 98.9574654933236, 116.356934718327],
    [0.414407337955906, 19782.720642276, 189.157738739604, 156.70277217723],
    [0.447595044029924, 5238.04672639714, 84.0598573151393, 83.3571701715391],
    [0.407681762718753, 1187.30995403085, 67.278443360833, 45.0324940769669],
    [0.271117099409811, 6541.22598945512, 61.4110345915953, 64.439550964436],
    [0.278488668476205, 4240.55151724958, 49.7449873057876, 66.0189776546565],
    [0.444598651478797, 4177.90182542169, 65.5817283021654, 61.6961276823802],
    [0.181365080851577, 34165.9920074269, 89.5878329679421, 157.330219735857],
    [0.257672242477352, 39579.3876470639, 214.877192791797, 204.624372015293],
    [0.122154316046711, 16910.6918702544, 92.3605423097911, 150.571029217701],
    [-0.153920515009306, 1719.65579357574, 962.045657428395, 1263.69017367191],
    [0.151768295083882, 8324.33433711966, 149.038281054016, 131.174009710355],
    [0.249534221071551, 8122.428592732, 103.17997914775, 96.241103731479],
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
    A, alpha, beta, gamma = params
    with np.errstate(all="ignore"):
        return (
            (1 + A*sft_data_size/(alpha + sft_data_size))*np.exp(beta/(gamma
            + sft_data_size**0.5))
        )


def terms(data, shape):
    """What each solved constant multiplies (n, L), and what is added to them (n,)."""
    sft_data_size = data[:, 0]
    alpha, beta, gamma = shape
    basis = np.empty((len(data), 1))
    basis[:, 0] = (
        sft_data_size*np.exp(beta/(gamma + sft_data_size**0.5))/(alpha + sft_data_size)
    )  # A
    rest = np.exp(beta/(gamma + sft_data_size**0.5))
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
