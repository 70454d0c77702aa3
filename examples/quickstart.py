"""Fit the Chinchilla law to four synthetic model families and predict a run ten times larger.

Run it with `python examples/quickstart.py`.
"""

import jaxfit
from jaxfit import synthetic

runs = synthetic.families(seed=0)
fit = jaxfit.fit(
    "chinchilla", runs, target="loss", by="family", loss=jaxfit.LogHuber(1e-3), nan="mask"
)
print(fit)

largest = max(n for n, family in zip(runs["N"], runs["family"], strict=True) if family == "code")
points = {"family": ["code"], "N": [10 * largest], "D": [200 * largest]}
print(f"\nA code model ten times larger, 20 tokens a parameter: {fit.predict(points)[0]:.3f}")
