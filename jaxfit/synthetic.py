"""Synthetic tables of training runs: what the demo and the examples fit."""

import numpy as np

# (E, A, B, alpha, beta): published constants, and two variations on them.
FAMILIES = {
    "hoffmann": (1.69, 406.4, 410.7, 0.34, 0.28),  # Hoffmann et al. 2022, approach 3
    "besiroglu": (1.8172, 477.84, 2143.86, 0.3473, 0.3672),  # Besiroglu et al. 2024
    "code": (0.74, 310.0, 1180.0, 0.36, 0.37),
    "multilingual": (2.05, 520.0, 640.0, 0.33, 0.29),
}


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
