"""Convex cells that fill space: a parallelohedron's facets come in pairs, and centre minus opposite centre is a
vector of its lattice. Parallelograms and hexagons; in space the box, hexagonal prism, rhombic, elongated and
truncated polyhedra (12, 12, 14 facets) and their affine images (Fedorov 1885).
"""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from cellsolve.cells.reduction import along_axes, reduced_period
from cellsolve.cells.shapes import Floats, Ints

__all__ = ["HullSide", "box_of", "hull_period", "hull_sides", "is_box"]

_ANGLE = 1e-6
"""Two facets of a hull whose unit normals differ by less lie in one side."""
_MOST = {2: 6, 3: 14}
"""Sides of a parallelohedron, at most."""
_EQUAL = 1e-6
"""Measures that differ by less, relatively, are equal."""


class HullSide(NamedTuple):
    """A plane side of a convex hull: unit ``normal`` (d,), ``height`` n . x, ``centre`` (d,) and ``measure``."""

    normal: Floats
    height: float
    centre: Floats
    measure: float


def box_of(points: Floats) -> Floats:
    """The sides of the bounding box."""
    return np.diag(np.ptp(points, axis=0))


def is_box(sides: list[HullSide]) -> bool:
    """As many sides as a parallelepiped has."""
    return bool(sides) and len(sides) == 2 * len(sides[0].normal)


def hull_sides(points: Floats) -> tuple[list[HullSide], float, Floats]:
    """The sides of the convex hull of points (n, d), its volume and its corners; no sides if it is no polytope
    of as few as a parallelohedron has."""
    try:
        hull = ConvexHull(points)
    except QhullError:
        return [], 0.0, points[:0]
    areas = _areas(points[hull.simplices])
    kept = np.flatnonzero(areas > _ANGLE**2 * areas.sum())
    sides: list[HullSide] = []
    while len(kept) and len(sides) <= _MOST[points.shape[1]]:
        normal = hull.equations[kept[0], :-1]
        same = np.abs(hull.equations[kept, :-1] - normal).max(axis=1) <= _ANGLE
        sides.append(_side(points, hull.simplices[kept[same]], areas[kept[same]], normal))
        kept = kept[~same]
    corners = points[hull.vertices]
    return (sides if len(sides) <= _MOST[points.shape[1]] else []), float(hull.volume), corners


def hull_period(points: Floats) -> Floats | None:
    """Period (d, d) of a mesh whose convex hull is a parallelohedron, else None.

    The edges of a parallelepiped; of any other the shortest basis of its lattice.
    """
    sides, volume, corners = hull_sides(points)
    vectors = _opposite(sides, points)
    if vectors is None:
        return None
    if is_box(sides) and all(np.abs(side.normal).max() >= 1.0 - _ANGLE for side in sides):
        return box_of(points)
    vectors = _snapped(_sharp(corners, sides), vectors)
    return along_axes(vectors) if is_box(sides) else _basis(vectors, volume)


def _areas(simplices: Floats) -> Floats:
    """Measures of the facets (f, d, d) of a hull, up to a factor: the square root of Gram's determinant."""
    edges = simplices[:, 1:] - simplices[:, :1]
    return np.asarray(np.sqrt(np.abs(np.linalg.det(edges @ edges.swapaxes(1, 2)))))


def _side(points: Floats, simplices: Ints, areas: Floats, normal: Floats) -> HullSide:
    centres = points[simplices].mean(axis=1)
    measure = float(areas.sum())
    centre = areas @ centres / measure
    return HullSide(normal, float(normal @ centre), centre, measure / factorial(len(normal) - 1))


def _opposite(sides: list[HullSide], points: Floats) -> Floats | None:
    """Centre minus opposite centre of each pair of sides (s, d), None unless all sides come in pairs alike."""
    vectors, left = [], list(sides)
    extent = float(np.ptp(points, axis=0).max())
    while left:
        side = left.pop(0)
        partners = [i for i, other in enumerate(left) if np.abs(side.normal + other.normal).max() <= _ANGLE]
        if len(partners) != 1:
            return None
        other = left.pop(partners[0])
        if abs(side.measure - other.measure) > _EQUAL * extent ** (points.shape[1] - 1):
            return None
        vectors.append(side.centre - other.centre)
    return np.array(vectors) if vectors else None


def _sharp(corners: Floats, sides: list[HullSide]) -> Floats:
    """The corners (c, d) where d sides meet; round-off makes more points corners of a hull."""
    normals = np.array([side.normal for side in sides])
    directions = normals[list(combinations(range(len(sides)), corners.shape[1]))].sum(axis=1)
    return np.asarray(corners[np.unique((corners @ directions.T).argmax(axis=0))])


def _snapped(corners: Floats, vectors: Floats) -> Floats:
    """The same vectors as differences of nodes, free of the hull's round-off."""
    exact = vectors.copy()
    for row, vector in enumerate(vectors):
        steps = corners[None] - corners[:, None]
        gaps = np.linalg.norm(steps - vector, axis=2)
        best = np.unravel_index(int(np.argmin(gaps)), gaps.shape)
        if gaps[best] <= _EQUAL * np.linalg.norm(vector):
            exact[row] = steps[best]
    return exact


def _basis(vectors: Floats, volume: float) -> Floats | None:
    """The lattice spanned by the vectors (s, d), if |det| of d of them is the volume and the others are sums."""
    for rows in combinations(range(len(vectors)), vectors.shape[1]):
        basis = vectors[list(rows)]
        if abs(abs(np.linalg.det(basis)) - volume) > _EQUAL * volume:
            continue
        sums = vectors @ np.linalg.inv(basis)
        if _whole(sums).all():
            return reduced_period(basis)
    return None


def _whole(numbers: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.abs(numbers - np.rint(numbers)) <= 1e-4)
