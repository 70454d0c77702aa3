"""Scrambled Sobol points: starts that cover a box more evenly than random ones.

SciPy has them too, behind an import that takes longer than a fit.
"""

import numpy as np

BITS = 32
# Primitive polynomials and first direction numbers of Joe & Kuo 2008, from dimension 2 on.
_DIRECTIONS = (
    (3, (1,)),
    (7, (1, 3)),
    (11, (1, 3, 1)),
    (13, (1, 1, 1)),
    (19, (1, 1, 3, 3)),
    (25, (1, 3, 5, 13)),
    (37, (1, 1, 5, 5, 17)),
    (41, (1, 1, 5, 5, 5)),
    (47, (1, 1, 7, 11, 19)),
    (55, (1, 1, 5, 1, 1)),
    (59, (1, 1, 1, 3, 11)),
    (61, (1, 3, 5, 5, 31)),
    (67, (1, 3, 3, 9, 7, 49)),
    (91, (1, 1, 1, 15, 21, 21)),
    (97, (1, 3, 1, 13, 27, 49)),
)
MOST_DIMENSIONS = 1 + len(_DIRECTIONS)


def sobol(count: int, dimensions: int, seed: int) -> np.ndarray:
    """Points in the unit cube (count, dimensions), scrambled by `seed`.

    Sobol 1967; random linear scrambling with a digital shift, Matousek 1998.
    """
    rng = np.random.default_rng(seed)
    if dimensions > MOST_DIMENSIONS:
        from scipy.stats import qmc

        power = max(count - 1, 0).bit_length()
        return qmc.Sobol(dimensions, rng=rng).random_base2(power)[:count]
    index = np.arange(count, dtype=np.uint64)
    points = np.empty((count, dimensions))
    for d in range(dimensions):
        numbers = _scrambled(direction_numbers(d), rng)
        bits = np.full(count, rng.integers(2**BITS, dtype=np.uint64))
        for b, number in enumerate(numbers):
            bits ^= np.where((index >> np.uint64(b)) & np.uint64(1), number, np.uint64(0))
        points[:, d] = bits / 2.0**BITS
    return points


def direction_numbers(dimension: int) -> np.ndarray:
    """The direction numbers (BITS,) of one dimension, counted from 0, as fractions of 2^BITS."""
    if dimension == 0:
        return np.array([1 << (BITS - 1 - b) for b in range(BITS)], np.uint64)
    polynomial, first = _DIRECTIONS[dimension - 1]
    degree, m = len(first), list(first)
    for k in range(degree, BITS):
        new = m[k - degree] ^ (m[k - degree] << degree)
        for j in range(1, degree):
            if polynomial >> (degree - j) & 1:
                new ^= m[k - j] << j
        m.append(new)
    return np.array([m[b] << (BITS - 1 - b) for b in range(BITS)], np.uint64)


def _scrambled(numbers, rng):
    """Direction numbers times a random lower triangular matrix of bits."""
    out = np.zeros_like(numbers)
    for row in range(BITS):
        # Row r of the matrix mixes the r leading bits into bit r of the product.
        low = int(rng.integers(2**row)) if row else 0
        mask = np.uint64((low << (BITS - row) if row else 0) | (1 << (BITS - 1 - row)))
        parity = np.bitwise_count(numbers & mask) & np.uint8(1)
        out |= parity.astype(np.uint64) << np.uint64(BITS - 1 - row)
    return out
