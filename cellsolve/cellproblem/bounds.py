"""A guaranteed bracket of the effective tensor of the coefficient as integrated, in the Loewner order.

    upper:  K_hom <= T = sum w (I + D theta)^T K (I + D theta)                 for any theta
    d = 2:  hom(R^T K^-1 R) = R^T K_hom^-1 R, R a right angle (Keller, Dykhne, Mendelson), so the same computation for
            the turned inverse bounds it from above, and K_hom >= (R T_dual R^T)^-1
    d = 1:  a flux is a constant, and the bracket is a point

The bracket holds however early iterations stop. It is one of the coefficient at the quadrature points: it says nothing
of how well those represent the coefficient between them.
"""

from __future__ import annotations

import numpy as np

from cellsolve.errors import CoefficientError
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.solver import CellSolver

__all__ = ["check_bounds_available", "lower_bound"]

_R = np.array([[0.0, -1.0], [1.0, 0.0]])


def check_bounds_available(space: Space) -> None:
    """Raise CoefficientError where the dual problem is not built: in three dimensions, and on cells with pores."""
    if space.dim == 3:
        raise CoefficientError("got bounds = True in three dimensions, needed one or two. Solve without bounds.")
    if space.weights.sum() < 1.0 - 1e-9:
        raise CoefficientError(
            f"got bounds = True on a cell that fills {space.weights.sum():.3g} of its period, needed a full one. "
            "Solve without bounds."
        )


def lower_bound(solver: CellSolver, K: FloatArray, tensor: FloatArray, tol: float) -> FloatArray:
    """Lower bounds (B, d, d) for the coefficients K (B, q) or (B, d, d, q), whose upper bounds are ``tensor``."""
    if solver.space.dim == 1:
        return tensor.copy()
    dual = solver.solve(_turned_inverse(K), tol).tensor
    return np.linalg.inv(_R @ dual @ _R.T)


def _turned_inverse(K: FloatArray) -> FloatArray:
    """R^T K^-1 R = K / det K for symmetric K in the plane."""
    if K.ndim == 2:
        return 1.0 / K
    determinant = K[:, 0, 0] * K[:, 1, 1] - K[:, 0, 1] ** 2
    return K / determinant[:, None, None]
