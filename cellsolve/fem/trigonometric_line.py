"""Trigonometric polynomials on [0, 1), collocated at n equally spaced nodes, n odd.

    u(s) = sum_j u_j D_n(s - j/n),   D_n(t) = sin(n pi t) / (n sin pi t),   u'(j/n) = sum_k d_(j-k) u_k,
    d_m = pi (-1)^m / sin(pi m / n),  d_0 = 0

The rule with weights 1/n integrates products of two such functions exactly, so energies and their duals are the same
minima as with elements, and the error falls faster than any power of n where the coefficient is smooth. An even n would
have a mode, (-1)^j, whose derivative vanishes at all nodes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from cellsolve.fem.line_basis import LineBasis
from cellsolve.fem.space import FloatArray

__all__ = ["trigonometric_line", "trigonometric_matrix"]


@lru_cache(maxsize=64)
def trigonometric_line(n: int) -> LineBasis:
    """Trigonometric polynomials of degree (n - 1) / 2 on the unit circle."""
    if n % 2 == 0:
        raise ValueError(f"got n = {n} nodes, needed an odd number.")
    nodes = np.arange(n) / n
    distance = np.arange(n)[:, None] - np.arange(n)
    sign = np.where(distance % 2 == 0, 1.0, -1.0)
    derivatives = np.divide(np.pi * sign, np.sin(np.pi * distance / n), out=np.zeros((n, n)), where=distance != 0)
    waves = np.arange(1, (n + 1) // 2)
    angles = 2 * np.pi * np.outer(nodes, waves)
    modes = np.concatenate([np.ones((n, 1)), np.sqrt(2) * np.cos(angles), np.sqrt(2) * np.sin(angles)], axis=1)
    eigenvalues = np.concatenate([[0.0], (2 * np.pi * waves) ** 2, (2 * np.pi * waves) ** 2])
    return LineBasis(
        n=1,
        order=n,
        values=None,
        derivatives=derivatives,
        points=nodes,
        weights=np.full(n, 1.0 / n),
        nodes=nodes,
        eigenvalues=eigenvalues,
        modes=modes,
        to_nodes=None,
    )


def trigonometric_matrix(count: int, points: FloatArray) -> FloatArray:
    """Interpolation from j/n, j = 0..n-1, to points of the unit circle: (q, n)."""
    t = points[:, None] - np.arange(count) / count
    t = t - np.round(t)
    sine = np.sin(np.pi * t)
    on_sample = np.abs(sine) < 1e-14
    kernel = np.sin(count * np.pi * t) / (count * np.where(on_sample, 1.0, sine))
    if count % 2 == 0:
        kernel = kernel * np.cos(np.pi * t)
    return np.where(on_sample, 1.0, kernel)
