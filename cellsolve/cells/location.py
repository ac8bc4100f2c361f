"""Which points lie in elements: barycentric coordinates lambda_i >= 0 in one of the simplices of an element."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cellsolve.cells.shapes import Floats, Ints, Shape

__all__ = ["covered"]

_SIMPLICES: dict[str, list[list[int]]] = {
    "line": [[0, 1]],
    "triangle": [[0, 1, 2]],
    "quad": [[0, 1, 2], [0, 2, 3]],
    "tetra": [[0, 1, 2, 3]],
    "hexahedron": [[0, 1, 2, 6], [0, 1, 5, 6], [0, 3, 2, 6], [0, 3, 7, 6], [0, 4, 5, 6], [0, 4, 7, 6]],
}
_ROUND_OFF = 1e-12


def covered(places: Floats, points: Floats, elements: Ints, shape: Shape) -> NDArray[np.bool_]:
    """Does a place (q, d) lie in an element? (q,); points (n, d), elements (m, k)."""
    found = np.zeros(len(places), dtype=np.bool_)
    if not len(places):
        return found
    near = _reaching(elements, points, places)
    corners = points[elements[near]]
    radii = np.linalg.norm(corners - corners.mean(axis=1)[:, None], axis=2).max(axis=1)
    lists = KDTree(places).query_ball_point(corners.mean(axis=1), radii * (1.0 + _ROUND_OFF))
    counts = np.array([len(members) for members in lists], dtype=np.int64)
    place = np.fromiter((index for members in lists for index in members), dtype=np.int64, count=int(counts.sum()))
    element = np.repeat(near, counts)
    for simplex in _SIMPLICES[shape]:
        inside = _inside(places[place], points[elements[element][:, simplex]])
        found[place[inside]] = True
    return found


def _reaching(elements: Ints, points: Floats, places: Floats) -> Ints:
    """Elements whose circle about the mean of the corners may hold a place."""
    low, high = places.min(axis=0), places.max(axis=0)
    touched = np.ones(len(elements), dtype=np.bool_)
    for axis, x in enumerate(points.T):
        corners = x[elements]
        touched &= (corners.max(axis=1) >= low[axis]) & (corners.min(axis=1) <= high[axis])
    near = np.flatnonzero(touched)
    corners = points[elements[near]]
    centres = corners.mean(axis=1)
    radii = np.linalg.norm(corners - centres[:, None], axis=2).max(axis=1)
    distances, _ = KDTree(places).query(centres, distance_upper_bound=float(radii.max(initial=0.0)) * 1.01)
    return np.asarray(near[distances <= radii * (1.0 + _ROUND_OFF)])


def _inside(places: Floats, simplices: Floats) -> NDArray[np.bool_]:
    """Is place i (q, d) in simplex i (q, d + 1, d)? A simplex without volume holds nothing."""
    edges = (simplices[:, 1:] - simplices[:, :1]).swapaxes(1, 2)
    flat = np.abs(np.linalg.det(edges)) <= 0.0
    edges[flat] = np.eye(edges.shape[1])
    last = np.linalg.solve(edges, (places - simplices[:, 0])[:, :, None])[:, :, 0]
    lowest = np.minimum(last.min(axis=1), 1.0 - last.sum(axis=1))
    return np.asarray((lowest >= -_ROUND_OFF) & ~flat)
