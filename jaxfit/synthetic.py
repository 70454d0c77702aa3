"""Synthetic tables of training runs: what the demo, the examples and the guides fit."""

import numpy as np

# (E, A, B, alpha, beta): published constants, and two variations on them.
FAMILIES = {
    "hoffmann": (1.69, 406.4, 410.7, 0.34, 0.28),  # Hoffmann et al. 2022, approach 3
    "besiroglu": (1.8172, 477.84, 2143.86, 0.3473, 0.3672),  # Besiroglu et al. 2024
    "code": (0.74, 310.0, 1180.0, 0.36, 0.37),
    "multilingual": (2.05, 520.0, 640.0, 0.33, 0.29),
}

# Of the IsoFLOP runs of Hoffmann et al. 2022, FLOP.
BUDGETS = (6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21)


def families(seed: int = 0) -> dict[str, list]:
    """A table of runs of five model families: columns family, N, D, loss.

    Loss follows the Chinchilla law with log-normal noise of 0.4 %, the size of a change of
    seed or data order. Families have 33 to 60 runs; `tiny` has three, too few to fit, and one
    run of `multilingual` has diverged: its loss is NaN.
    """
    rng = np.random.default_rng(seed)
    table: dict[str, list] = {"family": [], "N": [], "D": [], "loss": []}
    for (name, constants), count in zip(FAMILIES.items(), (60, 48, 40, 33), strict=True):
        _add(table, rng, name, constants, count)
    _add(table, rng, "tiny", FAMILIES["code"], 3)
    table["loss"][table["family"].index("multilingual") + 5] = float("nan")
    return table


def chinchilla(seed: int = 0, count: int = 240) -> dict[str, list]:
    """A table of runs of one family along nine budgets of compute: columns N, D, C, loss.

    N: parameters. D: training tokens. C: FLOP, 6 N D. loss: nats a token. As the runs of Hoffmann
    et al. 2022 in number, budgets and sizes, with the constants that Besiroglu et al. 2024 find
    (`FAMILIES["besiroglu"]`) and noise with heavy tails: 0.4 % times Student's t of 3 degrees of
    freedom. seed: of sizes and noise. count: rows, spread evenly over the budgets.
    """
    rng = np.random.default_rng(seed)
    E, A, B, alpha, beta = FAMILIES["besiroglu"]
    C = np.resize(BUDGETS, count)
    # Sizes from a fifth to five times the best, which lies near C^0.51.
    N = np.round(0.11 * C**0.51 * 5 ** rng.uniform(-1, 1, count), -4)
    D = C / (6 * N)
    loss = (E + A * N**-alpha + B * D**-beta) * np.exp(0.004 * rng.standard_t(3, count))
    return {"N": N.tolist(), "D": D.tolist(), "C": C.tolist(), "loss": np.round(loss, 4).tolist()}


def _add(table, rng, family, constants, count):
    E, A, B, alpha, beta = constants
    N = np.round(10 ** rng.uniform(7.5, 10.2, count), -4)
    D = np.round(N * 10 ** rng.uniform(0.3, 2.5, count), -6)
    clean = E + A * N**-alpha + B * D**-beta
    loss = clean * np.exp(0.004 * rng.standard_normal(count))
    table["family"] += [family] * count
    table["N"] += N.tolist()
    table["D"] += D.tolist()
    table["loss"] += np.round(loss, 4).tolist()
