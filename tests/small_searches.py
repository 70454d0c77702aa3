"""Small tables that the tests of discovery share: one shape of cells, so one compilation."""

import numpy as np

GROUPS = ("a", "b")
SIZES = np.geomspace(1e7, 1e9, 6)
TRUTH = {"a": (1.7, 400.0, 0.34), "b": (1.2, 150.0, 0.28)}


def powers(noise: float = 0.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Two groups of 6 sizes, each run twice: loss = E + A*N^-alpha, times log-normal noise."""
    rng = np.random.default_rng(seed)
    sizes, out = np.repeat(SIZES, 2), []
    for floor, scale, power in TRUTH.values():
        out.append(floor + scale * sizes**-power)
    loss = np.concatenate(out)
    return {
        "N": np.tile(sizes, 2),
        "family": np.repeat(GROUPS, len(sizes)),
        "loss": loss * np.exp(noise * rng.standard_normal(len(loss))),
    }


def grid(law=None) -> dict[str, np.ndarray]:
    """Two groups over 5 x 5 sizes N and D, by `law(N, D, group)`; by default two powers."""
    size, data = (each.ravel() for each in np.meshgrid(np.geomspace(1e7, 1e9, 5), DATA))
    law = law or two_powers
    return {
        "N": np.tile(size, 2),
        "D": np.tile(data, 2),
        "family": np.repeat(GROUPS, len(size)),
        "loss": np.concatenate([law(size, data, g) for g in range(2)]),
    }


DATA = np.geomspace(1e8, 1e10, 5)


def two_powers(size, data, group):
    """E + A*N^-alpha + B*D^-beta, with constants of each group."""
    floor, a, b, alpha, beta = ((1.7, 400, 900, 0.34, 0.37), (1.2, 90, 300, 0.27, 0.3))[group]
    return floor + a * size**-alpha + b * data**-beta
