"""A scaling law, fitted by least squares in every group by itself.

    sft_loss = exp(E + A*log(sft_data_size) + (B - E)/(1 + (alpha/sft_data_size)^0.5))

Inputs, in the order of the columns of data_points: sft_data_size.

Constants: E, alpha searched above 0; A, B are linear in the logarithm.

Origin: found by python -m benchmarks.discovery --programs, from training rows alone
"""

import numpy as np
from scipy.optimize import least_squares

NAMES = ["E", "A", "alpha", "B"]
# Places of the constants that are solved for, and of those that are searched: within LOW and HIGH,
# from starts between FIRST and LAST, by their logarithms where they are POSITIVE.
SOLVED = [1, 3]
SEARCHED = [0, 2]
POSITIVE = np.array([True, False, True, False])
LOW = np.array([-np.inf, -np.inf, -np.inf, -np.inf])
HIGH = np.array([np.inf, np.inf, np.inf, np.inf])
FIRST = np.array([-0.585194248089773, 0, 5.54517744447956, 0])
LAST = np.array([4.98882735302819, 0, 12.4529327234617, 0])
# Constants that an earlier search found, a row for each group and target or so.
STARTS = np.array([
    [1.52066558417304, -0.00744445463022918, 224137.409795037, 0.375110789340296],
    [1.39174406719959, -0.0221989130849252, 909256.83630564, 0.230646583503564],
    [1.37864060260357, -0.0295516483653451, 4241774671718.85, -630.596406101841],
    [1.18262417689076, -0.0272615011107001, 84242.7586836317, 0.892768316270864],
    [2.02036316752147, -0.169774934268953, 821.631678795725, 2.9447128329306],
    [1.53423271773273, -0.0581960802390706, 3437660264613.58, -483.419555674756],
    [1.13934044155628, -0.0649414813086527, 299.378935238564, 1.3591767745968],
    [1.34978658336489, -0.0342478187181919, 286311727.572647, -5.12387315034243],
    [0.791619674084524, -0.0168433202629953, 38481.6939930502, 0.767512104570315],
    [2.02372730355396, -0.191397520249408, 585.114090104819, 3.29742061428844],
    [1.1765128691544, -0.0383049211086069, 2540614281554.43, -348.191296771512],
    [1.47926401446267, -0.0912488592321112, 1400.04483376849, 1.88362908748235],
    [2.22507385850726e-308, -0.0745030115974102, 0.609481233139217, 1.64302154345102],
    [1.11006765558893, -0.0257013312503754, 37047.548176214, 0.821953909226772],
    [0.953983396554145, 0.0434590925074527, 154414.702006674, -1.21695415661093],
    [0.777998912358802, 0.0566375643424305, 96234.1711730476, -1.40912797466817],
    [1.68726362293229, -0.222012516876259, 509.691837053724, 3.11235951640221],
    [1.74335018288938, -0.193716466156103, 1278.57052213524, 2.82010786791383],
    [1.0968833098409, 0.0414886734025977, 88687.1768308283, -1.22592872389049],
    [0.960582447172884, 0.0666970685901975, 53157.4979690533, -1.57787145276922],
    [0.999267882248833, 0.0190449937015047, 44647.7145168639, -0.44407451827929],
    [1.0669245070773, 0.0302936276868221, 62069.5246203144, -0.807825443935596],
    [0.670571387146409, 0.00529384666768642, 51780.9771849147, 0.45649733665555],
    [0.965216357686675, 0.0479182125073053, 80259.9474041512, -1.14432505894044],
    [0.735287142365908, -0.112251444219306, 131564.013992208, 1.11625698179057],
    [0.532060389313601, -0.037611584180012, 1892.41699793976, 0.132610078149567],
    [1.22304132506035, -0.0459481441768477, 426.578718560033, 1.4093417936859],
    [1.09791712668932, -0.00788469417448964, 200448.18382525, 0.685412551662665],
    [1.33370548644224, -0.095115713793217, 541.393495718532, 1.70647929972649],
    [0.986465143343701, -0.0405963646583103, 61766.3727776833, 0.834226793422904],
    [1.39631946491395, -0.0516675248405713, 145364.630437758, 1.15790767148791],
    [1.20496297038853, -0.0802593345730208, 1166.20320310013, 1.52915780302778],
    [1.31172715201997, 0.00839312504127144, 6136.90447481696, 0.210910468869113],
    [1.25374481371296, -0.0910317895880451, 26873.5728881983, 1.54185330556949],
    [0.828957714539682, -0.037218855030084, 78730.3095113392, 0.775377586655065],
    [1.21964574480911, -0.0693302603486742, 2837.79455064245, 1.35583307401122],
    [0.662805728322441, -0.0221543994312972, 6240.43427039629, 0.543655701569972],
    [1.17500952251165, -0.0301477627317691, 41686.860602001, 0.761017688338498],
    [0.708280699175848, -0.0546232552242419, 58.4238796965542, 0.93285742738849],
    [2.22507385850726e-308, -0.0614169664054823, 1.30184253388562, 1.14738812246663],
    [1.29460437422419, -0.042916351606657, 51227.8893465181, 0.72505667295017],
    [1.29346875085704, -0.0640148325648111, 48513.668088556, 1.134581277983],
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
    E, A, alpha, B = params
    with np.errstate(all="ignore"):
        return np.exp(E + A*np.log(sft_data_size) + (B - E)/(1 + (alpha/sft_data_size)**0.5))


def terms(data, shape):
    """What each solved constant multiplies (n, L), and what is added to them (n,)."""
    sft_data_size = data[:, 0]
    E, alpha = shape
    basis = np.empty((len(data), 2))
    basis[:, 0] = np.log(sft_data_size)  # A
    basis[:, 1] = (1 + (alpha/sft_data_size)**0.5)**(-1)  # B
    rest = E + (-E)/(1 + (alpha/sft_data_size)**0.5)
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
