"""Which law do these runs follow? Search for it, and write it as a program of its own."""

import numpy as np

from jaxfit import discover

rng = np.random.default_rng(0)
runs = {"family": [], "N": [], "loss": []}
for family, (E, A, alpha) in {"code": (0.8, 30, 0.3), "web": (1.7, 20, 0.25)}.items():
    for N in np.geomspace(1e3, 1e7, 14):
        runs["family"].append(family)
        runs["N"].append(N)
        runs["loss"].append((E + A * N**-alpha) * np.exp(0.003 * rng.standard_normal()))

found = discover.search(
    runs, target="loss", by="family", max_constants=3, turns=5, rule="one-standard-error"
)
print(found)

program = found.program()  # NumPy and SciPy alone; fits its constants to whatever rows it is given
assert "def fit_scaling_law(data_points, loss_values):" in program
assert found.heldout.r2 > 0.9
print(f"ok: {found.form}, R2 {found.heldout.r2:.4f} on runs that were opened after the choice")
