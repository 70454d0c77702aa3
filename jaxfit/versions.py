"""Versions: of what computed a fit."""

import platform


def versions() -> dict[str, str]:
    """Name and version of jaxfit and of what it computes with, and the machine it runs on."""
    import jax
    import jaxlib
    import numpy
    import scipy

    from . import __version__

    packages = {each.__name__: each.__version__ for each in (jax, jaxlib, numpy, scipy)}
    return {
        "jaxfit": __version__,
        **packages,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": jax.default_backend(),
    }
