"""BoxSpace: tensor products of periodic line bases on a box (any parallelepiped) cell.

    elements        n^d elements of order p, p + 1 Gauss points a direction, exact to degree 2p + 1
    trigonometric   polynomials of degree (n - 1)/2, collocated at n^d nodes

D and D^T are one-dimensional matrices applied along axes; nothing is assembled. With y = P^T s, s in the unit cube and
the rows of P the period vectors, grad_y = P^-1 grad_s. Fields keep their shapes (b, .., q), but in memory the problems
run fastest: every product along an axis is then a wide one, and pointwise factors are shared by long runs of numbers.
"""

from __future__ import annotations

from functools import cached_property
from math import prod

import numpy as np

from cellsolve.errors import MeshError
from cellsolve.fem.line_basis import LineBasis
from cellsolve.fem.line_elements import element_values, line_elements
from cellsolve.fem.space import FloatArray, batch_first, batch_last
from cellsolve.fem.trigonometric_line import trigonometric_line, trigonometric_matrix

__all__ = ["BoxSpace", "along_axes", "along_axis", "element_box", "is_upright", "prolonged", "trigonometric_box"]

_MAX_UNKNOWNS = 20_000_000


class BoxSpace:
    """Products of d functions of a line basis on the cell spanned by the rows of ``period``; d = 2, 3."""

    def __init__(self, dim: int, line: LineBasis, period: FloatArray | None = None):
        self.dim = dim
        self.line = line
        self.n, self.order = line.n, line.order
        self.period = np.eye(dim) if period is None else np.array(period, dtype=float)
        self.n_dofs = len(line.nodes) ** dim
        self.inverse_period = np.linalg.inv(self.period)

    def __repr__(self) -> str:
        kind = f"trigonometric, {self.order} nodes" if self.is_collocated else f"n={self.n}, order={self.order}"
        return f"BoxSpace(dim={self.dim}, {kind})"

    @property
    def axis_points(self) -> FloatArray:
        """Quadrature points (q1,) along each direction, as fractions of the period."""
        return self.line.points

    @property
    def is_collocated(self) -> bool:
        """Are the quadrature points the nodes?"""
        return self.line.values is None

    @property
    def imposed(self) -> FloatArray:
        """The unit vectors (d, d, 1)."""
        return np.eye(self.dim)[:, :, None]

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
        if u.ndim == 1:
            one: FloatArray = self.gradient(u[None])[0]
            return one
        lead, n1, q1 = u.shape[:-1], len(self.line.nodes), len(self.line.points)
        grid = batch_last(u).reshape((-1,) + (n1,) * self.dim + lead[:1])
        parts = np.empty((self.dim, len(grid), *(q1,) * self.dim, lead[0]))
        _partial_derivatives(grid, self.line, parts)
        if self._scale is not None:
            parts = np.tensordot(self._scale, parts, axes=1)
        parts = parts.reshape(self.dim, *lead[1:], -1, lead[0])
        result: FloatArray = parts.transpose(len(lead) + 1, *range(1, len(lead)), 0, len(lead))
        return result

    def divergence(self, field: FloatArray) -> FloatArray:
        if field.ndim == 2:
            one: FloatArray = self.divergence(field[None])[0]
            return one
        lead, q1 = field.shape[:-2], len(self.line.points)
        parts = field.transpose(len(lead), *range(1, len(lead)), len(lead) + 1, 0)
        if self._scale is not None:
            parts = np.tensordot(self._scale.T, parts, axes=1)
        grid = parts.reshape((self.dim, -1) + (q1,) * self.dim + lead[:1])
        return batch_first(_divergence(grid, self.line).reshape((*lead[1:], self.n_dofs, lead[0])))


def is_upright(period: FloatArray) -> bool:
    """Are the period vectors at right angles? Then -Laplace has no mixed derivatives in their directions."""
    metric = np.linalg.inv(period).T @ np.linalg.inv(period)
    return bool(np.abs(metric - np.diag(np.diag(metric))).max() <= 1e-14 * np.abs(metric).max())


def element_box(dim: int, n: int, order: int, period: FloatArray | None = None, points: int | None = None) -> BoxSpace:
    """n^d elements of order p; ``points``: of Gauss, in each direction of an element."""
    _refuse_huge(f"n = {n}, order = {order}", n * order, dim)
    return BoxSpace(dim, line_elements(n, order, points), period)


def trigonometric_box(dim: int, n: int, period: FloatArray | None = None) -> BoxSpace:
    """Trigonometric polynomials on n^d nodes, n odd."""
    _refuse_huge(f"n = {n}", n, dim)
    return BoxSpace(dim, trigonometric_line(n), period)


def _refuse_huge(got: str, per_axis: int, dim: int) -> None:
    if per_axis**dim > _MAX_UNKNOWNS:
        raise MeshError(
            f"box: got {got}, which is {per_axis**dim:.1e} unknowns in {dim} dimensions, "
            f"needed at most {_MAX_UNKNOWNS:.0e}. Choose smaller ones."
        )


def prolonged(u: FloatArray, coarse: BoxSpace, fine: BoxSpace) -> FloatArray:
    """Functions u (b, r, n) of one space, interpolated at the nodes of another one on the same cell."""
    nodes, line = fine.line.nodes, coarse.line
    trigonometric = trigonometric_matrix(line.order, nodes) if coarse.is_collocated else None
    matrix = element_values(line.n, line.order, nodes) if trigonometric is None else trigonometric
    b, r = u.shape[:2]
    values = along_axes(matrix, batch_last(u).reshape((r, *(len(line.nodes),) * coarse.dim, b)))
    return batch_first(values.reshape(r, fine.n_dofs, b))


def _partial_derivatives(u: FloatArray, line: LineBasis, parts: FloatArray) -> None:
    """All d/ds_k of u (m, n1, .., n1, b) at the points, into (d, m, q1, .., q1, b); interpolations are shared."""
    dim = len(parts)
    if line.values is None:
        for k in range(dim):
            along_axis(line.derivatives, u, k + 1, parts[k])
        return
    value, unfinished = u, list[FloatArray]()
    for axis in range(dim, 0, -1):
        last = axis == 1
        unfinished.insert(0, value)
        matrices = [line.derivatives, *[line.values] * (len(unfinished) - 1)]
        unfinished = [
            along_axis(matrix, part, axis, parts[k] if last else None)
            for k, (matrix, part) in enumerate(zip(matrices, unfinished, strict=True))
        ]
        if not last:
            value = along_axis(line.values, value, axis)


def _divergence(parts: FloatArray, line: LineBasis) -> FloatArray:
    """Adjoint of `_partial_derivatives`: (d, m, q1, .., q1, b) -> (m, n1, .., n1, b)."""
    transposed = None if line.values is None else line.values.T
    value: FloatArray | None = None
    remaining = list(parts)
    for axis in range(1, len(parts) + 1):
        derivative, *others = remaining
        carried = along_axis(line.derivatives.T, derivative, axis)
        if value is not None:
            carried += along_axis(transposed, value, axis)
        value = carried
        remaining = [along_axis(transposed, part, axis) for part in others]
    assert value is not None
    return value


def along_axis(matrix: FloatArray | None, u: FloatArray, axis: int, out: FloatArray | None = None) -> FloatArray:
    """Apply a matrix (None: the identity) along one axis of an array, as one BLAS product for each leading index."""
    if matrix is None:
        return u
    shape = (*u.shape[:axis], len(matrix), *u.shape[axis + 1 :])
    if out is None:
        out = np.empty(shape)
    lead, trail = prod(u.shape[:axis]), prod(u.shape[axis + 1 :])
    if trail == 1:
        np.matmul(u.reshape(lead, -1), matrix.T, out=out.reshape(lead, -1))
    else:
        np.matmul(matrix, u.reshape(lead, -1, trail), out=out.reshape(lead, -1, trail))
    return out


def along_axes(matrix: FloatArray | None, u: FloatArray) -> FloatArray:
    """Apply one matrix along every axis but the first and the last."""
    for axis in range(1, u.ndim - 1):
        u = along_axis(matrix, u, axis)
    return u


def _tensor_grid(values: FloatArray, dim: int) -> FloatArray:
    """(q,) -> (q^d, d), the last coordinate running fastest."""
    return np.stack(np.meshgrid(*[values] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
