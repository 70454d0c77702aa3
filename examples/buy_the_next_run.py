"""Which run to buy next? One at a time, by what it is expected to tell of a far larger one."""

import numpy as np

import jaxfit

rng = np.random.default_rng(0)
TARGET = {"N": [7e10], "D": [1.4e12]}


def train(N, D):
    """Stands for a training run: its loss, with noise of 0.3 %."""
    return (1.7 + 400 / N**0.34 + 410 / D**0.28) * np.exp(0.003 * rng.standard_normal(np.shape(N)))


N, D = 10 ** rng.uniform(7, 8, 10), 10 ** rng.uniform(9, 10, 10)
runs = {"N": N, "D": D, "loss": train(N, D)}
left = {"N": np.repeat(np.geomspace(3e7, 1e10, 6), 5), "D": np.tile(np.geomspace(2e9, 1e11, 5), 6)}
left["FLOP"] = 6 * left["N"] * left["D"]

spent = 0.0
for _ in range(5):
    fit = jaxfit.fit("chinchilla", runs, target="loss", loss=jaxfit.LogMSE(), starts=64)
    bought = jaxfit.next_run(fit, left, cost="FLOP", target=TARGET)
    i, spent = bought.best, spent + left["FLOP"][bought.best]
    print(
        f"target {bought.mean[0]:.3f} +- {bought.error:.3f}; next N = {left['N'][i]:.2g}, "
        f"D = {left['D'][i]:.2g}, with which +- {bought.error_after[i]:.3f}"
    )
    result = {"N": left["N"][i], "D": left["D"][i], "loss": train(left["N"][i], left["D"][i])}
    runs = {name: np.append(values, result[name]) for name, values in runs.items()}
    left = {name: np.delete(values, i) for name, values in left.items()}

true = 1.7 + 400 / 7e10**0.34 + 410 / 1.4e12**0.28
fit = jaxfit.fit("chinchilla", runs, target="loss", loss=jaxfit.LogMSE(), starts=64)
print(f"{fit.predict(TARGET)[0]:.3f} for {spent:.2g} FLOP; it is {true:.3f}")
best = jaxfit.allocate(fit, 6e23, method="t")
print(best)
print("ok" if abs(fit.predict(TARGET)[0] / true - 1) < 0.05 else "far off")
