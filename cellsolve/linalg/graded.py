"""Eigenvalues of symmetric tensors whose eigenvalues differ by more than rounding allows, each with all its digits.

    T = G^-1 (L L^T) G^-T = X X^T,     X V = U diag(s),     log T = U log(s^2) U^T

L is the Cholesky factor of the tensor in a frame G that separates large from small, and V is a product of plane
rotations that make the columns of X orthogonal (one-sided Jacobi; Demmel, Veselic 1992): column by column, so that
a small one is never compared with the rounding of a large one.
"""

from __future__ import annotations

import numpy as np

from cellsolve.fem.space import FloatArray

__all__ = ["log_of_graded"]

_SWEEPS = 30


def log_of_graded(T: FloatArray, frame: FloatArray) -> FloatArray:
    """log of G^-1 T G^-T (d, d), T given in the frame G, its largest diagonal entries of whatever order."""
    order = np.argsort(-np.diag(T), kind="stable")
    scale = np.sqrt(np.diag(T))[order]
    factor = np.linalg.cholesky(T[np.ix_(order, order)] / scale / scale[:, None]) * scale[:, None]
    X = _orthogonal_columns(np.linalg.inv(frame)[:, order] @ factor)
    sizes = np.linalg.norm(X, axis=0)
    return np.asarray((X / sizes * (2.0 * np.log(sizes))) @ (X / sizes).T)


def _orthogonal_columns(X: FloatArray) -> FloatArray:
    """X V with orthogonal columns."""
    X = X.copy()
    for _ in range(_SWEEPS):
        if not sum(_rotated(X, i, j) for j in range(X.shape[1]) for i in range(j)):
            break
    return X


def _rotated(X: FloatArray, i: int, j: int) -> bool:
    """Make two columns orthogonal, in place; False where they are."""
    a, b, c = X[:, i] @ X[:, i], X[:, j] @ X[:, j], X[:, i] @ X[:, j]
    if abs(c) <= 1e-15 * np.sqrt(a) * np.sqrt(b):
        return False
    zeta = (b - a) / (2.0 * c)
    t = np.copysign(1.0, zeta) / (abs(zeta) + np.hypot(1.0, zeta))
    cosine = 1.0 / np.hypot(1.0, t)
    X[:, [i, j]] = cosine * np.stack([X[:, i] - t * X[:, j], X[:, j] + t * X[:, i]], axis=1)
    return True
