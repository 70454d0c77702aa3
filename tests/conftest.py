"""One BLAS thread, the tests' own programs compiled as the engine's, and each of them only once."""

import atexit
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

# Read when NumPy and SciPy are first imported, which is after this: SciPy's L-BFGS-B works on
# 5 x 5 matrices, for which threads only wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


# Work of LLVM that makes programs faster and a third more expensive to compile: it unrolls loops
# and orders instructions. What it vectorises, and the rest, is as in the programs that users have.
LEFT_OUT = "-unroll-threshold=0,-disable-lsr,-enable-misched=false,-pre-RA-sched=source"


def of_the_engine() -> str:
    """The options of the engine's programs as flags, and what LLVM leaves out.

    Only what this version of XLA knows.
    """
    from jaxfit.solve import programs

    flags = " ".join(f"--{name}={value}".lower() for name, value in programs._OPTIONS.items())
    for known in (f"{flags} --xla_backend_extra_options={LEFT_OUT}", flags):
        # XLA ends a process over a flag that it does not know.
        asked = subprocess.run(
            [sys.executable, "-c", "import jax; jax.jit(lambda x: x)(0.0)"],
            env={**os.environ, "XLA_FLAGS": known},
            capture_output=True,
        )
        if not asked.returncode:
            return known
    return ""


# Read when XLA first compiles. The engine asks program by program; what the tests compile by
# themselves (objectives for SciPy, a stage alone, one operation) takes twice as long without.
# Workers find here what the first process has put here.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = of_the_engine()


import jax  # noqa: E402

COMPILED = "JAXFIT_COMPILED"
# The folder of what is compiled, which all workers read; one named there is left for later runs.
if COMPILED not in os.environ:
    os.environ[COMPILED] = tempfile.mkdtemp(prefix="jaxfit-compiled-")
    atexit.register(shutil.rmtree, os.environ[COMPILED], ignore_errors=True)
# Set in these processes alone: those that tests start have no cache but their own.
jax.config.update("jax_compilation_cache_dir", os.environ[COMPILED])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# Tracing makes many objects and few cycles, and a search for them looks at all that JAX keeps.
gc.set_threshold(100_000, 50, 100)

# A process that has more pieces of memory than Linux grants, 65,530, ends with a fault wherever it
# asks for the next. The engine gives back what it compiles, and takes less than half of them at any
# time; what tests compile by themselves, operation by operation, JAX keeps.
MOST_PIECES = 45_000


@pytest.fixture(scope="module", autouse=True)
def _room_for_programs():
    """What was compiled is forgotten after a file once it is too much; the folder keeps it."""
    yield
    from jaxfit import compiled

    pieces = Path("/proc/self/maps")
    if pieces.exists() and pieces.read_text().count("\n") > MOST_PIECES:
        compiled._kept.clear()
        jax.clear_caches()


@pytest.fixture(scope="session", autouse=True)
def _traced_every_time():
    """Without the engine's own files beside JAX's, for by default nobody has them."""
    from jaxfit.solve import kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "folder", lambda: None)
        yield
