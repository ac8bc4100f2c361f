"""MeshSpace: Lagrange elements on any unit cell mesh, folded to the torus.

scikit-fem gives the elements; degrees of freedom that are equal modulo the lattice become one unknown. The map is built
from their locations, so it is the same for every element, order and lattice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import skfem
from numpy.polynomial.legendre import leggauss
from scipy.sparse.csgraph import connected_components

from cellsolve.cells import UnitCell, periodic_classes
from cellsolve.errors import MeshError
from cellsolve.fem.space import FloatArray, batch_fastest

__all__ = ["MAX_ORDER", "MeshSpace"]

IntArray = npt.NDArray[np.int64]

_MESHES: dict[str, type] = {
    "line": skfem.MeshLine,
    "triangle": skfem.MeshTri,
    "quad": skfem.MeshQuad,
    "tetra": skfem.MeshTet,
    "hexahedron": skfem.MeshHex,
}
_ELEMENTS: dict[str, list[type]] = {
    "line": [skfem.ElementLineP1, skfem.ElementLineP2],
    "triangle": [skfem.ElementTriP1, skfem.ElementTriP2, skfem.ElementTriP3, skfem.ElementTriP4],
    "quad": [skfem.ElementQuad1, skfem.ElementQuad2],
    "tetra": [skfem.ElementTetP1, skfem.ElementTetP2],
    "hexahedron": [skfem.ElementHex1, skfem.ElementHex2],
}
MAX_ORDER = {shape: len(elements) for shape, elements in _ELEMENTS.items()}


# Corners of a hexahedron: from the order of gmsh and VTK files to scikit-fem's.
_HEXAHEDRON = [0, 4, 3, 1, 7, 5, 2, 6]


class MeshSpace:
    """Periodic Lagrange elements of one order on a unit cell read from a file."""

    def __init__(self, cell: UnitCell, order: int = 2):
        if not isinstance(order, int) or not 1 <= order <= MAX_ORDER[cell.shape]:
            raise MeshError(
                f"{cell.name}: got order = {order!r}, needed 1 to {MAX_ORDER[cell.shape]} on {cell.shape} elements. "
                "Choose an order in that range."
            )
        self.cell = cell
        self.dim = cell.dim
        self.order = order
        basis = _basis(cell, order)
        locations = np.ascontiguousarray(basis.doflocs.T)
        labels = periodic_classes(locations, cell.period, cell.match_tol)
        self.n_dofs = int(labels.max()) + 1
        self.nodes = np.empty((self.n_dofs, self.dim))
        self.nodes[labels] = locations
        self.element_dofs: IntArray = labels[basis.element_dofs.T]  # (elements, local)
        _refuse_pieces(cell.name, self.element_dofs, self.n_dofs)
        self.local_gradients = _local_gradients(basis)  # (elements, local, d, local points)
        self.weights = basis.dx.ravel() / cell.volume
        self.points = np.moveaxis(np.asarray(basis.global_coordinates()), 0, -1).reshape(-1, self.dim)
        self.tags: IntArray = np.repeat(_sorted_tags(cell), basis.dx.shape[1])

    def __repr__(self) -> str:
        return f"MeshSpace({self.cell.name}, order={self.order}, n_dofs={self.n_dofs})"

    @cached_property
    def D(self) -> sp.csr_array:
        """Gradients at all points as one sparse matrix (d q, n)."""
        elements, local, d, points = self.local_gradients.shape
        rows = np.arange(d * elements * points).reshape(d, elements, points)
        shape = (elements, local, d, points)
        row = np.broadcast_to(rows.transpose(1, 0, 2)[:, None], shape)
        column = np.broadcast_to(self.element_dofs[:, :, None, None], shape)
        entries = (self.local_gradients.ravel(), (row.ravel(), column.ravel()))
        return sp.csr_array(sp.coo_array(entries, shape=(rows.size, self.n_dofs)))

    @cached_property
    def _transpose(self) -> sp.csr_array:
        return sp.csr_array(self.D.T)

    def gradient(self, u: FloatArray) -> FloatArray:
        columns = self.D @ u.reshape(-1, self.n_dofs).T
        return _keep_batch_fastest(columns.T.reshape((*u.shape[:-1], self.dim, -1)))

    def divergence(self, field: FloatArray) -> FloatArray:
        lead = field.shape[:-2]
        columns = self._transpose @ field.reshape(int(np.prod(lead)), -1).T
        return _keep_batch_fastest(columns.T.reshape((*lead, self.n_dofs)))

    @cached_property
    def pattern(self) -> Pattern:
        """Where the entries of element matrices go: built once, used for every coefficient."""
        return Pattern.of(self.element_dofs, self.n_dofs)

    def matrix(self, C: FloatArray) -> sp.csr_array:
        """A = D^T diag(C) D of one weighted coefficient, (q,) or (d, d, q)."""
        elements, local, d, points = self.local_gradients.shape
        G = self.local_gradients
        if C.ndim == 1:
            weighted = G * C.reshape(elements, 1, 1, points)
        else:
            weighted = np.einsum("ijem,eajm->eaim", C.reshape(d, d, elements, points), G)
        blocks = np.matmul(G.reshape(elements, local, -1), weighted.reshape(elements, local, -1).swapaxes(1, 2))
        return self.pattern.fill(blocks)

    def diagonal(self, C: FloatArray) -> FloatArray:
        """diag A of weighted isotropic coefficients (b, q) -> (b, n)."""
        squares = sp.csr_array(self.D.multiply(self.D).T)
        return np.ascontiguousarray((squares @ np.tile(C, self.dim).T).T)

    def linear_interpolation(self) -> sp.csr_array:
        """Values of first-order elements, at the nodes of this space: (n, n_1)."""
        coarse = MeshSpace(self.cell, 1)
        values = _first_order_values(self.cell.shape, self.order)  # (local, local_1)
        fine = np.repeat(self.element_dofs[:, :, None], values.shape[1], axis=2)
        column = np.repeat(coarse.element_dofs[:, None, :], values.shape[0], axis=1)
        entry = np.broadcast_to(values, fine.shape)
        shape = (self.n_dofs, coarse.n_dofs)
        total = sp.csr_array(sp.coo_array((entry.ravel(), (fine.ravel(), column.ravel())), shape=shape))
        count = np.bincount(self.element_dofs.ravel(), minlength=self.n_dofs)
        return sp.csr_array(sp.diags_array(1.0 / count) @ total)


def _keep_batch_fastest(values: FloatArray) -> FloatArray:
    return batch_fastest(values) if values.ndim > 1 else np.ascontiguousarray(values)


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The sparsity of A, and the slot of each entry of each element matrix."""

    indices: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int32]
    slots: IntArray
    n: int

    @classmethod
    def of(cls, element_dofs: IntArray, n: int) -> Pattern:
        local = element_dofs.shape[1]
        row = np.repeat(element_dofs, local, axis=1).ravel()
        column = np.tile(element_dofs, (1, local)).ravel()
        keys, slots = np.unique(row * n + column, return_inverse=True)
        indptr = np.searchsorted(keys, np.arange(n + 1) * n)
        return cls((keys % n).astype(np.int32), indptr.astype(np.int32), slots.ravel(), n)

    def fill(self, blocks: FloatArray) -> sp.csr_array:
        data = np.bincount(self.slots, weights=blocks.ravel(), minlength=len(self.indices))
        return sp.csr_array((data, self.indices, self.indptr), shape=(self.n, self.n))


def _refuse_pieces(name: str, element_dofs: IntArray, n: int) -> None:
    """Pieces that do not touch, also not across the period, have each a constant of their own: A would be singular."""
    first = np.repeat(element_dofs[:, 0], element_dofs.shape[1])
    links = sp.coo_array((np.ones(first.size), (first, element_dofs.ravel())), shape=(n, n))
    pieces, labels = connected_components(links, directed=False)
    if pieces > 1:
        sizes = sorted(np.bincount(labels).tolist())
        raise MeshError(
            f"{name}: got {pieces} pieces that do not touch ({sizes[0]} to {sizes[-1]} unknowns), needed one. "
            "Remove the smaller pieces from the mesh: what floats in a pore does not conduct."
        )


def _quadrature_order(shape: str, order: int) -> int:
    """Products: p + 1 Gauss points a direction. Simplices: degree 2p."""
    return 2 * order + 1 if shape in ("quad", "hexahedron") else 2 * order


def _basis(cell: UnitCell, order: int) -> Any:
    corners = cell.elements[:, _HEXAHEDRON] if cell.shape == "hexahedron" else cell.elements
    mesh = _MESHES[cell.shape](np.ascontiguousarray(cell.points.T), np.ascontiguousarray(corners.T))
    element = _ELEMENTS[cell.shape][order - 1]()
    if cell.shape == "line":
        return skfem.Basis(mesh, element, quadrature=_gauss(order))
    if cell.shape == "tetra" and order == 2:
        return skfem.Basis(mesh, element, quadrature=_walkington())
    return skfem.Basis(mesh, element, intorder=_quadrature_order(cell.shape, order))


def _gauss(count: int) -> tuple[FloatArray, FloatArray]:
    """On lines as many points as the order: then a flux that is constant solves the discrete problem."""
    x, w = leggauss(count)
    return 0.5 * (x[None] + 1.0), 0.5 * w


def _walkington() -> tuple[FloatArray, FloatArray]:
    """Degree 5 on the tetrahedron, 14 points inside and positive weights (N. J. Walkington, 2000).

    scikit-fem's rules of degree 4 to 6 have negative weights, or points on faces, where coefficients may jump.
    """
    barycentric, weights = [], []
    for a, w in ((0.31088591926330060980, 0.11268792571801585080), (0.092735250310891226402, 0.073493043116361949544)):
        barycentric += [np.where(np.arange(4) == i, 1 - 3 * a, a) for i in range(4)]
        weights += [w] * 4
    b = 0.045503704125649649492
    barycentric += [np.where(np.isin(np.arange(4), pair), b, 0.5 - b) for pair in combinations(range(4), 2)]
    weights += [0.042546020777081466438] * 6
    return np.array(barycentric)[:, 1:].T, np.array(weights) / 6.0


def _sorted_tags(cell: UnitCell) -> IntArray:
    return np.asarray(cell.tags, dtype=np.int64)


def _local_gradients(basis: Any) -> FloatArray:
    """(elements, local, d, points) gradients of the shape functions."""
    parts = [np.broadcast_to(field[0].grad, field[0].grad.shape) for field in basis.basis]
    return np.ascontiguousarray(np.stack(parts).transpose(2, 0, 1, 3))


def _first_order_values(shape: str, order: int) -> FloatArray:
    """First-order shape functions at the reference nodes of the element of the given order: (local, local_1)."""
    element, linear = _ELEMENTS[shape][order - 1](), _ELEMENTS[shape][0]()
    X = np.asarray(element.doflocs, dtype=float).T
    count = len(linear.doflocs)
    return np.stack([np.broadcast_to(linear.lbasis(X, i)[0], X.shape[1]) for i in range(count)], axis=1)
