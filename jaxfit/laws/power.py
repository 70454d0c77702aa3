"""Laws of one input: power laws, with a floor, a ceiling or breaks."""

import jax
import jax.numpy as jnp

from ..supports import Interval, Positive, Real
from .law import law
from .usual import EXPONENT, within

FLOOR = Positive(start=(1e-2, 10.0))
FACTOR = Positive(start=(1e-2, 1e4))
# A logit beyond which nothing changes. Halvings of [-1, 1] times it leave an interval across which
# the slope of the equation changes little, so that so many steps of Newton end at rounding.
FARTHEST, HALVINGS, NEWTON = 80.0, 9, 4


def _inverse_sizes(inputs, target):
    x = inputs["x"]
    return 1e-3 / x.max(), 1.0 / x.min()


@law(
    "M1 of Alabdulmohsin et al. 2022, section 3 (arXiv 2209.06640)",
    formula="b * x^-c",
    linear=("b",),
    b=FACTOR,
    c=EXPONENT,
)
def pure_power(x, *, b, c):
    """Power law towards 0.

    x: data or model size, any unit. b: loss at x = 1. c: decay exponent.
    """
    return b * x**-c


@law(
    "Hestness et al. 2017, section 2 (arXiv 1712.00409); M2 of Alabdulmohsin et al. 2022",
    formula="c + a * x^-gamma",
    linear=("c", "a"),
    c=FLOOR,
    a=FACTOR,
    gamma=EXPONENT,
)
def power_law(x, *, c, a, gamma):
    """Power law with an irreducible floor.

    x: data or model size, any unit. c: floor, in the unit of the loss. a: loss above the
    floor at x = 1. gamma: decay exponent.
    """
    return c + a * x**-gamma


@law(
    "Henighan et al. 2020, eq. 1.1 (arXiv 2010.14701)",
    formula="L_inf + (x_0 / x)^alpha",
    linear=("L_inf",),
    L_inf=FLOOR,
    x_0=Positive(start=(1e-3, 1e15)),
    alpha=EXPONENT,
)
def offset_power(x, *, L_inf, x_0, alpha):
    """Power law in a ratio, with an irreducible loss.

    x: model size, data or compute, any unit. L_inf: irreducible loss. x_0: size at which the
    reducible loss is 1, in the unit of x. alpha: decay exponent.
    """
    return L_inf + (x_0 / x) ** alpha


@law(
    "M3 of Alabdulmohsin et al. 2022, section 3 and the authors' code (arXiv 2209.06640)",
    formula="b * (1 / x + g)^c",
    linear=("b",),
    b=FACTOR,
    g=Positive(start=_inverse_sizes),
    c=EXPONENT,
)
def shifted_power(x, *, b, g, c):
    """Power law that flattens where x grows beyond 1 / g.

    x: data or model size, any unit. b: scale, in the unit of the loss. g: inverse size at which
    the decay ends. c: decay exponent.
    """
    return b * (1.0 / x + g) ** c


@law(
    "M4 of Alabdulmohsin et al. 2022, section 3 (arXiv 2209.06640)",
    formula="(y - e_inf) / (e_inf + rise - y)^a = b * x^-c",
    linear=("e_inf",),
    e_inf=FLOOR,
    rise=Positive(start=(1e-1, 20.0)),
    a=Interval(0.0, 3.0, start=(0.0, 2.0)),
    b=FACTOR,
    c=EXPONENT,
)
def sigmoid_power(x, *, e_inf, rise, a, b, c):
    """Power law between the loss of a random guess and a floor.

    x: data or model size, any unit. e_inf: floor, approached by large x. rise: what the loss of
    a random guess, approached by small x, is above it (the paper's e_0 - e_inf). a: how early
    the ceiling bends the curve; towards 0 the power law is cut off there. b: scale. c: decay
    exponent.
    """
    right = jnp.log(b) - c * jnp.log(x) + (a - 1.0) * jnp.log(rise)
    return e_inf + rise * jax.nn.sigmoid(_logit(a, right))


@jax.custom_jvp
def _logit(a, right):
    """The t (n,) at which u = sigmoid(t) has log u - a log(1 - u) = right (n,)."""

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        # Half the cost of `_too_much`, and exact enough to tell its sign.
        above = middle + (a - 1.0) * jax.nn.softplus(middle) > right
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    far = jnp.full_like(right, FARTHEST)
    low, high = jax.lax.fori_loop(0, HALVINGS, halve, (-far, far))
    t = 0.5 * (low + high)
    for _ in range(NEWTON):
        step = _too_much(a, right, t) / _slope(a, t)
        t = jnp.clip(t - step, -FARTHEST, FARTHEST)
    return t


def _too_much(a, right, t):
    """By how much log u - a log(1 - u) at u = sigmoid(t) exceeds right."""
    return a * jax.nn.softplus(t) - jax.nn.softplus(-t) - right


def _slope(a, t):
    return jax.nn.sigmoid(-t) + a * jax.nn.sigmoid(t)


@_logit.defjvp
def _logit_jvp(primals, tangents):
    a, right = primals
    t = _logit(a, right)
    change = tangents[1] - tangents[0] * jax.nn.softplus(t)
    return t, change / _slope(a, t)


@law(
    "Caballero et al. 2023, eq. 1 with n = 1 (arXiv 2210.14891)",
    formula="a + b * x^-c0 * (1 + (x / d1)^(1 / f1))^(-c1 * f1)",
    linear=("a", "b"),
    a=FLOOR,
    b=FACTOR,
    c0=Interval(-1.0, 3.0, start=(0.0, 1.0)),
    c1=Interval(-3.0, 3.0, start=(-1.0, 1.0)),
    d1=Positive(start=within("x")),
    f1=Interval(0.02, 2.0, start=(0.05, 1.0)),
)
def broken_power_1(x, *, a, b, c0, c1, d1, f1):
    """Two power laws, joined smoothly (broken neural scaling law with one break).

    x: data, model size or compute, any unit. a: limit. b: scale at x = 1. c0: exponent before
    the break, c0 + c1 after it. d1: place of the break. f1: its width, in e-folds of x.
    """
    return a + b * x**-c0 * _broken(x, c1, d1, f1)


@law(
    "Caballero et al. 2023, eq. 1 with n = 2 (arXiv 2210.14891)",
    formula=(
        "a + b * x^-c0 * (1 + (x / d1)^(1 / f1))^(-c1 * f1) * (1 + (x / d2)^(1 / f2))^(-c2 * f2)"
    ),
    linear=("a", "b"),
    a=FLOOR,
    b=FACTOR,
    c0=Interval(-1.0, 3.0, start=(0.0, 1.0)),
    c1=Interval(-3.0, 3.0, start=(-1.0, 1.0)),
    d1=Positive(start=within("x")),
    f1=Interval(0.02, 2.0, start=(0.05, 1.0)),
    c2=Interval(-3.0, 3.0, start=(-1.0, 1.0)),
    d2=Positive(start=within("x")),
    f2=Interval(0.02, 2.0, start=(0.05, 1.0)),
)
def broken_power_2(x, *, a, b, c0, c1, d1, f1, c2, d2, f2):
    """Three power laws, joined smoothly (broken neural scaling law with two breaks).

    x: data, model size or compute, any unit. a: limit. b: scale at x = 1. c0: exponent before
    the first break; c1, c2: what each break adds to it. d1, d2: places of the breaks. f1, f2:
    their widths, in e-folds of x.
    """
    return a + b * x**-c0 * _broken(x, c1, d1, f1) * _broken(x, c2, d2, f2)


def _broken(x, c, d, f):
    # softplus is log(1 + exp), which does not overflow far beyond the break.
    return jnp.exp(-c * f * jax.nn.softplus((jnp.log(x) - jnp.log(d)) / f))


@law(
    "Hoffmann et al. 2022, section 3.2, approach 2 (arXiv 2203.15556)",
    formula="L_0 + k * log(x / x_0)^2",
    linear=("L_0", "k"),
    L_0=Real(start=(0.1, 10.0)),
    k=Positive(start=(1e-4, 10.0)),
    x_0=Positive(start=within("x")),
)
def isoflop(x, *, L_0, k, x_0):
    """Loss along a line of equal compute: a parabola in the logarithm of model size.

    x: parameters, or tokens. L_0: least loss. k: curvature, per squared natural log of x. x_0:
    best size, in the unit of x.
    """
    return L_0 + k * (jnp.log(x) - jnp.log(x_0)) ** 2
