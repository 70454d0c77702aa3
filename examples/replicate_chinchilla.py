"""What do the runs of Chinchilla say? The refit of Besiroglu et al. 2024, beside what they state.

    python examples/replicate_chinchilla.py epoch_chinchilla.csv   # columns N, D, loss, used_in_fit
    JAXFIT_DATA=folder python examples/replicate_chinchilla.py     # folder/epoch_chinchilla.csv

Without the file it takes synthetic runs of the same design. `python -m benchmarks.bootstrap` and
`benchmarks.allocation` measure the same more closely.
"""

import os
import sys
from pathlib import Path

import jaxfit
from jaxfit import synthetic

# Estimates of Hoffmann et al. 2022 (approach 3); estimates and standard errors of Besiroglu et al.
# 2024 (arXiv 2404.10102), by 4000 resamples. a: of size ~ compute^a.
HOFFMANN = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
BESIROGLU = {
    "E": (1.81686, 0.02566),
    "A": (482.01, 124.52),
    "B": (2085.43, 1293.28),
    "alpha": (0.34781, 0.0154),
    "beta": (0.36585, 0.0206),
    "a": (0.513, 0.02),
}
HOFFMANN["a"] = HOFFMANN["beta"] / (HOFFMANN["alpha"] + HOFFMANN["beta"])
CHINCHILLA = 5.76e23  # FLOP


def runs_and_source(argv: list[str]) -> tuple[dict, str]:
    """The runs, and where they are from."""
    folder = os.environ.get("JAXFIT_DATA", "")
    path = Path(argv[0]) if argv else Path(folder) / "epoch_chinchilla.csv"
    if not argv and not (folder and path.is_file()):
        return synthetic.chinchilla(), "synthetic runs of the same design; JAXFIT_DATA has no table"
    table = jaxfit.read(path)
    used = table.numbers("used_in_fit")[0] == 1
    return {name: table.numbers(name)[0][used] for name in ("N", "D", "loss")}, f"runs of {path}"


runs, source = runs_and_source(sys.argv[1:])
# Their objective: Huber's loss of log residuals.
fit = jaxfit.fit("chinchilla", runs, target="loss", loss=jaxfit.LogHuber(1e-3), pipeline="auto")
print(fit)
print(f"\n{len(runs['loss'])} {source}\n")

found = fit.intervals(0.95, "bootstrap", draws=4000, of={"a": "beta / (alpha + beta)"})
print(f"{'':6}{'Hoffmann':>9}{'Besiroglu':>12}{'error':>9}{'here':>11}{'error':>9}   95 %")
apart = 0.0
for name, (published, error) in BESIROGLU.items():
    own, own_error = found.estimate[name][0], found.standard_error[name][0]
    apart = max(apart, abs(own - published) / error)
    print(
        f"{name:6}{HOFFMANN[name]:9.4g}{published:12.5g}{error:9.3g}{own:11.5g}{own_error:9.3g}   "
        f"{found.lower[name][0]:.4g} to {found.upper[name][0]:.4g}"
    )

best = jaxfit.allocate(fit, [1e20, 1e22, CHINCHILLA])
print(f"\n{best}")
ratio = [each["tokens_per_parameter"][0, -1] for each in (best.estimate, best.lower, best.upper)]
print(
    "\nChinchilla was trained on 20 tokens a parameter. At its budget these runs say "
    f"{ratio[0]:.1f}, between {ratio[1]:.1f} and {ratio[2]:.1f}."
)
print("ok" if apart < 2 else "far off", f"- at most {apart:.1f} of their standard errors apart")
