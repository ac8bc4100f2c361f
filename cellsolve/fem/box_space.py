"""BoxSpace: tensor-product finite elements of order p on a box (any parallelepiped) cell.

D and D^T are one-dimensional matrices applied along axes; nothing is assembled.
With y = P^T s, s in the unit cube and the rows of P the period vectors, grad_y = P^-1 grad_s.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from cellsolve.errors import MeshError
from cellsolve.fem.line_elements import LineElements, line_elements
from cellsolve.fem.space import FloatArray

__all__ = ["BoxSpace", "along_axes", "along_axis"]


_MAX_UNKNOWNS = 20_000_000


class BoxSpace:
    """n^d elements of order p on the cell spanned by the rows of ``period``.

    d = 2, 3, with p + 1 Gauss points a direction, exact to degree 2p + 1. (For d = 1 see `LineSpace`.)
    """

    def __init__(self, dim: int, n: int, order: int, period: FloatArray | None = None):
        if (n * order) ** dim > _MAX_UNKNOWNS:
            raise MeshError(
                f"box: got n = {n}, order = {order}, which is {(n * order) ** dim:.1e} unknowns in {dim} dimensions, "
                f"needed at most {_MAX_UNKNOWNS:.0e}. Choose smaller ones."
            )
        self.dim = dim
        self.n = n
        self.order = order
        self.period = np.eye(dim) if period is None else np.array(period, dtype=float)
        self.line: LineElements = line_elements(n, order)
        self.n_dofs = len(self.line.nodes) ** dim
        self.inverse_period = np.linalg.inv(self.period)

    def __repr__(self) -> str:
        return f"BoxSpace(dim={self.dim}, n={self.n}, order={self.order})"

    @property
    def axis_points(self) -> FloatArray:
        """Quadrature points (q1,) along each direction, as fractions of the period."""
        return self.line.points

    @cached_property
    def points(self) -> FloatArray:
        return _tensor_grid(self.line.points, self.dim) @ self.period

    @cached_property
    def nodes(self) -> FloatArray:
        return _tensor_grid(self.line.nodes, self.dim) @ self.period

    @cached_property
    def weights(self) -> FloatArray:
        result: FloatArray = _tensor_grid(self.line.weights, self.dim).prod(axis=-1)
        return result

    @cached_property
    def _scale(self) -> FloatArray | None:
        """P^-1, or None where it is the identity."""
        return None if np.array_equal(self.period, np.eye(self.dim)) else self.inverse_period

    def gradient(self, u: FloatArray) -> FloatArray:
        lead, n1, q1 = u.shape[:-1], len(self.line.nodes), len(self.line.points)
        result = np.empty((int(np.prod(lead)), self.dim, q1**self.dim))
        grid = u.reshape((-1,) + (n1,) * self.dim)
        for component, part in enumerate(_partial_derivatives(grid, self.line)):
            result[:, component] = part.reshape(len(result), -1)
        if self._scale is not None:
            result = np.matmul(self._scale, result)
        return result.reshape((*lead, self.dim, -1))

    def divergence(self, field: FloatArray) -> FloatArray:
        lead, q1 = field.shape[:-2], len(self.line.points)
        if self._scale is not None:
            field = np.matmul(self._scale.T, field)
        grid = field.reshape((-1, self.dim) + (q1,) * self.dim)
        return _divergence(grid, self.line).reshape((*lead, self.n_dofs))


def _partial_derivatives(u: FloatArray, line: LineElements) -> list[FloatArray]:
    """All d/ds_k of u (m, n1, .., n1) at the points; the interpolations along the other axes are shared."""
    value, parts = u, list[FloatArray]()
    for axis in range(u.ndim - 1, 0, -1):
        parts = [along_axis(line.values, part, axis) for part in parts]
        parts.insert(0, along_axis(line.derivatives, value, axis))
        if axis > 1:
            value = along_axis(line.values, value, axis)
    return parts


def _divergence(field: FloatArray, line: LineElements) -> FloatArray:
    """Adjoint of `_partial_derivatives`: (m, d, q1, .., q1) -> (m, n1, .., n1)."""
    value: FloatArray | None = None
    parts = [field[:, k] for k in range(field.shape[1])]
    for axis in range(1, len(parts) + 1):
        derivative, *others = parts
        carried = along_axis(line.derivatives.T, derivative, axis)
        if value is not None:
            carried += along_axis(line.values.T, value, axis)
        value = carried
        parts = [along_axis(line.values.T, part, axis) for part in others]
    assert value is not None
    return value


def along_axis(matrix: FloatArray, u: FloatArray, axis: int) -> FloatArray:
    """Apply a matrix along one axis of an array, as one BLAS product (or one per leading index)."""
    shape = u.shape
    if axis == u.ndim - 1:
        return (u.reshape(-1, shape[-1]) @ matrix.T).reshape((*shape[:-1], len(matrix)))
    lead = int(np.prod(shape[:axis]))
    product = np.matmul(matrix, u.reshape(lead, shape[axis], -1))
    result: FloatArray = product.reshape((*shape[:axis], len(matrix), *shape[axis + 1 :]))
    return result


def along_axes(matrix: FloatArray, u: FloatArray) -> FloatArray:
    """Apply one matrix along every axis but the first."""
    for axis in range(u.ndim - 1, 0, -1):
        u = along_axis(matrix, u, axis)
    return u


def _tensor_grid(values: FloatArray, dim: int) -> FloatArray:
    """(q,) -> (q^d, d), the last coordinate running fastest."""
    return np.stack(np.meshgrid(*[values] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
