"""LineSpace: finite elements of order p on a periodic interval, element by element.

p Gauss points an element: every mean-free field at the points is then the gradient of a function of the space, so a
flux that is constant solves the discrete problem too, and correctors are antiderivatives.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial import legendre

from cellsolve.fem.line_elements import gauss_lobatto, lagrange_basis
from cellsolve.fem.space import FloatArray

__all__ = ["LineSpace"]


@lru_cache(maxsize=32)
def _reference_element(order: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gauss points and weights, and Gauss-Lobatto nodes, on [-1, 1]: made once, they cost more than a cell problem."""
    x, w = legendre.leggauss(order)
    parts = (x, w, gauss_lobatto(order))
    for part in parts:
        part.setflags(write=False)
    return parts


class LineSpace:
    """n equal elements of order p on the interval [0, period)."""

    dim = 1

    def __init__(self, n: int, order: int, period: FloatArray | None = None):
        self.n = n
        self.order = order
        self.period = np.eye(1) if period is None else np.array(period, dtype=float)
        self.n_dofs = n * order
        self._x, w, self._local_nodes = _reference_element(order)
        self.weights = np.tile(w / (2 * n), n)

    def __repr__(self) -> str:
        return f"LineSpace(n={self.n}, order={self.order})"

    @property
    def imposed(self) -> FloatArray:
        """The unit gradient (1, 1, 1)."""
        return np.ones((1, 1, 1))

    @property
    def _length(self) -> float:
        """Signed length of an element."""
        return float(self.period[0, 0]) / self.n

    @cached_property
    def axis_points(self) -> FloatArray:
        """Quadrature points (q,) as fractions of the period."""
        return self._fractions(self._x)

    @cached_property
    def points(self) -> FloatArray:
        points: FloatArray = self.axis_points[:, None] * self.period[0, 0]
        return points

    @cached_property
    def nodes(self) -> FloatArray:
        nodes: FloatArray = self._fractions(self._local_nodes[:-1])[:, None] * self.period[0, 0]
        return nodes

    def _fractions(self, local: FloatArray) -> FloatArray:
        return ((np.arange(self.n)[:, None] + 0.5 * (local + 1.0)) / self.n).ravel()

    @cached_property
    def _slopes(self) -> FloatArray:
        """Derivatives (p, p + 1) of the local shape functions at the points of an element."""
        result: FloatArray = lagrange_basis(self._local_nodes, self._x)[1] * (2.0 / self._length)
        return result

    @cached_property
    def _integrals(self) -> FloatArray:
        """(p + 1, p): integrals from the left end of an element to its nodes, from values at its points."""
        coefficients = np.linalg.inv(legendre.legvander(self._x, self.order - 1))
        antiderivatives = legendre.legint(np.eye(self.order), lbnd=-1)
        result: FloatArray = legendre.legval(self._local_nodes, antiderivatives).T @ coefficients * (0.5 * self._length)
        return result

    def gradient(self, u: FloatArray) -> FloatArray:
        elements = u.reshape(*u.shape[:-1], self.n, self.order)
        right = np.roll(elements[..., :1], -1, axis=-2)
        values = np.concatenate([elements, right], axis=-1) @ self._slopes.T
        return values.reshape(*u.shape[:-1], 1, -1)

    def divergence(self, field: FloatArray) -> FloatArray:
        local = field.reshape(*field.shape[:-2], self.n, self.order) @ self._slopes
        local[..., 0] += np.roll(local[..., -1], 1, axis=-1)
        return local[..., :-1].reshape(*field.shape[:-2], -1)

    def antiderivative(self, field: FloatArray) -> FloatArray:
        """The mean-free function whose gradient is a mean-free field: (..., 1, q) -> (..., n)."""
        local = field.reshape(*field.shape[:-2], self.n, self.order) @ self._integrals.T
        starts = np.cumsum(local[..., -1], axis=-1) - local[..., -1]
        nodal: FloatArray = (local[..., :-1] + starts[..., None]).reshape(*field.shape[:-2], -1)
        nodal -= nodal.mean(axis=-1, keepdims=True)
        return nodal
