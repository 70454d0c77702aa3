"""One BLAS thread: SciPy's L-BFGS-B works on 5 x 5 matrices, for which threads only wait."""

import os

# Read when NumPy and SciPy are first imported, which the test modules do after this.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
