"""Laws with a dip: performance that first falls, then rises with scale."""

import jax
import jax.numpy as jnp

from ..supports import Interval, Real
from .law import law

# softplus(-8) and softplus(8), between which the published procedure keeps both heights.
HEIGHTS = (3.3540637289566238e-4, 8.000335406372896)


def _around_inputs(inputs, target):
    x = inputs["x"]
    reach = 0.2 + 0.25 * (x.max() - x.min())
    return x.min() - reach, x.max() + reach


def _around_targets(inputs, target):
    spread = target.max() - target.min() or 1.0
    return target.min() - spread, target.max() + spread


@law(
    "EvoSLD's evolved law for SLDBench easy_question_scaling_law (Lin et al. 2025, "
    "arXiv 2507.21184)",
    formula="b0 + A_up * sigmoid((x - c1) / s_l) - A_dn * sigmoid((x - c2) / s_r)",
    linear=("b0", "A_up", "A_dn"),
    b0=Real(start=_around_targets),
    A_up=Interval(*HEIGHTS),
    A_dn=Interval(*HEIGHTS),
    c0=Real(start=_around_inputs),
    s_raw=Interval(-8.0, 8.0, start=(-7.0, 2.0)),
    k_raw=Interval(-8.0, 8.0, start=(-4.0, 8.0)),
)
def u_shape(x, *, b0, A_up, A_dn, c0, s_raw, k_raw):
    """A rising and a falling sigmoid, tied by one constant (double descent).

    x: log10 of training FLOP. b0: level far left, in the unit of the target. A_up, A_dn: heights
    of the steps; where they were published, as softplus of raw constants in [-8, 8], which is
    this interval. s = softplus(s_raw) + 1e-3: width. With kappa = softplus(k_raw), the steps lie
    d = s (1 + kappa) apart around c0 (c1 = c0 - d/2, c2 = c0 + d/2) and have widths s_l = s g and
    s_r = s / g, g = sqrt(1 + kappa / 2).
    """
    kappa = jax.nn.softplus(k_raw)
    s = jax.nn.softplus(s_raw) + 1e-3
    d = s * (1.0 + kappa)
    g = jnp.sqrt(1.0 + kappa / 2.0)
    up = jax.nn.sigmoid((x - c0 + d / 2.0) / (s * g))
    down = jax.nn.sigmoid((x - c0 - d / 2.0) * g / s)
    return b0 + A_up * up - A_dn * down
