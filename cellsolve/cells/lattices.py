"""Lattices: x + sum_i n_i p_i, n integer, is one point of the torus. The rows p_i of a period are its
vectors.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, KDTree, QhullError

from cellsolve.cells.shapes import Floats, Ints
from cellsolve.errors import MeshError

__all__ = ["as_period", "close_pairs", "detect_period", "longest_vector", "periodic_classes"]

_ANGLE = 1e-6
"""Two facets of a hull whose unit normals differ by less lie in one side."""


def as_period(name: str, period: ArrayLike, dim: int) -> Floats:
    """A checked copy (d, d) of period vectors, one a row; in one dimension a number does."""
    try:
        rows = np.array(period, dtype=float)
    except (TypeError, ValueError) as error:
        raise MeshError(f"{name}: the period is not a table of numbers ({error}). Give {dim} row(s).") from None
    rows = rows.reshape(1, 1) if dim == 1 and rows.size == 1 else rows
    if rows.shape != (dim, dim):
        raise MeshError(
            f"{name}: got a period of shape {rows.shape}, needed ({dim}, {dim}). Give one period vector a row."
        )
    if not np.isfinite(rows).all():
        raise MeshError(f"{name}: the period {rows.tolist()} has values that are not finite. Give finite vectors.")
    if abs(np.linalg.det(rows)) <= 1e-10 * np.linalg.norm(rows, axis=1).prod():
        raise MeshError(f"{name}: the period vectors {rows.tolist()} are dependent. Give {dim} independent ones.")
    return rows


def longest_vector(period: Floats) -> float:
    """max_i |p_i|: the length that relative tolerances refer to."""
    return float(np.linalg.norm(period, axis=1).max())


def periodic_classes(points: Floats, period: Floats, tolerance: float) -> Ints:
    """Labels (n,), equal for points equal modulo the lattice: x_i - x_j = sum_a n_a p_a, n_a integer.

    ``points`` (n, d), ``period`` (d, d) rows, ``tolerance`` relative to the longest period vector. Labels run
    from 0 to m - 1 in the order of first appearance. Holds for skewed lattices and for round-off of either
    sign.
    """
    fractions = (points - points[:1]) @ np.linalg.inv(period)
    fractions -= np.floor(fractions)
    fractions[fractions >= 1.0] = 0.0
    pairs = _pairs_on_torus(fractions, period, tolerance * longest_vector(period))
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def close_pairs(points: Floats, tolerance: float) -> Ints:
    """Pairs (q, 2), i < j, of points (n, d) with |x_i - x_j| <= tolerance, a length."""
    return np.asarray(KDTree(points).query_pairs(tolerance, output_type="ndarray"), dtype=np.int64)


def _pairs_on_torus(fractions: Floats, period: Floats, tolerance: float) -> Ints:
    """Pairs (q, 2) with |(f_i - f_j - n) P| <= tolerance, n integer; ``fractions`` (n, d) in [0, 1)."""
    reach = tolerance * float(np.linalg.norm(np.linalg.inv(period), axis=0).max())
    tree = KDTree(fractions, boxsize=np.ones(fractions.shape[1]))
    pairs = tree.query_pairs(min(reach, 0.49), p=np.inf, output_type="ndarray")
    step = fractions[pairs[:, 0]] - fractions[pairs[:, 1]]
    near = np.linalg.norm((step - np.round(step)) @ period, axis=1) <= tolerance
    return np.asarray(pairs[near], dtype=np.int64)


def detect_period(points: Floats) -> Floats:
    """Edge vectors (d, d) of the convex hull if it is a parallelepiped, else the sides of the bounding box.

    A convex polytope whose facets have exactly the normals +-n_1 .. +-n_d is a parallelepiped, and its edges
    solve n_a . p_b = 0 (a != b). The rows are ordered so that p_i points along axis i, as far as can be.
    """
    box = np.diag(np.ptp(points, axis=0))
    normals = _side_normals(points) if points.shape[1] > 1 else None
    if normals is None or np.allclose(np.abs(normals).max(axis=1), 1.0, atol=_ANGLE):
        return box
    widths = np.ptp(points @ normals.T, axis=0)
    return _along_axes(_snapped(points, (np.linalg.inv(normals) * widths).T))


def _side_normals(points: Floats) -> Floats | None:
    """The d unit normals of a hull that is a parallelepiped (d, d), else None."""
    try:
        hull = ConvexHull(points)
    except QhullError:
        return None
    normals = hull.equations[_hull_areas(points[hull.simplices]) > _ANGLE**2 * hull.area, :-1]
    found: list[Floats] = []
    while len(normals) and len(found) <= 2 * points.shape[1]:
        found.append(normals[0])
        normals = normals[np.abs(normals - normals[0]).max(axis=1) > _ANGLE]
    sides = [a for i, a in enumerate(found) if any(np.abs(a + b).max() <= _ANGLE for b in found[i + 1 :])]
    return np.array(sides) if len(found) == 2 * len(sides) else None


def _hull_areas(simplices: Floats) -> Floats:
    """Measures of the facets (f, d, d) of a hull, up to a factor: the square root of Gram's determinant."""
    edges = simplices[:, 1:] - simplices[:, :1]
    return np.asarray(np.sqrt(np.abs(np.linalg.det(edges @ edges.swapaxes(1, 2)))))


def _snapped(points: Floats, edges: Floats) -> Floats:
    """The same edges as differences of nodes, free of the hull's round-off."""
    fractions = points @ np.linalg.inv(edges)
    fractions -= fractions.min(axis=0)
    origin = np.argmin(np.abs(fractions).max(axis=1))
    corners = [np.argmin(np.abs(fractions - unit).max(axis=1)) for unit in np.eye(len(edges))]
    return np.asarray(points[corners] - points[origin])


def _along_axes(edges: Floats) -> Floats:
    dim = len(edges)
    unit = np.abs(edges) / np.linalg.norm(edges, axis=1)[:, None]
    orders = list(permutations(range(dim)))
    scores = [np.round(unit[list(order), range(dim)].prod(), 9) for order in orders]
    rows = edges[list(orders[int(np.argmax(scores))])]
    return np.asarray(rows * np.where(np.diag(rows) < 0, -1.0, 1.0)[:, None])
