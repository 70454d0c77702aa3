"""Which pretrained model to fine-tune? Five of them, tried on a thirty-second of the data."""

import numpy as np

import jaxfit

rng = np.random.default_rng(0)
FULL = 409_600
# What pretraining is worth, scale, exponent and floor of each model's loss.
MODELS = {
    "gpt-tiny": (20.0, 60.0, 0.42, 1.1),
    "gpt-large": (60.0, 150.0, 0.45, 0.4),
    "opt-small": (5.0, 12.0, 0.25, 0.9),
    "opt-large": (5.0, 9.0, 0.12, 0.5),
    "code-only": (30.0, 110.0, 0.35, 1.2),
}


def tune(name, D):
    """Stands for fine-tuning on D samples: the loss, with noise of 0.5 %."""
    worth, scale, power, floor = MODELS[name]
    return (floor + scale / (worth + D**power)) * np.exp(0.005 * rng.standard_normal())


sizes = [200 * 2**i for i in range(7)]
runs = {"model": [name for name in MODELS for _ in sizes], "D": sizes * len(MODELS)}
runs["loss"] = [tune(*run) for run in zip(runs["model"], runs["D"], strict=True)]
runs["model"].append("just-out")  # one run alone, which tells of no law
runs["D"].append(sizes[-1])
runs["loss"].append(1.9)

ranking = jaxfit.select_model(runs, FULL)
print(ranking)
(pick,) = ranking.picks.values()
full = {name: tune(name, FULL) for name in MODELS}
small = min(MODELS, key=lambda name: runs["loss"][runs["model"].index(name) + len(sizes) - 1])
print(f"picked {pick}: {full[pick]:.3f}; by the largest run {small}: {full[small]:.3f}")
print("ok" if full[pick] <= min(full.values()) * 1.05 else "a poor pick")
