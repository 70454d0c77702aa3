"""One BLAS thread, and the tests' own programs compiled as the engine compiles its own."""

import os
import subprocess
import sys

# Read when NumPy and SciPy are first imported, which is after this: SciPy's L-BFGS-B works on
# 5 x 5 matrices, for which threads only wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def of_the_engine() -> str:
    """The options of the engine's programs as flags; none where this version of XLA has others."""
    from jaxfit.solve import programs

    flags = " ".join(f"--{name}={value}".lower() for name, value in programs._OPTIONS.items())
    # XLA ends a process over a flag that it does not know.
    asked = subprocess.run(
        [sys.executable, "-c", "import jax; jax.jit(lambda x: x)(0.0)"],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
    )
    return "" if asked.returncode else flags


# Read when XLA first compiles. The engine asks program by program; what the tests compile by
# themselves (objectives for SciPy, a stage alone, one operation) takes twice as long without.
# Workers find here what the first process has put here.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = of_the_engine()
