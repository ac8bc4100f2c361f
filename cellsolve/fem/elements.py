"""Gradients and matrices of all elements of a mesh.

    A_e = int_e grad N^T K grad N = sum_q grad N_q^T C_q grad N_q,     C = w K

On simplices grad N = J^-T (reference gradients) with one J an element, so A_e is a product of a metric J^-1 C J^-T at
each point and one small table. Quads and hexahedra keep their gradients at all points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cellsolve.cells import UnitCell
from cellsolve.fem.lagrange import Reference, mesh_basis, reference, simplex_corners
from cellsolve.fem.numbering import element_parts
from cellsolve.fem.space import FloatArray

__all__ = ["Affine", "Elements", "Mapped", "affine_elements", "mapped_elements", "products"]


class Elements(Protocol):
    """All elements of one mesh; m of them, q points on each."""

    @property
    def weights(self) -> FloatArray:
        """(m, q), of unit sum over the period."""
        ...

    @property
    def points(self) -> FloatArray:
        """(m, q, d)."""
        ...

    @property
    def gradients(self) -> FloatArray:
        """(m, local, d, q) of the shape functions."""
        ...

    def places(self, part: slice) -> FloatArray:
        """Where the nodes of some elements are, from the first one of each (.., local, d)."""
        ...

    def total_gradients(self, part: slice, values: FloatArray) -> FloatArray:
        """Gradients (m, d, elements, q) at the points of functions (elements, local, m) on some elements."""
        ...

    def matrices(self, C: FloatArray) -> FloatArray:
        """Upper triangles (b, m, pairs) of A_e for weighted coefficients (b, m q) or (b, d, d, m q)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Simplices: J^-1 (m, d, d), rows grad xi_i."""

    reference: Reference
    inverse: FloatArray
    edges: FloatArray  # (m, d, d) rows x_i - x_0, J^T
    origin: FloatArray  # (m, d)
    weights: FloatArray

    @property
    def points(self) -> FloatArray:
        result: FloatArray = self.reference.points @ self.edges
        result += self.origin[:, None]
        return result

    @property
    def gradients(self) -> FloatArray:
        slopes = self.reference.gradients(self.reference.points)
        return np.ascontiguousarray(np.einsum("qai,mij->majq", slopes, self.inverse))

    def places(self, part: slice) -> FloatArray:
        result: FloatArray = (self.reference.nodes - self.reference.nodes[0]) @ self.edges[part]
        return result

    def matrices(self, C: FloatArray) -> FloatArray:
        slopes = self.reference.gradients(self.reference.points)
        table = products(slopes, slopes)[:, :, *np.triu_indices(slopes.shape[1])]  # (q, components, pairs)
        C = C.reshape(*C.shape[:-1], *self.weights.shape)
        if self.reference.is_linear:
            C, table = C.sum(axis=-1, keepdims=True), table[:1]
        q, s, t = table.shape
        result = np.empty((len(C), len(self.inverse), t))
        for part in element_parts(len(self.inverse), len(C) * (q * s + t)):
            result[:, part] = self.contract(part, C[..., part, :], table)
        return result

    def total_gradients(self, part: slice, values: FloatArray) -> FloatArray:
        """Gradients (m, d, elements, q) at the points of functions (elements, local, m) on some elements."""
        slopes = self.reference.gradients(self.reference.points)  # (q, local, i)
        result: FloatArray = np.einsum("elm,qli,eij->mjeq", values, slopes, self.inverse[part], optimize=True)
        return result

    def contract(self, part: slice, C: FloatArray, table: FloatArray) -> FloatArray:
        """sum_q sum_ij (J^-1 C J^-T)_ij table_qij on some elements, C (b, m, q) or (b, d, d, m, q): (b, m, t)."""
        metric = _metric(self.inverse[part], C)
        q, s, t = table.shape
        result: FloatArray = metric.reshape(len(C), -1, q * s) @ table.reshape(q * s, t)
        return result


def affine_elements(cell: UnitCell, order: int, quadrature_order: int | None = None) -> Affine:
    """The simplices of a cell."""
    element = reference(cell.shape, order, quadrature_order)
    corners, d = simplex_corners(cell), cell.dim
    edges, inverse = np.empty((len(corners), d, d)), np.empty((len(corners), d, d))
    for part in element_parts(len(corners), 8 * d * d):
        places = cell.points[corners[part]]
        edges[part] = places[:, 1:] - places[:, :1]
        inverse[part] = _inverse(edges[part]).swapaxes(1, 2)  # of J = edges^T
    weights = np.outer(cell.volumes / cell.volume, element.weights / element.weights.sum())
    return Affine(element, inverse, edges, cell.points[corners[:, 0]], weights)


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """Elements with gradients of their own at every point."""

    gradients: FloatArray
    nodes: FloatArray  # (m, local, d)
    points: FloatArray
    weights: FloatArray

    def total_gradients(self, part: slice, values: FloatArray) -> FloatArray:
        """Gradients (m, d, elements, q) at the points of functions (elements, local, m) on some elements."""
        result: FloatArray = np.einsum("elm,eljq->mjeq", values, self.gradients[part], optimize=True)
        return result

    def places(self, part: slice) -> FloatArray:
        return self.nodes[part] - self.nodes[part, :1]

    def matrices(self, C: FloatArray) -> FloatArray:
        m, local, d, q = self.gradients.shape
        b, C = len(C), C.reshape(*C.shape[:-1], m, q)
        rows, columns = np.triu_indices(local)
        result = np.empty((b, m, len(rows)))
        for part in element_parts(m, b * (local * d * q + local**2)):
            G = self.gradients[part]
            c = C[..., part, :]
            weighted = c[:, :, None, None] * G if c.ndim == 3 else np.einsum("bijem,eajm->beaim", c, G)
            full = weighted.reshape(b, -1, local, d * q) @ G.reshape(-1, local, d * q).swapaxes(1, 2)
            result[:, part] = full[..., rows, columns]
        return result


def mapped_elements(cell: UnitCell, order: int, quadrature_order: int | None = None) -> Mapped:
    """The elements of a cell by scikit-fem."""
    basis = mesh_basis(cell, order, quadrature_order)
    parts = [np.broadcast_to(field[0].grad, field[0].grad.shape) for field in basis.basis]
    gradients = np.ascontiguousarray(np.stack(parts).transpose(2, 0, 1, 3))
    places = basis.doflocs[:, basis.element_dofs].transpose(2, 1, 0)
    points = np.ascontiguousarray(np.moveaxis(np.asarray(basis.global_coordinates()), 0, -1))
    return Mapped(gradients, places, points, np.asarray(basis.dx) / cell.volume)


def _inverse(edges: FloatArray) -> FloatArray:
    """Inverses of (m, d, d) matrices, d <= 3, by cofactors."""
    d = edges.shape[1]
    if d == 1:
        return 1.0 / edges
    rows = [edges[:, i] for i in range(d)]
    if d == 2:
        turned = np.stack([np.stack([rows[1][:, 1], -rows[1][:, 0]]), np.stack([-rows[0][:, 1], rows[0][:, 0]])])
    else:
        turned = np.stack([_cross(rows[(i + 1) % 3], rows[(i + 2) % 3]) for i in range(3)])
    cofactors = turned.transpose(2, 1, 0)  # (m, component, row): columns are dual to the rows of the matrix
    determinant = np.einsum("mk,mk->m", rows[0], cofactors[:, :, 0])
    result: FloatArray = cofactors / determinant[:, None, None]
    return result


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """a x b of (m, 3), components first (3, m)."""
    next_, last = (1, 2, 0), (2, 0, 1)
    return np.stack([a[:, i] * b[:, j] - a[:, j] * b[:, i] for i, j in zip(next_, last, strict=True)])


def _metric(inverse: FloatArray, C: FloatArray) -> FloatArray:
    """J^-1 C J^-T, upper triangle: (m, d, d) with (b, m, q) or (b, d, d, m, q) -> (b, m, q, components)."""
    d = inverse.shape[1]
    rows, columns = np.triu_indices(d)
    if C.ndim == 3:
        gram = (inverse @ inverse.swapaxes(1, 2))[:, rows, columns]
        scaled: FloatArray = C[..., None] * gram[:, None]
        return scaled
    inner = np.einsum("mik,bklmq->bmqil", inverse, C, optimize=True)
    full: FloatArray = np.einsum("bmqil,mjl->bmqij", inner, inverse, optimize=True)[..., rows, columns]
    return full


def products(a: FloatArray, b: FloatArray) -> FloatArray:
    """Reference gradients (q, x, d), (q, y, d) -> (q, components, x, y) that contract with a symmetric metric."""
    rows, columns = np.triu_indices(a.shape[2])
    first, second = a[:, :, rows], b[:, :, columns]
    total: FloatArray = np.einsum("qxs,qys->qsxy", first, second)
    mixed = np.einsum("qxs,qys->qsxy", a[:, :, columns], b[:, :, rows])
    total[:, rows != columns] += mixed[:, rows != columns]
    return total
