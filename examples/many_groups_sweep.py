"""Some thousand groups in chunks, broken off by Ctrl-C on the way, and finished by a second call.

python examples/many_groups_sweep.py [GROUPS]
"""

import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import jaxfit

groups = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
rng = np.random.default_rng(0)
task = np.repeat(np.arange(groups), 12)
samples = np.tile(np.geomspace(200, 400_000, 12), groups)
a, b, alpha = (rng.uniform(*ends, groups)[task] for ends in ((1, 4), (5, 30), (0.2, 1.2)))
loss = a + b * samples**-alpha + 0.005 * rng.standard_normal(len(task))
runs = {"task": task, "N": samples, "loss": loss}

scratch = tempfile.TemporaryDirectory()  # a folder of your own keeps it
folder = Path(scratch.name) / "sweep"
asked = {"out": folder, "target": "loss", "by": "task", "starts": 64, "chunk": groups // 4}
asked |= {"pipeline": (jaxfit.Keep(1), jaxfit.VariableProjection())}  # the law has one optimum


def interrupt(done: int, total: int) -> None:
    """Press Ctrl-C at the first chunk that is done."""
    if done:
        signal.raise_signal(signal.SIGINT)


try:
    jaxfit.sweep("finetuning", runs, progress=interrupt, **asked)
except KeyboardInterrupt as stop:
    print(f"interrupted: {stop}")
print(jaxfit.open_sweep(folder))  # what is done can be read at any time

began = time.perf_counter()
sweep = jaxfit.sweep("finetuning", runs, resume=True, **asked)
print(f"the rest in {time.perf_counter() - began:.1f} s")
print(sweep)
print("columns:", ", ".join(sweep.columns()))
sweep.write(folder / "fits.csv")  # or .parquet

# An answer has the bits that a fit of the group alone has.
first = jaxfit.fit(
    "finetuning",
    {name: values[task == 0] for name, values in runs.items()},
    **{name: asked[name] for name in ("target", "by", "starts", "pipeline")},
)
same = first.params["alpha"][0] == sweep.columns()["alpha"][0]
print("ok" if sweep.complete and same else "not complete, or not the same")
scratch.cleanup()
