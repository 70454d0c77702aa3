"""Benchmarks: jaxfit beside SciPy on published problems; `README.md` says how to rerun them."""

import os

# SciPy's L-BFGS-B hands its 5 x 5 algebra to OpenBLAS, whose threads then wait for each other:
# the same answer for twice the processor time, and many times the wall time on a busy machine.
# Read when NumPy and SciPy are first imported, hence here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
