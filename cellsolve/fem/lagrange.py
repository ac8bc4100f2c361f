"""Lagrange elements of scikit-fem: reference functions, quadrature, and bases on the cells of mesh files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import skfem
from numpy.polynomial.legendre import leggauss

from cellsolve.cells import UnitCell, middle_owners
from cellsolve.errors import MeshError
from cellsolve.fem.space import FloatArray

__all__ = [
    "MAX_ORDER",
    "SIMPLICES",
    "Reference",
    "check_order",
    "element_corners",
    "mesh_basis",
    "reference",
    "reference_nodes",
    "simplex_corners",
    "values_at_nodes",
]

IntArray = npt.NDArray[np.int64]

SIMPLICES = ("line", "triangle", "tetra")
_MESHES: dict[str, type] = {
    "line": skfem.MeshLine,
    "triangle": skfem.MeshTri,
    "quad": skfem.MeshQuad,
    "tetra": skfem.MeshTet,
    "hexahedron": skfem.MeshHex,
}
_CURVED_MESHES: dict[str, type] = {
    "triangle": skfem.MeshTri2,
    "quad": skfem.MeshQuad2,
    "tetra": skfem.MeshTet2,
    "hexahedron": skfem.MeshHex2,
}
_ELEMENTS: dict[str, list[type[Any]]] = {
    "line": [skfem.ElementLineP1, skfem.ElementLineP2],
    "triangle": [skfem.ElementTriP1, skfem.ElementTriP2, skfem.ElementTriP3, skfem.ElementTriP4],
    "quad": [skfem.ElementQuad1, skfem.ElementQuad2],
    "tetra": [skfem.ElementTetP1, skfem.ElementTetP2],
    "hexahedron": [skfem.ElementHex1, skfem.ElementHex2],
}
MAX_ORDER = {shape: len(elements) for shape, elements in _ELEMENTS.items()}

# Corners of a hexahedron: from the order of gmsh and VTK files to scikit-fem's.
_HEXAHEDRON = [0, 4, 3, 1, 7, 5, 2, 6]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """An element on its reference simplex: corners first 0, then the unit vectors."""

    nodes: FloatArray  # (local, d)
    points: FloatArray  # (q, d) of the quadrature
    weights: FloatArray  # (q,)
    element: Any  # of scikit-fem

    @property
    def is_linear(self) -> bool:
        """Gradients of the shape functions are constant."""
        return bool(len(self.nodes) == self.nodes.shape[1] + 1)

    def gradients(self, points: FloatArray) -> FloatArray:
        """Gradients of the shape functions at points (q, d): (q, local, d)."""
        X = np.ascontiguousarray(points.T)
        shape = X.shape
        parts = [np.broadcast_to(self.element.lbasis(X, i)[1], shape) for i in range(len(self.nodes))]
        return np.ascontiguousarray(np.stack(parts).transpose(2, 0, 1))


@cache
def reference(shape: str, order: int, quadrature_order: int | None = None) -> Reference:
    """The element of a shape and order, with the quadrature of cell problems of its order, or of another one."""
    element = _ELEMENTS[shape][order - 1]()
    X, weights = _quadrature(shape, quadrature_order or order)
    return Reference(np.asarray(element.doflocs, dtype=float), X.T.copy(), weights, element)


def check_order(cell: UnitCell, order: int) -> None:
    """Raises MeshError for an order that the elements of a cell do not have."""
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= MAX_ORDER[cell.shape]:
        raise MeshError(
            f"{cell.name}: got order = {order!r}, needed 1 to {MAX_ORDER[cell.shape]} on {cell.shape} elements. "
            "Choose an order in that range."
        )


def values_at_nodes(shape: str, order: int, other: int) -> FloatArray:
    """Shape functions of another order at the reference nodes of an element: (local, local_other)."""
    element, functions = _ELEMENTS[shape][order - 1](), _ELEMENTS[shape][other - 1]()
    X = np.asarray(element.doflocs, dtype=float).T
    count = len(functions.doflocs)
    return np.stack([np.broadcast_to(functions.lbasis(X, i)[0], X.shape[1]) for i in range(count)], axis=1)


def mesh_basis(cell: UnitCell, order: int, quadrature_order: int | None = None) -> Any:
    """scikit-fem's basis, with the quadrature of cell problems of its order, or of another one."""
    points, corners = np.ascontiguousarray(cell.points.T), element_corners(cell)
    element = _ELEMENTS[cell.shape][order - 1]()
    if cell.middles is None:
        mesh = _MESHES[cell.shape](points, np.ascontiguousarray(corners.T))
        return skfem.Basis(mesh, element, quadrature=_quadrature(cell.shape, quadrature_order or order))
    nodes = np.hstack([corners, _middles(cell, corners)])
    mesh = _CURVED_MESHES[cell.shape](points, np.ascontiguousarray(nodes.T))
    return skfem.Basis(mesh, element, quadrature=_curved_quadrature(cell.shape, quadrature_order or order))


def _middles(cell: UnitCell, corners: IntArray) -> IntArray:
    """The further nodes (m, k) of curved elements, in scikit-fem's order for these corners.

    A middle belongs to the corners of its edge, face or element; on the reference element it lies at their mean.
    """
    assert cell.middles is not None
    nodes, count = reference_nodes(cell.shape, 2), corners.shape[1]
    owners = middle_owners(cell.shape)
    of = {frozenset(own.tolist()): number for number, own in enumerate(owners)}
    in_file = (corners[:, :, None] == cell.elements[:, None, :]).argmax(axis=2)  # place of each corner
    orders, kind = np.unique(in_file, axis=0, return_inverse=True)
    sets = [np.flatnonzero(_owns(nodes[:count], node)) for node in nodes[count:]]
    columns = np.array([[of[frozenset(order[own].tolist())] for own in sets] for order in orders])
    return np.take_along_axis(cell.middles, columns[kind.ravel()], axis=1)


def _owns(corners: FloatArray, node: FloatArray) -> npt.NDArray[np.bool_]:
    """Which corners an inner node of the reference element is a middle of: on simplices those of its edge, else those
    that no coordinate tells from it."""
    if len(corners) == corners.shape[1] + 1:
        barycentric = np.concatenate([[1.0 - node.sum()], node])
        return np.asarray(barycentric[_simplex_places(corners)] > 0.25)
    return np.asarray((np.abs(corners - node) < 0.75).all(axis=1))


def _simplex_places(corners: FloatArray) -> IntArray:
    """0 for the origin, i for the unit vector e_i."""
    return np.asarray(np.where(corners.any(axis=1), corners.argmax(axis=1) + 1, 0), dtype=np.int64)


def reference_nodes(shape: str, order: int) -> FloatArray:
    """Places (local, d) of the nodes on the reference element, corners first."""
    return np.asarray(_ELEMENTS[shape][order - 1]().doflocs, dtype=float)


def element_corners(cell: UnitCell) -> IntArray:
    """Corners (m, k) in scikit-fem's order."""
    if cell.shape == "hexahedron":
        return cell.elements[:, _HEXAHEDRON]
    return cell.elements if cell.shape == "quad" else simplex_corners(cell)


def simplex_corners(cell: UnitCell) -> IntArray:
    """Corners (m, k) of simplices in scikit-fem's order: on triangles ascending, so that neighbours agree on the
    direction of their edge."""
    return cell.elements if cell.shape == "tetra" else np.sort(cell.elements, axis=1)


def _quadrature(shape: str, order: int) -> tuple[FloatArray, FloatArray]:
    """Products: p + 1 Gauss points a direction. Simplices: degree 2p."""
    if shape == "line":
        return _gauss(order)
    if shape == "tetra" and order == 2:
        return _walkington()
    degree = 2 * order + 1 if shape in ("quad", "hexahedron") else 2 * order
    X, weights = skfem.quadrature.get_quadrature(_ELEMENTS[shape][0]().refdom, degree)
    return np.asarray(X), np.asarray(weights)


def _curved_quadrature(shape: str, order: int) -> tuple[FloatArray, FloatArray]:
    """Two degrees more: what curved elements integrate is no polynomial."""
    if shape == "tetra" and order == 2:
        return _walkington()
    X, weights = skfem.quadrature.get_quadrature(_ELEMENTS[shape][0]().refdom, 2 * order + 3)
    return np.asarray(X), np.asarray(weights)


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
