"""Groups by themselves, with one exponent for all, and with exponents of one population."""

import numpy as np

import jaxfit

LAW = "E + A * N^-alpha where alpha in (0, 2), E > 0, A > 0"


def made_up_runs(groups: int = 12, seed: int = 1) -> tuple[dict[str, list], np.ndarray]:
    """A few noisy runs of each model family, and the true exponents (groups,)."""
    rng = np.random.default_rng(seed)
    exponents = rng.normal(0.35, 0.03, groups)
    runs: dict[str, list] = {"family": [], "N": [], "loss": []}
    for g, alpha in enumerate(exponents):
        N = 10 ** rng.uniform(5, 8, 6)
        loss = 1.5 + 60 * N**-alpha
        runs["family"] += [f"family {g}"] * len(N)
        runs["N"] += N.tolist()
        runs["loss"] += (loss * np.exp(0.005 * rng.standard_normal(len(N)))).tolist()
    return runs, exponents


runs, truth = made_up_runs()
ways = {"by themselves": {}, "shared": {"shared": ["alpha"]}, "pooled": {"pool": ["alpha"]}}
for name, way in ways.items():
    fit = jaxfit.fit(LAW, runs, target="loss", by="family", pipeline="auto", starts=256, **way)
    error = np.sqrt(np.mean((fit.params["alpha"] - truth) ** 2))
    print(f"{name}: exponents are off by {error:.3f}; {int(fit.ok.sum())} of {len(truth)} ok")
