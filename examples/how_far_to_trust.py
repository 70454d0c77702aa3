"""How far can a fit be trusted? Standard errors, resamples, and bands beyond the data."""

import jaxfit
from jaxfit import synthetic

fit = jaxfit.fit(
    "chinchilla",
    synthetic.families(),
    target="loss",
    by="family",
    nan="mask",
    loss=jaxfit.LogHuber(1e-3),
    pipeline="auto",
)
print(fit)

share = {"a": "beta / (alpha + beta)"}  # of compute, as its power, that goes into parameters

for kind in ("gauss-newton", "sandwich"):
    errors = fit.intervals(0.9, kind=kind, of=share).standard_error["a"]
    print(f"{kind}: standard errors of a {errors.round(4)}")

resampled = fit.intervals(0.9, "bootstrap", of=share, draws=500)
ends = zip(fit.groups, fit.ok, resampled.lower["a"], resampled.upper["a"], strict=True)
for family, ok, low, high in ends:
    print(f"{family}: a between {low:.3f} and {high:.3f}" if ok else f"{family}: not fitted")

band = fit.predict({"family": ["code"], "N": [7e11], "D": [1.4e13]}, level=0.9, kind="new")
print(
    f"code at 7e11 parameters: {band.estimate[0]:.3f}, between {band.lower[0]:.3f} and "
    f"{band.upper[0]:.3f}, {band.decades[0]:.1f} decades beyond the runs"
)
